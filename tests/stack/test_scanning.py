"""Gateway and policy with the real scanner: what is refused, what goes and is signed, and what a broken one does."""

import base64
import io
import json
import random
import smtplib
import zipfile
from collections import Counter
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP

import dkim
import pytest
from ham import messages
from harness import PLENTY, Login, Sallyport, policy_file, until
from scanner_process import (
    CLAMD_MISSING,
    EICAR,
    GTUBE,
    RSPAMD_MISSING,
    Clamd,
    Rspamd,
    has_clamd,
    has_rspamd,
    new_dkim_keys,
)
from scripted import ScriptedNextHop

pytestmark = pytest.mark.skipif(not has_rspamd(), reason=RSPAMD_MISSING)

SENDER = "ada@sallyport.test"
FRIEND, STRANGER = "friend@example.org", "stranger@example.org"
KNOWN_POLICY = '[modes]\nladder = "observe"\n'


class Stage:
    """All of it, and a login that has written to FRIEND."""

    def __init__(self, sallyport: Sallyport, hop: ScriptedNextHop, rspamd: Rspamd, login: Login) -> None:
        self.sallyport, self.hop, self.rspamd, self.login = sallyport, hop, rspamd, login

    def handed_in(self, message: bytes, recipient: str = FRIEND) -> str:
        """The reply to the message."""
        with self.sallyport.client(self.login) as client:
            client.mail(SENDER, [f"SIZE={len(message)}"])
            client.rcpt(recipient)
            code, text = client.data(message)
            return f"{code} {text.decode()}"

    def scans(self) -> Counter[str]:
        """How many messages the scanner was asked about, by what it said."""
        found = Counter[str]()
        for line in self.sallyport.status("metrics").splitlines():
            if line.startswith("sallyport_gateway_scans_total{"):
                found[line.split('"')[1]] = int(float(line.rpartition(" ")[2]))
        return found

    def explained(self, submission: str) -> dict[str, str]:
        """What is written down of it: the facts, in words."""
        shown = json.loads(self.sallyport.cli("explain", submission, "--json"))
        return {one["name"]: one["value"] for one in shown["evidence"]["facts"]}

    def published(self, name: bytes, timeout: float = 5) -> bytes:  # noqa: ARG002 - dkimpy's signature
        """The TXT record as rspamd's own tool writes it for a zone file."""
        selector, _, domain = name.decode().rstrip(".").partition("._domainkey.")
        zone = (self.rspamd.keys / f"{domain}.{selector}.txt").read_text()
        return "".join(zone.split('"')[1::2]).encode()

    def last(self) -> bytes:
        return self.hop.heard[-1].content


@pytest.fixture(scope="module")
def clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clamd | None]:
    """Where it is installed."""
    one = Clamd(tmp_path_factory.mktemp("clamd")).start() if has_clamd() else None
    yield one
    if one:
        one.stop()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, clamd: Clamd | None) -> Iterator[Stage]:
    rspamd = Rspamd(clamd.port if clamd else 0).start()
    hop = ScriptedNextHop().start()
    folder = tmp_path_factory.mktemp("sallyport")
    settings = {"GATEWAY_SCAN_URL": rspamd.url, "GATEWAY_SCAN_TIMEOUT_S": "6", "GATEWAY_WORKERS": "1"}
    one = Sallyport(folder, hop.port, policy_file(folder, KNOWN_POLICY, person=PLENTY), settings)
    try:
        one.start()
        made = Stage(one, hop, rspamd, one.new_login("ada", SENDER))
        assert made.handed_in(plain("first")).startswith("250 ")
        yield made
    finally:
        one.stop()
        hop.stop()
        rspamd.stop()


@pytest.fixture
def scanner(stage: Stage) -> Iterator[Rspamd]:
    """It may be broken: whoever breaks it next waits until the gateway, which looks now and then, has found it."""
    until(lambda: not warnings(stage), "the gateway has found the scanner again", deadline_s=60)
    yield stage.rspamd
    stage.rspamd.go_on()
    stage.rspamd.kill()
    stage.rspamd.start()


def warnings(stage: Stage) -> list[str]:
    found: list[str] = json.loads(stage.sallyport.status("health/ready"))["warnings"]
    return found


def plain(text: str, *more: str) -> bytes:
    lines = (f"From: Ada <{SENDER}>", f"To: {FRIEND}", "Subject: figures", *more, "", text, "")
    return "\r\n".join(lines).encode()


def with_file(content: bytes, name: str, kind: str = "application/octet-stream") -> bytes:
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = f"Ada <{SENDER}>", FRIEND, "figures"
    message.set_content("the file that we spoke of\n")
    maintype, _, subtype = kind.partition("/")
    message.add_attachment(content, maintype, subtype, filename=name)
    return message.as_bytes()


def test_what_every_scanner_knows_is_refused(stage: Stage) -> None:
    """In a sentence, and the next hop never sees it. What weighed is in the record."""
    before = len(stage.hop.heard)
    assert (
        stage.handed_in(plain(GTUBE)) == "554 5.7.1 The message looks like spam, ask your administrator if it is none"
    )
    assert len(stage.hop.heard) == before
    (newest,) = json.loads(stage.sallyport.cli("submission", "list", "--limit", "1", "--json"))
    assert (newest["reason"], newest["rule"]) == ("spam", "spam")
    assert stage.explained(newest["id"])["scan"] == "spam, 15.0: GTUBE"


@pytest.mark.skipif(not has_clamd(), reason=CLAMD_MISSING)
@pytest.mark.parametrize("name", ["test.txt", "test.zip"])
def test_a_virus_is_refused(stage: Stage, name: str) -> None:
    """As a file, and in an archive."""
    content = EICAR
    if name.endswith(".zip"):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("test.txt", EICAR)
        content = packed.getvalue()
    reply = "554 5.7.1 The message contains malware, remove the attachment and check your computer"
    assert stage.handed_in(with_file(content, name)) == reply


@pytest.mark.skipif(not has_clamd(), reason=CLAMD_MISSING)
def test_a_message_that_is_one_text_is_looked_at_by_clamd_too(stage: Stage) -> None:
    reply = stage.handed_in(plain(EICAR.decode()))
    assert reply.startswith("554 5.7.1 The message contains malware")


def test_mail_of_people_and_programs_goes(stage: Stage) -> None:
    """Two hundred of twenty kinds: none refused, none so much as marked, none left unscanned."""
    before, refused = stage.scans(), list[str]()
    with stage.sallyport.client(stage.login) as client:
        for kind, recipient, octets in messages(200):
            try:
                options = ["BODY=8BITMIME"] if not octets.isascii() else []
                client.sendmail(SENDER, [recipient], octets, options)
            except smtplib.SMTPException as error:
                refused.append(f"{kind}: {error}")
    assert not refused
    assert stage.scans() - before == Counter(clean=200)


def test_what_goes_is_signed_with_both_keys(stage: Stage) -> None:
    """On top of all, over the message as it arrives; an independent library verifies it by the published records."""
    keys = stage.rspamd.keys
    new_dkim_keys(keys, "sallyport.test")
    until(
        lambda: stage.handed_in(plain("signed?")).startswith("250") and b"DKIM-Signature" in stage.last(),
        "it is signed",
    )
    content = stage.last()
    assert content.startswith(b"DKIM-Signature: v=1; a=")
    head = content.partition(b"\r\n\r\n")[0]
    assert head.count(b"DKIM-Signature: ") == 2
    assert head.index(b"Received: ") > head.rindex(b"DKIM-Signature: ")
    for index in (0, 1):
        assert dkim.DKIM(content).verify(index, dnsfunc=stage.published), index
        with pytest.raises(dkim.ValidationError):
            dkim.DKIM(content.replace(b"signed?", b"sinned?")).verify(index, dnsfunc=stage.published)


def test_a_large_message_is_scanned_and_relayed_whole(stage: Stage) -> None:
    """25 MB, octet for octet."""
    message = with_file(random.Random(1).randbytes(19_000_000), "figures.pdf", "application/pdf")  # noqa: S311
    assert 25_000_000 < len(message) < 26_214_400
    before = stage.scans()
    assert stage.handed_in(message).startswith("250 ")
    assert stage.last().endswith(message[-25_000_000:])
    assert stage.scans() - before == Counter(clean=1)


def test_an_archive_that_nobody_can_open_goes_and_is_noted(stage: Stage) -> None:
    """An encrypted one is what people send when they take care; its symbol is in the record."""
    archive = base64.b64decode(ENCRYPTED)
    reply = stage.handed_in(with_file(archive, "figures.zip", "application/zip"))
    assert reply.startswith("250 ")
    assert stage.explained(reply.rpartition(" ")[2])["scan"].startswith("clean, ")
    assert "ENCRYPTED" in stage.explained(reply.rpartition(" ")[2])["scan"]


MIXED = 'Content-Type: multipart/mixed; boundary="x"'
MALFORMED = [
    ("a boundary that never comes", plain("hello", MIXED)),
    (
        "a part that never ends",
        plain("--x\r\nContent-Type: text/html\r\n\r\n<b", MIXED),
    ),
    ("base64 that is none", plain("&&&&====&&&", "Content-Transfer-Encoding: base64")),
    ("a type that is none", plain("hello", "Content-Type: ;;;;=")),
    ("a boundary within itself", plain("--x\r\n" * 2000, MIXED)),
    (
        "parts within parts",
        plain(
            "".join(f'--b{n}\r\nContent-Type: multipart/mixed; boundary="b{n + 1}"\r\n\r\n' for n in range(200)),
            'Content-Type: multipart/mixed; boundary="b0"',
        ),
    ),
    ("no content at all", plain("")[:-4]),
]


@pytest.mark.parametrize("message", [case[1] for case in MALFORMED], ids=[case[0] for case in MALFORMED])
def test_malformed_mime_has_an_end(stage: Stage, message: bytes) -> None:
    """It is scanned as what it is: it goes, or is refused as spam; it is not left unscanned, and nothing breaks."""
    before = stage.scans()
    assert stage.handed_in(message)[:3] in ("250", "554")
    assert not (stage.scans() - before)["silent"]
    assert stage.handed_in(plain("and on it goes")).startswith("250 ")


def test_a_secret_in_a_message_is_refused_first(stage: Stage) -> None:
    """Before the scanner's word counts; it is in no log and in no record."""
    secret = stage.login.secret
    reply = stage.handed_in(plain(f"as you asked: {secret}\r\n{GTUBE}"))
    assert reply == "550 5.7.1 The message contains the secret of a login; remove it, and set the device up anew"
    written = stage.sallyport.gateway.text() + stage.sallyport.policy.text() + stage.rspamd.process.text()
    with stage.sallyport.store() as connection:
        written += "".join(str(row) for row in connection.exec_driver_sql("SELECT * FROM submission"))
    assert secret not in written
    assert secret.replace("-", "") not in written


# Last: the scanner is broken.


def test_a_scanner_that_is_gone(stage: Stage, scanner: Rspamd) -> None:
    """Mail to known recipients goes, unsigned; the rest waits; it is counted, in the log, and in health."""
    scanner.kill()
    assert stage.handed_in(plain("to a friend")).startswith("250 ")
    assert b"DKIM-Signature" not in stage.last()
    silent = "451 4.7.1 The message cannot be scanned at the moment, try again later"
    assert stage.handed_in(plain("to a stranger"), STRANGER) == silent
    assert stage.scans()["silent"] >= 2
    assert warnings(stage)
    assert "scan-failed" in stage.sallyport.gateway.text()


def test_a_scanner_that_hangs(stage: Stage, scanner: Rspamd) -> None:
    """The same, a time limit later; after some of them nobody waits any more."""
    scanner.hang()
    for _ in range(6):
        assert stage.handed_in(plain("to a friend")).startswith("250 ")
    assert stage.scans()["silent"] >= 6
    waited = stage.sallyport.gateway.text().count("scan-failed")
    assert waited < 8


# `secret.txt` in a ZIP with a password, encrypted as PKZIP did it.
ENCRYPTED = (
    "UEsDBBQAAQAAAAAAeVvLHezRLAAAACAAAAAKAAAAc2VjcmV0LnR4dO4Q7XdTk25rXGYULXhGH7tQWMY3ESJrkMheO1B39LuubZpy"
    "o81LiLcWZPQrUEsBAhQAFAABAAAAAAB5W8sd7NEsAAAAIAAAAAoAAAAAAAAAAAAAAAAAAAAAAHNlY3JldC50eHRQSwUGAAAAAAEA"
    "AQA4AAAAVAAAAAAA"
)

"""What leaves is signed, and somebody else's library says so: gateway, rspamd, Postfix, sink, and a zone on loopback.

dkimpy verifies; it shares no code with rspamd, which signs, nor with what makes the keys.
"""

import asyncio
import json
import os
import time
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path

import dkim
import dns.asyncresolver
import dns.resolver
import dns.zone
import pytest
from answering_dns import AnsweringDns
from harness import Login, Postfix, Sallyport, Sink, until
from scanner_process import RSPAMD_MISSING, Rspamd, has_rspamd

from policy.dkim.book import KeyBook
from policy.dkim.folder import KeyFolder
from policy.dkim.rotation import State
from policy.dkim.seen import steps
from policy.queue_contract import OutsideAnswers, OutsideQuestions
from policy.store.audit import Actor
from policy.store.database import open_database
from queue_agent.outside import Outside

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(not Postfix.is_possible(), reason="needs root and Debian's postfix on this machine"),
    pytest.mark.skipif(not has_rspamd(), reason=RSPAMD_MISSING),
]

SENDER = "ada@sallyport.test"
DOMAIN = "sallyport.test"
DAY_S = 86_400.0


@pytest.fixture(scope="module")
def scanner() -> Iterator[Rspamd]:
    """Its folder of keys belongs to its group, as on a machine without containers.

    One worker: each reads the map again by itself, within seconds, and the rotation here leaves out the week between.
    """
    one = Rspamd()
    one.process.environment["RSPAMD_WORKERS"] = "1"
    os.chown(one.keys, 0, 65534)
    one.keys.chmod(0o2750)
    (one.keys / "keys.map").unlink()
    (one.keys / "keys.map").touch(mode=0o640)
    yield one.start()
    one.stop()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, sink: Sink, scanner: Rspamd) -> Iterator[Sallyport]:
    postfix = Postfix(tmp_path_factory.mktemp("postfix"), sink.smtp_port).start()
    one = Sallyport(
        tmp_path_factory.mktemp("sallyport"),
        postfix.port,
        policy_settings={"POLICY_DKIM_DIR": str(scanner.keys), "POLICY_DOMAINS": f"{DOMAIN},bücher.example"},
        gateway_settings={"GATEWAY_SCAN_URL": scanner.url, "GATEWAY_WORKERS": "1"},
    )
    try:
        yield one.start()
    finally:
        one.stop()
        postfix.stop()


@pytest.fixture(scope="module")
def ada(stack: Sallyport, sink: Sink) -> Login:
    """Once the scanner has read the keys that policy has just made."""
    one = stack.new_login("ada", SENDER, "ada@bücher.example")
    until(lambda: b"DKIM-Signature: " in sent(stack, one, sink, message("Subject: keys?")), "it is signed")
    return one


@pytest.fixture
def world(stack: Sallyport) -> Iterator[AnsweringDns]:
    """Has what `sallyport dns` prints, and nothing else."""
    with AnsweringDns({}) as one:
        for domain in (DOMAIN, "bücher.example"):
            publish(one, stack.cli("dns", domain))
        yield one


def publish(world: AnsweringDns, printed: str) -> None:
    """As a zone file, by another library's reading of it."""
    zone = dns.zone.from_text(f"@ 300 IN SOA . . 1 1 1 1 1\n@ 300 IN NS .\n{printed}", origin=".", relativize=False)
    for name, _, record in zone.iterate_rdatas("TXT"):
        world.table[(name.to_text(omit_final_dot=True), "TXT")] = [record.to_text()]


def signatures(octets: bytes, world: AnsweringDns) -> dict[str, bool]:
    """Algorithm and selector of each signature, and whether it holds."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], world.port

    def text(name: bytes, timeout: int = 5) -> bytes | None:
        try:
            (record,) = resolver.resolve(name.decode(), "TXT", lifetime=timeout)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return None
        return b"".join(record.strings)

    found = {}
    fields = message_from_bytes(octets, policy=policy.compat32).get_all("DKIM-Signature", [])
    for number, field in enumerate(fields):
        tags = {
            part.split("=", 1)[0].strip(): part.split("=", 1)[1].strip() for part in field.split(";") if "=" in part
        }
        try:
            is_good = dkim.DKIM(octets).verify(idx=number, dnsfunc=text)
        except dkim.DKIMException:
            is_good = False
        found[f"{tags['a']} {tags['d']} {tags['s'].rpartition('-')[0]}"] = is_good
    return found


def sent(stack: Sallyport, ada: Login, sink: Sink, message: bytes, *options: str, sender: str = SENDER) -> bytes:
    """As it came out at the far end."""
    before = {one["id"] for one in sink.messages()}
    with stack.client(ada) as client:
        client.ehlo()
        client.mail(sender, options)
        client.rcpt("bob@far.example")
        code, text = client.data(message)
    assert code == 250, text
    (new,) = until(lambda: [one for one in sink.messages() if one["id"] not in before], "the message is in the sink")
    return sink.raw(new["id"])


def message(*lines: str, body: str = "hello\r\n", author: str = f"Ada <{SENDER}>") -> bytes:
    head = [f"From: {author}", "To: bob@far.example", *lines]
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


LONG = " ".join(f"<{number:032x}@mail.sallyport.test>" for number in range(28))
FOLDED = LONG.replace(" ", "\r\n\t")
MESSAGES = [
    # what it shows, the message, options of MAIL
    ("nothing but the least", message(), ()),
    ("what the gateway completes is signed", message("Subject: no date, no id"), ()),
    ("a body in UTF-8", message("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=", "MIME-Version: 1.0",
     "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit", body="Grüße\r\n"),
     ("BODY=8BITMIME",)),
    ("a header in UTF-8", message("Subject: Grüße an alle", author=f"Ada Lövelace <{SENDER}>"), ("SMTPUTF8",)),
    ("long and folded headers", message(f"References: {FOLDED}", f"Subject: {'word ' * 180}"), ()),
    ("blanks and tabs", message("Subject:   two  blanks\t and a tab  ", body="a  b\t\r\n \r\n\r\n\r\n"), ()),
    ("dots", message("Subject: dots", body=".\r\n..\r\n. .\r\n"), ()),
    ("no body", message("Subject: no body", body=""), ()),
    ("headers that come twice", message("Comments: one", "Subject: twice", "Comments: two"), ()),
    ("a part in base64", message("Subject: parts", "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b",
     body="--b\r\n\r\nx\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--\r\n"), ()),
    ("a copy that nobody sees", message("Bcc: carol@far.example", "Subject: bcc"), ()),
    ("large, from a file", message("Subject: large", body=("x" * 76 + "\r\n") * 5000), ()),
]  # fmt: skip


@pytest.mark.parametrize(("octets", "options"), [row[1:] for row in MESSAGES], ids=[row[0] for row in MESSAGES])
def test_what_leaves_is_signed_twice(
    stack: Sallyport, ada: Login, sink: Sink, world: AnsweringDns, octets: bytes, options: tuple[str, ...]
) -> None:
    """RSA and Ed25519, and both hold after Postfix and the way to the other side."""
    came = sent(stack, ada, sink, octets, *options)
    found = signatures(came, world)
    assert sorted((name.split()[0], name.split()[1], good) for name, good in found.items()) == [
        ("ed25519-sha256", DOMAIN, True),
        ("rsa-sha256", DOMAIN, True),
    ], came[:3000]
    assert not any(signatures(came.replace(b"\r\nTo: bob", b"\r\nTo: eve", 1), world).values())
    assert not any(signatures(came.replace(b"From: ", b"From: eve@far.example\r\nFrom: ", 1), world).values())


def test_a_domain_in_unicode(stack: Sallyport, ada: Login, sink: Sink, world: AnsweringDns) -> None:
    """Signed for by its A-labels (RFC 8616), whichever form the author has."""
    for author, options in (("ada@xn--bcher-kva.example", ()), ("ada@bücher.example", ("SMTPUTF8",))):
        octets = message("Subject: books", author=author)
        found = signatures(sent(stack, ada, sink, octets, *options, sender="ada@xn--bcher-kva.example"), world)
        assert sorted(name.split()[1] for name in found) == ["xn--bcher-kva.example"] * 2
        assert all(found.values()), author


class Agent:
    """The queue agent's questions, asked in this process, of the tests' own world."""

    def __init__(self, world: AnsweringDns) -> None:
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], world.port
        self._outside = Outside(time_server="", resolver=resolver)

    async def outside(self, questions: OutsideQuestions) -> OutsideAnswers:
        return await self._outside.answer(questions)


def test_a_whole_rotation(stack: Sallyport, ada: Login, sink: Sink, scanner: Rspamd, world: AnsweringDns) -> None:
    """No message leaves with a signature that the world cannot verify; what was on its way stays good for a week."""
    now = time.time()
    database = stack.policy_environment.get("POLICY_DATABASE_URL") or stack.folder / "state" / "sallyport.db"
    engine = open_database(Path(str(database)))
    book = KeyBook(KeyFolder(scanner.keys), engine, Actor("cli:test", "localhost"))
    on_its_way = sent(stack, ada, sink, message("Subject: before"))
    (old,) = {name.split()[2] for name in signatures(on_its_way, world)}

    printed = stack.cli("dkim", "rotate", DOMAIN)
    (new,) = {one["selector"] for one in json.loads(stack.cli("dkim", "list", DOMAIN, "--json"))} - {old}
    assert asyncio.run(steps(book, Agent(world), now)) == []  # not published
    assert {name.split()[2] for name in signatures(sent(stack, ada, sink, message("Subject: made")), world)} == {old}

    publish(world, printed)
    changed = asyncio.run(steps(book, Agent(world), now))
    assert [(one.name, one.state) for one in changed if one.domain == DOMAIN] == [(new, State.ACTIVE)]
    until(lambda: signs_with(stack, ada, sink, world) == {new}, "rspamd has read its map again", deadline_s=60)
    assert all(signatures(on_its_way, world).values())

    week = asyncio.run(steps(book, Agent(world), now + 8 * DAY_S))
    assert [(one.name, one.state) for one in week] == [(old, State.RETIRED)]
    assert not list(scanner.keys.glob(f"{DOMAIN}.{old}-*"))
    for name in [one for one in world.table if one[0].startswith(f"{old}-")]:
        del world.table[name]
    assert not any(signatures(on_its_way, world).values())
    assert signs_with(stack, ada, sink, world) == {new}
    engine.dispose()


def signs_with(stack: Sallyport, ada: Login, sink: Sink, world: AnsweringDns) -> set[str]:
    """The pair of a message that is sent now; every signature holds, whichever it is."""
    found = signatures(sent(stack, ada, sink, message("Subject: rotated")), world)
    assert len(found) == 2
    assert all(found.values())
    return {name.split()[2] for name in found}

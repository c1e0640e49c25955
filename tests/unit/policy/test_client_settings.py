"""What mail programs are told: autoconfig by Thunderbird's rules, autodiscover by a request, Apple's keys, codes."""

import plistlib
import re
import shutil
import subprocess
import uuid
from pathlib import Path
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.certificate import new_key, self_signed
from policy.enrolment import Device, Language, Servers
from policy.enrolment import autoconfig as autoconfig_xml
from policy.enrolment.autoconfig import autoconfig
from policy.enrolment.autodiscover import MAX_REQUEST_OCTETS, PLACEHOLDER_LOGIN, RequestRefused, autodiscover
from policy.enrolment.dns import notes, records, zone_file
from policy.enrolment.guides import guides
from policy.enrolment.mobileconfig import mobileconfig, signed
from policy.enrolment.qr import qr_svg, thunderbird_qr
from policy.enrolment.settings import one_line
from policy.enrolment.sheet import Invitation, invitation_html, invitation_text, sheet_html, sheet_text
from policy.settings import Settings

SERVERS = Servers("mail.example.org", 993, 587, 465, ("example.org", "xn--bcher-kva.example"))
DEVICE = Device("fosem-4k7q-talir", "abcdef-ghjkmn-pqrstu-vwxyz2-345", "ada@example.org", "Ada Löwe", "Laptop")
NASTY = "<b>&\"'\x00\x1b[31m\n]]>{{7*7}}{% if %}%s\ud800\ufffe\u2028"


def test_the_ports_are_those_that_the_world_sees() -> None:
    """Not those within a container."""
    wanted = Settings(public_imaps_port=1993, public_submissions_port=1465, public_submission_port=1587)
    servers = Servers.of(wanted)
    assert (servers.incoming.port, servers.outgoing.port, servers.outgoing_alternative.port) == (1993, 1465, 1587)


def parsed(document: bytes) -> ET.Element:
    """A document of our own."""
    return ET.fromstring(document)  # noqa: S314


# Autoconfig


def thunderbird_reads(document: bytes, address: str) -> dict[str, list[tuple[str, int, str, str, str]]]:
    """What Thunderbird makes of a file, by the documented format: ValueError where it throws the file away."""
    provider = parsed(document).find("emailProvider")
    assert provider is not None
    if not provider.findall("domain") or not re.fullmatch(r"[\w.-]+", provider.get("id", "")):
        raise ValueError("need proper <domain> in XML")
    local, _, domain = address.partition("@")
    read: dict[str, list[tuple[str, int, str, str, str]]] = {"incoming": [], "outgoing": []}
    for direction, types in (("incoming", {"imap", "pop3"}), ("outgoing", {"smtp"})):
        for server in provider.findall(f"{direction}Server"):
            assert server.get("type") in types
            values = {child.tag: child.text or "" for child in server}
            if not values["username"]:
                raise ValueError("a username is needed")
            login = values["username"]
            for name, value in {"EMAILADDRESS": address, "EMAILLOCALPART": local, "EMAILDOMAIN": domain}.items():
                login = login.replace(f"%{name}%", value)
            assert values["socketType"] in {"SSL", "STARTTLS"}
            assert values["authentication"] == "password-cleartext"
            read[direction].append(
                (values["hostname"], int(values["port"]), values["socketType"], values["authentication"], login)
            )
    if not all(read.values()):
        raise ValueError("need proper servers")
    return read


def test_thunderbird_finds_the_servers() -> None:
    """The best first: incoming IMAP, outgoing implicit TLS, and STARTTLS as the alternative."""
    document = autoconfig(SERVERS, "ada@example.org")
    assert document is not None
    read = thunderbird_reads(document, "ada@example.org")
    assert [server[:3] for server in read["incoming"]] == [("mail.example.org", 993, "SSL")]
    assert [server[:3] for server in read["outgoing"]] == [
        ("mail.example.org", 465, "SSL"),
        ("mail.example.org", 587, "STARTTLS"),
    ]


def test_no_client_makes_a_login_of_the_address() -> None:
    """An address as login is a trap, and so is its local part: the person is asked by the field that stands for it."""
    document = autoconfig(SERVERS, "ada@example.org")
    assert document is not None
    for servers in thunderbird_reads(document, "ada@example.org").values():
        for *_, login in servers:
            assert login == "%USERNAME%"
    fields = [field.get("key") for field in parsed(document).iter("inputField")]
    assert set(fields) == {"USERNAME"}


@pytest.mark.parametrize(
    ("address", "is_ours"),
    [
        ("ada@example.org", True),
        ("nobody-at-all@example.org", True),
        ("ADA@Example.ORG.", True),
        ("ada@bücher.example", True),
        ("", True),
        ("ada@elsewhere.example", False),
        ("ada@evil.example.org", False),
        ("example.org", False),
        ("@", False),
        ("a" * 5000, False),
    ],
)
def test_autoconfig_answers_for_domains_alone(address: str, is_ours: bool) -> None:
    """Octet for octet the same for everybody, so that it does not tell who exists."""
    assert (autoconfig(SERVERS, address) == autoconfig(SERVERS)) == is_ours
    assert (autoconfig(SERVERS, address) is None) != is_ours


def test_where_thunderbird_asks() -> None:
    """https://autoconfig.DOMAIN/mail/config-v1.1.xml, https://DOMAIN/.well-known/autoconfig/mail/config-v1.1.xml."""
    assert autoconfig_xml.PATHS == ("/mail/config-v1.1.xml", "/.well-known/autoconfig/mail/config-v1.1.xml")
    assert autoconfig_xml.MEDIA_TYPE.startswith("text/xml")


# Autodiscover

REQUEST = """<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006">
  <Request>
    <EMailAddress>{address}</EMailAddress>
    <AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/{schema}</AcceptableResponseSchema>
  </Request>
</Autodiscover>"""
OUTLOOK = "outlook/responseschema/2006a"
NAMESPACES = {
    "a": "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006",
    "o": "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a",
}


def request(address: str, schema: str = OUTLOOK) -> bytes:
    return REQUEST.format(address=address, schema=schema).encode()


def test_outlook_finds_the_servers() -> None:
    """As Outlook reads it: the settings of an account for mail, a protocol of each type."""
    answer = parsed(autodiscover(SERVERS, request("ada@example.org")))
    account = answer.find("o:Response/o:Account", NAMESPACES)
    assert account is not None
    assert account.findtext("o:AccountType", namespaces=NAMESPACES) == "email"
    assert account.findtext("o:Action", namespaces=NAMESPACES) == "settings"
    told = {}
    for protocol in account.findall("o:Protocol", NAMESPACES):
        values = {child.tag.partition("}")[2]: child.text for child in protocol}
        told[values["Type"]] = (values["Server"], values["Port"], values["SSL"], values["Encryption"])
        assert values["AuthRequired"] == "on"
        assert (values["SPA"], values["DomainRequired"]) == ("off", "off")
        assert values["LoginName"] == PLACEHOLDER_LOGIN
        assert "ada" not in str(values["LoginName"])
    assert told == {"IMAP": ("mail.example.org", "993", "on", "SSL"), "SMTP": ("mail.example.org", "465", "on", "SSL")}


def test_autodiscover_does_not_tell_who_exists() -> None:
    """But for the address itself, the same for everybody."""
    one = autodiscover(SERVERS, request("ada@example.org"))
    other = autodiscover(SERVERS, request("zoe@example.org"))
    assert one.replace(b"ada@", b"zoe@") == other


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (request("ada@elsewhere.example"), "601"),
        (request("ada@example.org", "mobilesync/responseschema/2006"), "601"),
        (request("nobody"), "600"),
        (b"<Autodiscover/>", "600"),
        (request("ada@example.org").replace(b"requestschema/2006", b"another"), "600"),
    ],
)
def test_autodiscover_says_no_in_its_own_words(body: bytes, code: str) -> None:
    """An error element, which every client knows."""
    answer = parsed(autodiscover(SERVERS, body))
    assert answer.findtext("a:Response/a:Error/a:ErrorCode", namespaces=NAMESPACES) == code


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not xml",
        request("ada@example.org")[:-5],
        b"<a>" * 1000,
        request("ada@example.org") + b" " * MAX_REQUEST_OCTETS,
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        b"<!DOCTYPE a><Autodiscover/>",
        b"<a>&undeclared;</a>",
        b'<?xml version="1.0" encoding="no-such"?><a/>',
    ],
)
def test_autodiscover_refuses_what_no_client_sends(body: bytes) -> None:
    """No entity is ever expanded or fetched."""
    with pytest.raises(RequestRefused):
        autodiscover(SERVERS, body)


def test_autodiscover_in_utf_16() -> None:
    """Some clients send it."""
    body = request("ada@example.org").decode().replace("utf-8", "utf-16").encode("utf-16")
    assert autodiscover(SERVERS, body) == autodiscover(SERVERS, request("ada@example.org"))


# Apple. The keys that are required, and what they may hold, by Apple's documentation of the payload.

REQUIRED = {
    "EmailAccountType": {"EmailTypeIMAP", "EmailTypePOP"},
    "IncomingMailServerAuthentication": {"EmailAuthNone", "EmailAuthPassword", "EmailAuthCRAMMD5", "EmailAuthNTLM"},
    "OutgoingMailServerAuthentication": {"EmailAuthNone", "EmailAuthPassword", "EmailAuthCRAMMD5", "EmailAuthNTLM"},
}
TYPES = {
    "EmailAccountDescription": str,
    "EmailAccountName": str,
    "EmailAccountType": str,
    "EmailAddress": str,
    "IncomingMailServerAuthentication": str,
    "IncomingMailServerHostName": str,
    "IncomingMailServerPortNumber": int,
    "IncomingMailServerUseSSL": bool,
    "IncomingMailServerUsername": str,
    "IncomingPassword": str,
    "OutgoingMailServerAuthentication": str,
    "OutgoingMailServerHostName": str,
    "OutgoingMailServerPortNumber": int,
    "OutgoingMailServerUseSSL": bool,
    "OutgoingMailServerUsername": str,
    "OutgoingPassword": str,
    "OutgoingPasswordSameAsIncomingPassword": bool,
}
PAYLOAD = {"PayloadType": str, "PayloadVersion": int, "PayloadIdentifier": str, "PayloadUUID": str}


def test_the_profile_has_apples_keys() -> None:
    """All that are required, none that there is not, each of its type."""
    profile = plistlib.loads(mobileconfig(SERVERS, DEVICE))
    assert (profile["PayloadType"], profile["PayloadVersion"]) == ("Configuration", 1)
    assert profile["PayloadRemovalDisallowed"] is False
    (mail,) = profile["PayloadContent"]
    assert mail["PayloadType"] == "com.apple.mail.managed"
    for name, values in REQUIRED.items():
        assert mail[name] in values
    known = TYPES | PAYLOAD | {"PayloadDisplayName": str}
    for name, value in mail.items():
        assert type(value) is known[name], name
    assert set(TYPES) <= set(mail)
    assert (mail["IncomingMailServerPortNumber"], mail["OutgoingMailServerPortNumber"]) == (993, 465)
    assert mail["IncomingMailServerUseSSL"] is True
    assert mail["OutgoingMailServerUseSSL"] is True
    assert (mail["IncomingMailServerUsername"], mail["OutgoingPassword"]) == (DEVICE.login, DEVICE.secret)
    assert mail["EmailAccountName"] == "Ada Löwe"


def test_a_profile_that_is_installed_again_replaces_itself() -> None:
    """The same device has the same identifiers, each device its own."""
    one, again = (plistlib.loads(mobileconfig(SERVERS, DEVICE)) for _ in range(2))
    other = plistlib.loads(mobileconfig(SERVERS, Device("tamil-9bcd-korub", "s", "ada@example.org", "Ada", "Phone")))
    assert one == again
    for name in ("PayloadUUID", "PayloadIdentifier"):
        assert len({one[name], one["PayloadContent"][0][name], other[name], other["PayloadContent"][0][name]}) == 4
    assert str(uuid.UUID(one["PayloadUUID"])).upper() == one["PayloadUUID"]
    assert one["PayloadIdentifier"] == "org.example.mail.sallyport.fosem-4k7q-talir"


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
def test_a_signed_profile_is_the_profile_within_a_signature(tmp_path: Path) -> None:
    """As openssl reads it, against the certificate that signed it."""
    key = new_key()
    certificate = self_signed("mail.example.org", key, 1_700_000_000)
    profile = mobileconfig(SERVERS, DEVICE)
    (tmp_path / "signed").write_bytes(signed(profile, certificate + certificate, key))
    (tmp_path / "cert.pem").write_bytes(certificate)
    command = "openssl cms -verify -inform DER -in signed -CAfile cert.pem -no_check_time -purpose any -out profile"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "profile").read_bytes() == profile


def test_what_cannot_sign() -> None:
    """ValueError, and the profile goes out unsigned."""
    key, other = new_key(), new_key()
    certificate = self_signed("mail.example.org", key, 1_700_000_000)
    edwards = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    locked = serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    )
    for wrong in (other, edwards, locked, b"no key"):
        with pytest.raises(ValueError, match=r"[a-z]"):
            signed(b"", certificate, wrong)
    with pytest.raises(ValueError, match=r"[a-z]"):
        signed(b"", b"no certificate", key)


# Codes


def test_the_code_for_thunderbird_on_android() -> None:
    """Format version 1, one code of one; IMAP and SMTP over TLS (3) with a password (1); no URL to fetch."""
    expected = (
        '[1,[1,1],[0,"mail.example.org",993,3,1,"fosem-4k7q-talir","","abcdef-ghjkmn-pqrstu-vwxyz2-345"],'
        '[[[0,"mail.example.org",465,3,1,"fosem-4k7q-talir","abcdef-ghjkmn-pqrstu-vwxyz2-345"],'
        '["ada@example.org","Ada L\\u00f6we"]]]]'
    )
    assert thunderbird_qr(SERVERS, DEVICE) == expected


def test_a_code_stands_in_a_page_with_a_strict_policy() -> None:
    """No style, no script, nothing to fetch; a title for who does not see it."""
    drawn = qr_svg("hello", "<Scan> & go")
    root = parsed(drawn.encode())
    assert root.tag == "svg"
    assert root.findtext("title") == "<Scan> & go"
    for element in root.iter():
        assert element.tag in {"svg", "title", "g", "path"}
        assert not {"style", "href", "onload"} & set(element.keys())


def test_more_than_a_code_can_hold() -> None:
    """A sentence in place of a picture that no phone reads."""
    with pytest.raises(ValueError, match="too much text"):
        qr_svg("x" * 5000, "")


@pytest.mark.skipif(
    not (shutil.which("zbarimg") and shutil.which("rsvg-convert")), reason="needs zbarimg and rsvg-convert"
)
def test_a_camera_reads_the_code(tmp_path: Path) -> None:
    """What is drawn is what was said."""
    text = thunderbird_qr(SERVERS, DEVICE)
    drawn = qr_svg(text, "code").replace(
        "<svg ", '<svg xmlns="http://www.w3.org/2000/svg" width="600" height="600" ', 1
    )
    (tmp_path / "code.svg").write_text(drawn)
    subprocess.run(["rsvg-convert", "-o", "code.png", "code.svg"], cwd=tmp_path, check=True)
    read = subprocess.run(
        ["zbarimg", "-q", "--raw", "--nodbus", "code.png"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert read.stdout.strip() == text


# Sheets and guides


@pytest.mark.parametrize("language", list(Language))
def test_a_sheet_has_all_that_is_typed(language: Language) -> None:
    """And fetches nothing: no script, no image, no stylesheet from elsewhere."""
    page, text = sheet_html(SERVERS, DEVICE, language), sheet_text(SERVERS, DEVICE, language)
    for told in (DEVICE.login, DEVICE.secret, DEVICE.address, "Ada Löwe", "mail.example.org", "993", "465", "587"):
        assert told in page
        assert told in text
    assert not re.search(r"<(script|img|link|iframe|object)\b|https?:|url\(", page)
    assert page.count(DEVICE.secret) == 1
    assert f'lang="{language}"' in page


@pytest.mark.parametrize("language", list(Language))
def test_guides(language: Language) -> None:
    """The usual programs, each with this device's login and never with its secret."""
    found = guides(SERVERS, DEVICE, language)
    assert [guide.client for guide in found] == ["thunderbird", "apple-mail", "outlook", "k9-fairemail", "mutt-msmtp"]
    for guide in found:
        everything = "\n".join((*guide.steps, *(file.text for file in guide.files)))
        assert DEVICE.login in everything or guide.client == "mutt-msmtp"
        assert DEVICE.secret not in everything
        assert not re.search(r"[{}]", "".join(guide.steps))


def test_mutt_runs_nothing_of_an_address() -> None:
    """Backquotes and dollars are letters of a local part, and mutt would run what stands between."""
    device = Device("l", "s", '`id`"$HOME\\@example.org', "", "")
    (muttrc,) = (file.text for guide in guides(SERVERS, device) for file in guide.files if file.name == "muttrc")
    assert 'set from = "\\`id\\`\\"\\$HOME\\\\@example.org"' in muttrc


def test_an_invitation() -> None:
    """The link as text and as code, until when, and no more."""
    invited = Invitation("https://console.example.org/invite/abc", "ada@example.org", "", "2026-12-31, 12:00 UTC")
    for told in (invited.url, "ada@example.org", "2026-12-31, 12:00 UTC"):
        assert told in invitation_html(invited)
        assert told in invitation_text(invited, Language.DE)
    assert "<svg" in invitation_html(invited)


@settings(deadline=None)  # the machine may have other work
@given(st.text(), st.text(), st.text())
def test_no_name_breaks_a_format(name: str, label: str, local: str) -> None:
    """Whatever people are called: XML, property lists, HTML and JSON stay what they are."""
    device = Device(DEVICE.login, DEVICE.secret, f"{local}@example.org", name + NASTY, label + NASTY)
    plistlib.loads(mobileconfig(SERVERS, device))
    page = sheet_html(SERVERS, device)
    assert "<b>" not in page
    assert page.count("<h1>") == 1
    assert "{{7*7}}{% if %}" in page  # text, and no template
    assert "\x1b" not in sheet_text(SERVERS, device)
    assert len(one_line(name + NASTY).splitlines()) == 1
    thunderbird_qr(SERVERS, device)
    body = request(escape(f"{one_line(local)}@example.org"))
    if len(body) <= MAX_REQUEST_OCTETS:
        parsed(autodiscover(SERVERS, body))


# DNS


def test_dns_records() -> None:
    """For each domain: what there is, what there is not, and where clients look for settings."""
    found = records(SERVERS, "https://console.example.org")
    told = {(one.name, one.type): one.data for one in found}
    assert len(told) == len(found) == 18
    assert told["_submissions._tcp.example.org.", "SRV"] == "0 1 465 mail.example.org."
    assert told["_submission._tcp.example.org.", "SRV"] == "10 1 587 mail.example.org."
    assert told["_imaps._tcp.xn--bcher-kva.example.", "SRV"] == "0 1 993 mail.example.org."
    for service in ("_imap", "_pop3", "_pop3s"):
        assert told[f"{service}._tcp.example.org.", "SRV"] == "0 0 0 ."
    assert (
        told["autoconfig.example.org.", "CNAME"] == told["autodiscover.example.org.", "CNAME"] == "console.example.org."
    )
    assert told["_autodiscover._tcp.example.org.", "SRV"] == "0 1 443 console.example.org."
    assert not any("443 only" in note for note in notes("https://console.example.org"))
    assert any("443 only" in note for note in notes("https://console.example.org:8443"))


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8443", "console", "mail.localhost", "127.0.0.1:8443", "192.0.2.1", "[::1]:8443"]
)
def test_a_console_without_a_public_name_is_in_no_record(host: str) -> None:
    """Nobody else finds it there; what was left out stands in the zone file itself."""
    url = f"https://{host}"
    found = records(SERVERS, url)
    assert {one.type for one in found} == {"SRV"}
    assert not any("autodiscover" in one.name or "localhost" in one.data for one in found)
    first, *others = zone_file(found, url).splitlines()
    assert re.fullmatch(r"; .*autoconfig.*POLICY_CONSOLE_URL.*", first)
    assert len(others) == len(found)
    assert not any("certificate" in note or "443 only" in note for note in notes(url))


def test_the_zone_file_is_one() -> None:
    """Name, seconds, class, type, data, and a comment: RFC 1035 section 5."""
    url = "https://console.example.org:8443"
    for line in zone_file(records(SERVERS, url), url).splitlines():
        assert re.fullmatch(r"\S+\. +3600 IN (SRV   (?:0|10) [01] \d+ \S*\.|CNAME \S+\.) ; .+", line), line

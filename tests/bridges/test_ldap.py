"""Passwords that a real directory (slapd) takes or not, over each way to it, and a directory that is not there."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from directory_server import ADA, ADAS_PASSWORD, BASE, PEOPLE, SERVICE, STRANGE_LOGIN, Directory
from harness import free_port, until
from settling import connections_closed

from policy.bridges.answers import Later, Right, Wrong
from policy.bridges.ldap import Ldap
from policy.bridges.settings import BridgeSettings
from service.settings import SettingError

TEMPLATE = "uid={login}," + PEOPLE
INVALID = Wrong("the directory says 49")
LOCK = f"uid=bob,{PEOPLE}"


def bridge(directory: Directory, **settings: object) -> Ldap:
    """To that directory; over TLS by a template, unless `settings` say otherwise."""
    usual: dict[str, object] = {"ldap_url": directory.ldaps, "ldap_ca": directory.ca, "ldap_bind_dn": TEMPLATE}
    usual["ldap_timeout_s"] = 20  # the most that can be said: 3 are short on a busy machine
    return Ldap.of(BridgeSettings.model_validate(usual | settings))


def searching(directory: Directory, **settings: object) -> Ldap:
    """The same by a search, with the service account."""
    how = {
        "ldap_bind_dn": "",
        "ldap_search_base": BASE,
        "ldap_service_dn": SERVICE,
        "ldap_service_password_file": directory.password_file,
    }
    return bridge(directory, **(how | settings))


@pytest.fixture
async def ldap(directory: Directory) -> AsyncIterator[Ldap]:
    """The usual bridge."""
    one = bridge(directory)
    yield one
    await closed(one)


async def closed(ldap: Ldap) -> None:
    """And nothing of it is left."""
    await ldap.close()
    await connections_closed()


PASSWORDS = [
    # what it shows, login, DN, password, expected
    ("right", "ada", "", ADAS_PASSWORD, Right(ADA)),
    ("right, by the DN of the credential", "whoever", ADA, ADAS_PASSWORD, Right(ADA)),
    ("wrong", "ada", "", "wrong", INVALID),
    ("in other letters", "ada", "", ADAS_PASSWORD.upper(), INVALID),
    ("empty", "ada", "", "", Wrong("an empty password")),
    ("a NUL", "ada", "", "\0", INVALID),
    ("ours with a NUL behind it", "ada", "", ADAS_PASSWORD + "\0", INVALID),
    ("long", "ada", "", "x" * 9000, INVALID),
    ("nobody", "nobody", "", ADAS_PASSWORD, INVALID),
    ("locked", "bob", "", "bobs password", INVALID),
    ("an entry without a password", "eve", "", "x", INVALID),
    ("an entry that is elsewhere", "gone", "", "x", INVALID),
    ("a DN that is none", "ada", "no name", ADAS_PASSWORD, Wrong("the directory says 34")),
    ("a login with everything that has a meaning", STRANGE_LOGIN, "", "strange password", "strange"),
]

# Each would be somebody else, or everybody, where it is put into text.
INJECTIONS = [
    "ada,ou=people",
    f"ada,{PEOPLE}",
    "*",
    "a*",
    "ada)(uid=*",
    "*)(objectClass=*",
    "ada)(|(uid=*",
    "x)(|(uid=ada))",
    "ada\\2c",
    "ada\\",
    "\\61da",
    "#616461",
    "ada+cn=Ada",
    "nobody\0",
    "nobody)(&)",
    "{login}",
]


@pytest.mark.parametrize(
    ("login", "dn", "password", "expected"), [c[1:] for c in PASSWORDS], ids=[c[0] for c in PASSWORDS]
)
async def test_passwords(ldap: Ldap, login: str, dn: str, password: str, expected: object) -> None:
    """The directory decides; what it cannot be asked is refused here."""
    said = await ldap.check(login, dn, password)
    if expected == "strange":
        assert isinstance(said, Right)
    else:
        assert said == expected


@pytest.mark.parametrize("way", ["ldap", "ldaps", "ldapi"])
async def test_each_way_to_it(directory: Directory, way: str) -> None:
    """StartTLS, TLS, a socket: this slapd refuses a password that comes in the clear, so it did not."""
    one = bridge(directory, ldap_url=getattr(directory, way))
    assert await one.check("ada", "", ADAS_PASSWORD) == Right(ADA)
    assert await one.check("ada", "", "wrong") == INVALID
    await closed(one)


@pytest.mark.parametrize("way", ["ldap", "ldaps"])
async def test_a_directory_that_nobody_vouches_for(directory: Directory, way: str) -> None:
    """No password goes to who cannot show a certificate of a known authority, for this very name."""
    binds = directory.times(" BIND ")
    for settings in ({"ldap_ca": None}, {"ldap_url": getattr(directory, way).replace("localhost", "127.0.0.2")}):
        one = bridge(directory, **({"ldap_url": getattr(directory, way)} | settings))
        said = await one.check("ada", "", ADAS_PASSWORD)
        assert isinstance(said, Later)
        assert "certificate" in said.why or "Refused" in said.why
        await closed(one)
    assert directory.times(" BIND ") == binds


SEARCHES = [
    # what it shows, settings, login, password, expected
    ("by its name", {}, "ada", ADAS_PASSWORD, Right(ADA)),
    ("wrong", {}, "ada", "wrong", INVALID),
    ("empty", {}, "ada", "", Wrong("an empty password")),
    ("nobody", {}, "nobody", "x", Wrong("no entry has this login")),
    ("locked", {}, "bob", "bobs password", INVALID),
    (
        "two have it",
        {"ldap_search_filter": "(mail={login})"},
        "staff@example.org",
        "x",
        Wrong("more than one entry has this login"),
    ),
    (
        "the administrator's filter keeps some out",
        {"ldap_search_filter": "(&(uid={login})(!(sn=Lovelace)))"},
        "ada",
        ADAS_PASSWORD,
        Wrong("no entry has this login"),
    ),
    (
        "and lets some in",
        {"ldap_search_filter": "(&(objectClass=person)(|(uid={login})(mail={login})))"},
        "ada",
        ADAS_PASSWORD,
        Right(ADA),
    ),
    ("by a matching rule", {"ldap_search_filter": "(uid:caseExactMatch:={login})"}, "ada", ADAS_PASSWORD, Right(ADA)),
    ("an entry that is elsewhere is not followed", {}, "gone", "x", Wrong("no entry has this login")),
    (
        "a base that is none",
        {"ldap_search_base": "dc=example,dc=net"},
        "ada",
        ADAS_PASSWORD,
        Later("the search ended with 32"),
    ),
    (
        "without a service account nobody is seen",
        {"ldap_service_dn": ""},
        "ada",
        ADAS_PASSWORD,
        Later("the search ended with 50"),
    ),
    (
        "a service account that is refused",
        {"ldap_service_dn": ADA},
        "ada",
        ADAS_PASSWORD,
        Later("the service account is refused with 49"),
    ),
]


@pytest.mark.parametrize(
    ("settings", "login", "password", "expected"), [c[1:] for c in SEARCHES], ids=[c[0] for c in SEARCHES]
)
async def test_searches(
    directory: Directory, settings: dict[str, Any], login: str, password: str, expected: object
) -> None:
    """Who is not found, or found twice, is refused; what is wrong with our own account is not the user's fault."""
    one = searching(directory, **settings)
    assert await one.check(login, "", password) == expected
    await closed(one)


@pytest.mark.parametrize("login", INJECTIONS)
async def test_injections(directory: Directory, login: str) -> None:
    """Whatever is typed is a value: it finds nobody, and the right password of somebody else opens nothing."""
    by_template, by_search = bridge(directory), searching(directory)
    by_two = searching(directory, ldap_search_filter="(&(objectClass=person)(|(uid={login})(cn={login})))")
    for one in (by_template, by_search, by_two):
        said = await one.check(login, "", ADAS_PASSWORD)
        assert isinstance(said, Wrong), said
        await closed(one)


async def test_connections_are_used_again(directory: Directory) -> None:
    """A hundred logins, four connections."""
    one = bridge(directory)
    before = directory.times(" ACCEPT ")
    said = await asyncio.gather(*(one.check("ada", "", ADAS_PASSWORD) for _ in range(60)))
    said += [await one.check("ada", "", ADAS_PASSWORD) for _ in range(40)]
    assert said == [Right(ADA)] * 100
    until(lambda: directory.times(" RESULT ") >= 100, "slapd has written it down")
    assert 1 <= directory.times(" ACCEPT ") - before <= 4
    await closed(one)


async def test_more_logins_than_it_can_take(directory: Directory) -> None:
    """Those that can wait do, the others are told at once: later, never no."""
    one = bridge(directory, ldap_connections=1)
    said = await asyncio.gather(*(one.check("ada", "", ADAS_PASSWORD) for _ in range(40)))
    assert said[:17] == [Right(ADA)] * 17
    assert said[17:] == [Later("too many logins at a time")] * 23
    assert await one.check("ada", "", ADAS_PASSWORD) == Right(ADA)
    await closed(one)


@pytest.mark.parametrize("way", ["ldap", "ldaps", "ldapi"])
async def test_a_directory_that_hangs(tmp_path: Path, way: str) -> None:
    """Later, in time, and well again when it is; connected before it hung or not."""
    if not Directory.is_possible():
        pytest.skip("slapd is not installed (Debian package slapd)")
    directory = Directory(tmp_path / "ldap").start()
    one, other = (bridge(directory, ldap_url=getattr(directory, way)) for _ in range(2))
    try:
        assert await one.check("ada", "", ADAS_PASSWORD) == Right(ADA)
        directory.hang()
        usual, one._timeout_s, other._timeout_s = one._timeout_s, 0.5, 0.5
        assert await one.check("ada", "", ADAS_PASSWORD) == Later("no answer in time")
        assert await other.check("ada", "", ADAS_PASSWORD) == Later("no answer in time")
        one._timeout_s = other._timeout_s = usual
        directory.go_on()
        assert await one.check("ada", "", ADAS_PASSWORD) == Right(ADA)
        assert await other.check("ada", "", "wrong") == INVALID
    finally:
        await one.close()
        directory.stop()
        await closed(other)


async def test_a_directory_that_is_restarted(tmp_path: Path) -> None:
    """Connections that it has closed are no trouble; while it is gone it is Later."""
    if not Directory.is_possible():
        pytest.skip("slapd is not installed (Debian package slapd)")
    directory = Directory(tmp_path / "ldap").start()
    one = searching(directory)
    assert await one.check("ada", "", ADAS_PASSWORD) == Right(ADA)
    directory.stop()
    assert await one.check("ada", "", ADAS_PASSWORD) == Later("ConnectionRefusedError")
    directory.start()
    assert await one.check("ada", "", ADAS_PASSWORD) == Right(ADA)
    directory.stop()
    directory.start()
    assert await one.check("ada", "", ADAS_PASSWORD) == Right(ADA)
    directory.stop()
    await closed(one)


ODD_SERVERS = [
    # what it shows, what it says to whatever comes, expected
    ("it hangs up", b"", "ConnectionResetError"),
    ("it speaks another protocol", b"220 mail.example.org ESMTP\r\n", "no LDAP message"),
    ("a length without end", b"\x30\x84\xff\xff\xff\xff", "a message that is too long"),
    ("an indefinite length", b"\x30\x80", "a length that is none"),
    ("an answer to another request", bytes.fromhex("300c02010261070a010004000400"), "an answer to another request"),
    ("it says goodbye", bytes.fromhex("300c02010078070a013404000400"), "ConnectionResetError"),
    ("a yes to a question that was not asked", bytes.fromhex("300c02010165070a010004000400"), "no answer to a bind"),
    ("entries without end", bytes.fromhex("300702010164020400") * 200, "an answer without end"),
    ("half an answer", bytes.fromhex("300c0201016107"), "ConnectionResetError"),
    ("an empty result", bytes.fromhex("30050201016100"), "an element that has no end"),
]


@pytest.mark.parametrize(("says", "expected"), [c[1:] for c in ODD_SERVERS], ids=[c[0] for c in ODD_SERVERS])
async def test_who_is_no_directory(tmp_path: Path, says: bytes, expected: str) -> None:
    """Whatever comes back that is no answer to our bind lets nobody in, and refuses nobody."""

    async def odd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(says)
        writer.close()

    path = tmp_path / "s"
    async with await asyncio.start_unix_server(odd, path):
        one = Ldap.of(BridgeSettings(ldap_url=f"ldapi://{path}", ldap_bind_dn=TEMPLATE))
        assert await one.check("ada", "", ADAS_PASSWORD) == Later(expected)
        await one.close()


@pytest.mark.parametrize(
    "says",
    [
        bytes.fromhex("300c02010178070a010204000400"),
        bytes.fromhex("300c02010178070a010004000400") + bytes.fromhex("300c02010261070a010004000400"),
        bytes.fromhex("300c02010161070a010004000400"),
    ],
    ids=["it cannot", "and a yes to what comes next", "a bind's answer"],
)
async def test_starttls_that_is_none(says: bytes) -> None:
    """Without TLS nothing is said; and what was written before TLS is not taken for what comes under it."""
    heard = b""

    async def odd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard += await reader.read(100)
        writer.write(says)
        heard += await reader.read(100)
        writer.close()

    port = free_port()
    async with await asyncio.start_server(odd, "127.0.0.1", port):
        one = Ldap.of(BridgeSettings(ldap_url=f"ldap://127.0.0.1:{port}", ldap_bind_dn=TEMPLATE))
        said = await one.check("ada", "", ADAS_PASSWORD)
        assert isinstance(said, Later)
        assert said.why.startswith("no StartTLS")
        await closed(one)
    assert heard.endswith(b"1.3.6.1.4.1.1466.20037")


async def test_an_address_where_nobody_is() -> None:
    """No route, no name, nobody listening: later."""
    for host in (f"127.0.0.1:{free_port()}", "nobody.invalid"):
        one = Ldap.of(BridgeSettings(ldap_url=f"ldaps://{host}", ldap_bind_dn=TEMPLATE))
        assert isinstance(await one.check("ada", "", "x"), Later)
        await one.close()


async def test_a_refusal_elsewhere_takes_as_long(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time does not tell which logins are the directory's: others wait as long as it has taken to refuse."""
    one, waited = bridge(directory), list[float]()

    async def wait(seconds: float) -> None:
        waited.append(seconds)

    with monkeypatch.context() as waits:
        waits.setattr("policy.bridges.ldap.asyncio.sleep", wait)
        await one.wait_like_a_refusal()
        assert waited == []
        one._refusals.append(0.2)
        await one.wait_like_a_refusal()
        assert waited == [0.2]
    one._refusals.clear()
    assert await one.check("ada", "", "wrong") == INVALID
    assert await one.check("ada", "", ADAS_PASSWORD) == Right(ADA)
    assert len(one._refusals) == 1
    await closed(one)


SETTINGS = [
    # what it shows, settings, what is told
    ("in the clear", {"ldap_url": "http://localhost"}, "it should be ldaps://HOST"),
    ("no host", {"ldap_url": "ldaps://"}, "it should be ldaps://HOST"),
    ("no socket", {"ldap_url": "ldapi:///"}, "it should be ldaps://HOST"),
    ("a template for nobody", {"ldap_bind_dn": PEOPLE}, "it should have {login} in it once"),
    ("a filter for nobody", {"ldap_search_filter": "(uid=ada)"}, "it should have {login} where"),
]


@pytest.mark.parametrize(("settings", "told"), [c[1:] for c in SETTINGS], ids=[c[0] for c in SETTINGS])
def test_settings_that_will_not_do(settings: dict[str, Any], told: str) -> None:
    """One sentence each, at the start."""
    with pytest.raises(ValueError, match=told.replace("{", r"\{")):
        BridgeSettings(**settings)


def test_a_service_account_needs_its_password() -> None:
    """Told at the start, and not when the first login comes."""
    with pytest.raises(SettingError, match="POLICY_LDAP_SERVICE_PASSWORD_FILE: is not set"):
        Ldap.of(BridgeSettings(ldap_url="ldaps://localhost", ldap_search_base=BASE, ldap_service_dn=SERVICE))

"""Files of administrators: what can be read of them, and what is told of each bad line. Nothing is changed here."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.enrolment import Language
from policy.enrolment.migration import (
    MOST_DAYS,
    Migrants,
    last_moment,
    names_for,
    pending,
    read_mailcow,
    read_passwd_file,
)
from policy.enrolment.table import MAX_FILE_OCTETS, FileRefused, read_table
from policy.enrolment.users import Way, read_users
from policy.store.handles import Kind
from policy.store.rows import SCOPES, Credential, Profile

HASH = "{SSHA}LvTMm4nAECIgLjHymnpZJvAjkBSCw+fN"
T = 1_800_000_000.0  # 2027-01-15T08:00:00Z
DAY_S = 86400.0

TABLES = [
    # what it shows, file
    ("commas", b"name,address\nada,ada@example.org\n"),
    ("semicolons", b"name;address\nada;ada@example.org\n"),
    ("tabs", b"name\taddress\nada\tada@example.org\n"),
    ("byte order mark", b"\xef\xbb\xbfname,address\nada,ada@example.org\n"),
    ("CR LF", b"name,address\r\nada,ada@example.org\r\n"),
    ("no end of line", b"name,address\nada,ada@example.org"),
    ("empty lines", b"\n\nname,address\n\n,\nada,ada@example.org\n\n"),
    ("blanks", b" Name , ADDRESS \n ada , ada@example.org \n"),
    ("quotes", b'"name","address"\n"ada","ada@example.org"\n'),
    ("another order", b"address,name\nada@example.org,ada\n"),
]


@pytest.mark.parametrize("content", [case[1] for case in TABLES], ids=[case[0] for case in TABLES])
def test_what_spreadsheets_write(content: bytes) -> None:
    """All the same table."""
    lines, bad = read_table(content, ("name", "address"), ())
    assert [dict(line.values) for line in lines] == [{"name": "ada", "address": "ada@example.org"}]
    assert bad == []


REFUSED = [
    # what it shows, file, part of the sentence
    ("nothing", b"", "empty"),
    ("no header", b"ada,ada@example.org\n", "missing: name, address"),
    ("a column is missing", b"name,owner\n", "missing: address"),
    ("an unknown column", b"name,address,adress\n", "'adress'"),
    ("a column twice", b"name,address,name\n", "twice: name"),
    ("Latin-1", "name,address\nada,Käthe@example.org".encode("latin-1"), "line 2 is not UTF-8"),
    ("UTF-16", "name,address\n".encode("utf-16"), "not UTF-8"),
    ("a NUL", b"name,address\nada\0,x\n", "NUL"),
    ("an open quote", b'name,address\nada,"ada@example.org\n', "no CSV"),
    ("a huge file", b"name,address\n" + b"x" * MAX_FILE_OCTETS, "larger than 32 MiB"),
]


@pytest.mark.parametrize(("content", "part"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_files_that_cannot_be_read(content: bytes, part: str) -> None:
    """One sentence for the file."""
    with pytest.raises(FileRefused, match=part):
        read_table(content, ("name", "address"), ("owner",))


@given(st.binary(max_size=300))
def test_no_file_is_trouble(content: bytes) -> None:
    """Read or refused, whatever it is."""
    for read in (read_users, read_mailcow, lambda one: read_passwd_file(one, "example.org")):
        with contextlib.suppress(FileRefused):
            read(content)


def test_every_bad_line_of_users_is_told_at_once() -> None:
    """With its number in the file; good lines are good beside them."""
    content = "\n".join(
        (
            "name,address,owner,profile,device,language",
            "ada,ada@example.org,Ada Löwe",
            ",bob@example.org",
            "bob",
            "carol,carol@example.org,,robot",
            "dan,dan@example.org,,,,fr",
            "printer,@example.org,,app",
            "Ada,other@example.org",
            "erin,ADA@example.org.",
            "zoe,zoe@example.org,Zoe,person,Phone,de,and more",
            'frank,"frank@example.org f@example.org",Frank,newsletter,Host,de',
        )
    ).encode()
    users, bad = read_users(content)
    assert [(one.line, one.name, one.addresses, one.profile, one.way, one.language) for one in users] == [
        (2, "ada", ("ada@example.org",), Profile.PERSON, Way.INVITE, Language.EN),
        (11, "frank", ("frank@example.org", "f@example.org"), Profile.NEWSLETTER, Way.DEVICE, Language.DE),
    ]
    assert [(one.number, part in one.why) for one, part in zip(bad, BAD_USERS, strict=True)] == [
        (number, True) for number in range(3, 11)
    ]


BAD_USERS = (
    "no name",
    "no address",
    "'robot' is no profile",
    "'fr' is no language",
    "needs a device",
    "'ada' is in line 2 already",
    "'ada@example.org' is in line 2 already",
    "7 values for 6 columns",
)


def test_defaults_hold_where_a_line_says_nothing() -> None:
    """A device for everybody, and the language of the sheets."""
    (user, other), bad = read_users(
        b"name,address,device,language\nada,ada@example.org,,\nbob,bob@example.org,Phone,en\n",
        device="Laptop",
        language=Language.DE,
    )
    assert (user.device, user.language, other.device, other.language) == ("Laptop", "de", "Phone", "en")
    assert not bad


def test_a_passwd_file_of_dovecot() -> None:
    """user:password:uid:gid:gecos:home:shell:extra, with comments; a user without domain gets ours."""
    found = read_passwd_file(
        f"# users\n\nada@example.org:{HASH}:5000:5000:Ada Löwe,,:/home/ada::userdb_quota=1\nbob:{HASH}\n".encode(),
        "example.net",
    )
    assert [(one.line, one.login, one.address, one.owner, one.hash) for one in found.migrants] == [
        (3, "ada@example.org", "ada@example.org", "Ada Löwe", HASH),
        (4, "bob", "bob@example.net", "", HASH),
    ]
    assert found.bad == ()


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\x85", "\v", "\f", "\x1c", "\r"])
def test_a_name_of_a_passwd_file_makes_no_other_line(sign: str) -> None:
    """Its users wrote it themselves: what is no end of a line to Dovecot must not be one here."""
    smuggled = f"mallory@example.org:{HASH}:5000:5000:Mallory{sign}root@example.org:{HASH}:::\r\n".encode()
    (one,) = read_passwd_file(smuggled, "example.org").migrants
    assert (one.login, one.hash) == ("mallory@example.org", HASH)


def test_a_table_of_mailcow() -> None:
    """Any columns beside those that matter; resources and those that were switched off are passed over."""
    found = read_mailcow(
        (
            "username,password,name,quota,local_part,domain,kind,active\n"
            f"ada@example.org,{HASH},Ada,0,ada,example.org,,1\n"
            f"off@example.org,{HASH},Off,0,off,example.org,,0\n"
            f"room@example.org,{HASH},Room,0,room,example.org,location,1\n"
        ).encode()
    )
    assert [(one.login, one.owner) for one in found.migrants] == [("ada@example.org", "Ada")]
    assert [(one.number, one.why) for one in found.skipped] == [
        (3, "'off@example.org' is not active"),
        (4, "'room@example.org' is a location"),
    ]


def test_bad_lines_of_a_migration() -> None:
    """Each with its number and its reason, and never with the hash."""
    content = "\n".join(
        (
            f"ada@example.org:{HASH}",
            "bob@example.org",
            "carol@example.org:{DES-CRYPT}Jnl7DKYBCnvm.",
            f":{HASH}",
            f"ADA@example.org:{HASH}",
            f"dan:{HASH}",
        )
    ).encode()
    bad = read_passwd_file(content, "").bad
    assert [one.number for one in bad] == [2, 3, 4, 5, 6]
    parts = ("has no password", "part of the password", "has no user", "in line 1 already", "--domain")
    assert all(part in one.why for one, part in zip(bad, parts, strict=True))
    assert not any("Jnl7" in one.why or "LvTM" in one.why for one in bad)


def test_an_empty_passwd_file_is_refused() -> None:
    """Somebody gave the wrong file."""
    with pytest.raises(FileRefused, match="no user"):
        read_passwd_file(b"# nobody\n", "example.org")


def test_no_hash_is_in_a_repr() -> None:
    """It could end in a log."""
    found = read_passwd_file(f"ada:{HASH}".encode(), "example.org")
    assert isinstance(found, Migrants)
    assert "LvTM" not in repr(found)


def test_the_last_day_is_whole() -> None:
    """The passwords are refused from midnight UTC on."""
    assert last_moment("2027-01-31", T) == 1_801_440_000.0
    assert last_moment("2027-01-15", T) == 1_800_057_600.0  # today, and there is something left of it


@pytest.mark.parametrize("day", ["2027-01-14", "2028-01-17", "31.1.2027", "soon", "", "0001-01-01", "9999-12-30"])
def test_days_that_are_none(day: str) -> None:
    """Over, more than a year away, or not written as a day."""
    with pytest.raises(ValueError, match=r"over|more than 366 days away|is no day"):
        last_moment(day, T)
    assert MOST_DAYS == 366


@pytest.mark.parametrize(
    ("address", "names"),
    [
        ("ada@example.org", ("ada", "ada-example.org")),
        ("Ada.Löwe+x@example.org", ("ada.l-we-x", "ada.l-we-x-example.org")),
        ("_ada_@example.org", ("ada", "ada-example.org")),
        ("ö@example.org", ("user", "example.org")),
        ("a" * 64 + "@example.org", ("a" * 63, "a" * 63)),
    ],
)
def test_names_for_addresses(address: str, names: tuple[str, str]) -> None:
    """A name is [a-z0-9._-], 63 letters at most."""
    assert names_for(address) == names


def credential(identity: str, kind: Kind, used: float | None, **other: float | None) -> Credential:
    """One of `identity`."""
    return Credential(
        login=f"{identity}-{kind}-{used}",
        kind=kind,
        certificate=None,
        subject=None,
        identity=identity,
        label="",
        scopes=SCOPES,
        networks=(),
        created_at=T,
        expires_at=other.get("expires_at", T + DAY_S),
        last_used_at=used,
        last_used_from=None,
        revoked_at=other.get("revoked_at"),
    )


def test_who_has_not_moved() -> None:
    """No other device that was ever used, or the old password used after it."""
    everything = [
        credential("nothing", Kind.MIGRATED, None),
        credential("still", Kind.MIGRATED, T - 10),
        credential("unused-device", Kind.MIGRATED, T - 10),
        credential("unused-device", Kind.SECRET, None),
        credential("moved", Kind.MIGRATED, T - 100),
        credential("moved", Kind.SECRET, T - 50),
        credential("half", Kind.MIGRATED, T - 10),
        credential("half", Kind.CERTIFICATE, T - 50),
        credential("revoked", Kind.MIGRATED, T - 10, revoked_at=T - 5),
        credential("over", Kind.MIGRATED, T - 10, expires_at=T),
        credential("device-revoked", Kind.MIGRATED, T - 100),
        credential("device-revoked", Kind.SECRET, T - 50, revoked_at=T - 5),
        credential("new", Kind.SECRET, T),
    ]
    found = pending(everything, T)
    assert [(one.identity, one.has_device) for one in found] == [
        ("device-revoked", False),
        ("half", True),
        ("nothing", False),
        ("still", False),
        ("unused-device", False),
    ]

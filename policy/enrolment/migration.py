"""Other servers' lists of users with the hashes of their passwords, and who has moved on from them.

    Dovecot   passwd-file: user:{SCHEME}hash:uid:gid:gecos:home:shell:extra
    mailcow   the table `mailbox` as CSV: username, password, and name, active, kind where they are there

A hash that cannot be verified here is told for its line. The hash itself is in no message.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from policy.contract import canonical_address
from policy.enrolment.table import BadLine, FileRefused, Line, read_table, text_of
from policy.foreign_hashes import unusable
from policy.store.handles import Kind
from policy.store.rows import Credential

LABEL = "password of the old server"
MOST_DAYS = 366
_NOT_IN_NAMES = re.compile(r"[^a-z0-9._-]+")
_NAME_LIMIT = 63


@dataclass(frozen=True, slots=True)
class Migrant:
    """Somebody with the login and the hash of the old server."""

    line: int
    login: str
    address: str
    owner: str
    hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Migrants:
    """A file, read: `skipped` are lines that are none of a person's, each with the reason."""

    migrants: tuple[Migrant, ...]
    skipped: tuple[BadLine, ...]
    bad: tuple[BadLine, ...]


@dataclass(frozen=True, slots=True)
class Pending:
    """Somebody who still depends on the old password."""

    identity: str
    login: str
    last_used_at: float | None
    expires_at: float | None
    has_device: bool


def read_passwd_file(content: bytes, domain: str) -> Migrants:
    """`domain` completes users that have none."""
    found: list[Migrant | BadLine] = []
    # Not splitlines, which knows eleven ends of a line: users wrote their own names, and Dovecot knows one.
    for number, line in enumerate(text_of(content).split("\n"), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            user, _, rest = line.partition(":")
            # gecos is the fourth field behind the user; a hash has no colon.
            fields = rest.split(":")
            owner = fields[3].split(",")[0].strip() if len(fields) > 3 else ""  # noqa: PLR2004 - see above
            found.append(_migrant(number, user.strip(), fields[0], owner, domain))
    if not found:
        raise FileRefused("there is no user in the file")
    return _sorted(found, ())


def read_mailcow(content: bytes) -> Migrants:
    """Columns beyond the five that matter are passed over."""
    lines, bad = read_table(content, ("username", "password"), ("name", "active", "kind"), ignore_others=True)
    skipped = [BadLine(line.number, why) for line in lines if (why := _no_person(line))]
    passed_over = {one.number for one in skipped}
    found: list[Migrant | BadLine] = [
        _migrant(one.number, one.values["username"], one.values["password"], one.values.get("name", ""), "")
        for one in lines
        if one.number not in passed_over
    ]
    return _sorted([*found, *bad], skipped)


def last_moment(day: str, now: float) -> float:
    """The end of a day (UTC), as the moment from which the passwords are refused; ValueError says what is wrong."""
    try:
        wanted = date.fromisoformat(day)
    except ValueError:
        raise ValueError(f"{day!r} is no day; write it as 2026-12-31") from None
    end = datetime(wanted.year, wanted.month, wanted.day, tzinfo=UTC) + timedelta(days=1)
    if end.timestamp() <= now:
        raise ValueError(f"{day} is over; say until when the old passwords are to work")
    if end.timestamp() > now + MOST_DAYS * 86400:
        raise ValueError(f"{day} is more than {MOST_DAYS} days away; an import can be repeated with a later day")
    return end.timestamp()


def names_for(address: str) -> tuple[str, str]:
    """What an identity of this address is called, and what otherwise where that is somebody else's name."""
    local, _, domain = canonical_address(address).rpartition("@")
    short = _NOT_IN_NAMES.sub("-", local).strip("._-")
    return (short[:_NAME_LIMIT] or "user"), f"{short}-{domain}".strip("._-")[:_NAME_LIMIT]


def pending(credentials: Iterable[Credential], now: float) -> list[Pending]:
    """Who has an old password that still works, and has not left it: no device, or used it after the newest device."""
    old: dict[str, list[Credential]] = {}
    devices: dict[str, float] = {}
    for one in credentials:
        if one.revoked_at is not None or (one.expires_at is not None and one.expires_at <= now):
            continue
        if one.kind is Kind.MIGRATED:
            old.setdefault(one.identity, []).append(one)
        elif one.last_used_at is not None:
            devices[one.identity] = max(one.last_used_at, devices.get(one.identity, 0.0))
    return [
        Pending(identity, one.login, one.last_used_at, one.expires_at, identity in devices)
        for identity, logins in sorted(old.items())
        for one in logins
        if identity not in devices or (one.last_used_at or 0.0) > devices[identity]
    ]


def _migrant(number: int, login: str, hashed: str, owner: str, domain: str) -> Migrant | BadLine:
    address = login if "@" in login else f"{login}@{domain}"
    if not login:
        return BadLine(number, "has no user")
    if address.endswith("@"):
        return BadLine(number, f"{login!r} has no domain; say --domain")
    if not hashed:
        return BadLine(number, f"{login!r} has no password")
    if why := unusable(hashed):
        return BadLine(number, f"{login!r}: {why}")
    return Migrant(number, login, address, owner if owner.isprintable() else "", hashed)


def _no_person(line: Line) -> str:
    """mailcow keeps resources among the mailboxes, and those that were switched off."""
    if line.values.get("active", "1") == "0":
        return f"{line.values['username']!r} is not active"
    if kind := line.values.get("kind", ""):
        return f"{line.values['username']!r} is a {kind}"
    return ""


def _sorted(found: Iterable[Migrant | BadLine], skipped: Iterable[BadLine]) -> Migrants:
    """A login that comes twice is bad: nobody can know which of the passwords is right."""
    migrants: list[Migrant] = []
    bad: list[BadLine] = []
    first_seen: dict[str, int] = {}
    for one in found:
        if isinstance(one, BadLine):
            bad.append(one)
        elif (before := first_seen.setdefault(canonical_address(one.login), one.line)) != one.line:
            bad.append(BadLine(one.line, f"{one.login!r} is in line {before} already"))
        else:
            migrants.append(one)
    return Migrants(tuple(migrants), tuple(skipped), tuple(sorted(bad, key=lambda line: line.number)))

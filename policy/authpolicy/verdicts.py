"""What is answered to `allow`, and the text that people see with a no. Pure.

    {"status": -1, "msg": "Too many wrong passwords, try again later", "r_attrs": {"why": "wall"}}

`status` is an integer: -1 is no, 0 is yes, and n is yes after n seconds. Dovecot copies `msg` into its refusal, and
Postfix into its 535, so that it is for people. Dovecot 2.3 takes every "status" and "msg" of the answer, however deep,
for the one at the top: no member of r_attrs may have one of these names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from math import ceil

from policy.store.listed import Listing, Side

TARPIT_LIMIT_S = 30


class No(StrEnum):
    """Why not."""

    LOCKED = "locked"
    LISTED = "listed"
    GATE = "gate"
    WALL = "wall"


MESSAGES: Mapping[No, str] = {
    No.LOCKED: "This login is locked, ask your administrator",
    No.LISTED: "No logins from there, ask your administrator",
    No.GATE: "No logins from your network",
    No.WALL: "Too many wrong passwords, try again later",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One answer to `allow`."""

    status: int
    message: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        return {"status": self.status, "msg": self.message, "r_attrs": dict(self.attributes)}


YES = Verdict(0)


def no(why: No) -> Verdict:
    return Verdict(-1, MESSAGES[why], {"why": why})


def after(seconds: float) -> Verdict:
    """Yes, and not before that."""
    return Verdict(min(ceil(seconds), TARPIT_LIMIT_S))


def by_list(found: Listing) -> Verdict:
    """What an entry says, and which one it was."""
    attributes = {
        "expiration": moment(found.expires_at),
        "reason": found.reason,
        "key": key_of(found.network, found.login),
        "whitelisted" if found.side is Side.ALLOW else "blacklisted": "1",
    }
    if found.side is Side.ALLOW:
        return Verdict(0, "", attributes)
    return Verdict(-1, MESSAGES[No.LISTED], attributes)


def key_of(network: str, login: str) -> str:
    """In the words of weakforced."""
    return "ip_login" if network and login else "ip" if network else "login"


def moment(at: float) -> str:
    """As weakforced writes one, UTC: 2002-Jan-01 10:00:01."""
    when = datetime.fromtimestamp(at, UTC)
    return f"{when.year}-{_MONTHS[when.month - 1]}-{when:%d %H:%M:%S}"


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")  # in every locale

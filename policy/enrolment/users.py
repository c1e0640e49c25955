"""`users.csv`: the people and applications of an organisation, one line each."""

from dataclasses import dataclass
from enum import StrEnum

from policy.contract import canonical_address
from policy.enrolment.table import BadLine, Line, read_table
from policy.enrolment.words import Language
from policy.store.rows import Profile

REQUIRED = ("name", "address")
OPTIONAL = ("owner", "profile", "device", "language", "notice-address")


class Way(StrEnum):
    """How somebody gets the first login."""

    INVITE = "invite"  # a link, with which a person adds devices alone
    DEVICE = "device"  # a login and a secret, made here


@dataclass(frozen=True, slots=True)
class NewUser:
    """One line that is in order by itself; whether the store can take it, it says itself."""

    line: int
    name: str
    addresses: tuple[str, ...]
    owner: str
    profile: Profile
    device: str  # the label of the device, where one is made
    language: Language
    notice_address: str

    @property
    def way(self) -> Way:
        return Way.DEVICE if self.device else Way.INVITE


def read_users(
    content: bytes, *, device: str = "", language: Language = Language.EN
) -> tuple[list[NewUser], list[BadLine]]:
    """All of them, and every line that is wrong. `device` and `language` hold where a line says nothing."""
    lines, bad = read_table(content, REQUIRED, OPTIONAL)
    users: list[NewUser] = []
    first_seen: dict[str, int] = {}
    for line in lines:
        try:
            user = _user(line, device, language)
            _refuse_twice(user, first_seen)
        except ValueError as reason:
            bad.append(BadLine(line.number, str(reason)))
        else:
            users.append(user)
    return users, sorted(bad, key=lambda one: one.number)


def _user(line: Line, device: str, language: Language) -> NewUser:
    values = line.values
    try:
        profile = Profile(values.get("profile") or Profile.PERSON)
    except ValueError:
        raise ValueError(f"{values['profile']!r} is no profile; it is person, app or newsletter") from None
    try:
        language = Language(values.get("language") or language)
    except ValueError:
        raise ValueError(f"{values['language']!r} is no language; it is en or de") from None
    label = values.get("device") or device
    if profile is not Profile.PERSON and not label:
        raise ValueError(f"an identity of profile {profile} needs a device: nobody opens an invitation for it")
    addresses = tuple(values["address"].split())
    return NewUser(
        line.number,
        values["name"].lower(),
        addresses,
        values.get("owner", ""),
        profile,
        label,
        language,
        values.get("notice-address", ""),
    )


def _refuse_twice(user: NewUser, first_seen: dict[str, int]) -> None:
    for what in (user.name, *(canonical_address(address) for address in user.addresses)):
        if (before := first_seen.setdefault(what, user.line)) != user.line:
            raise ValueError(f"{what!r} is in line {before} already")

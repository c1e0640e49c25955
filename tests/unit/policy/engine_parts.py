"""Values for tests of the engine: an ordinary message from home, but for what a test is about."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from policy.contract import MessageFacts, Owned
from policy.engine.ladder import FREE
from policy.engine.profile import Place, Profile, Recipient
from policy.engine.sources import Origin

T = 1_750_000_000.0  # any moment
OWN = frozenset({"ada@example.org"})
HOME = Origin(network="192.0.2.0/24", asn=3320, country="DE")
ABROAD = Origin(network="198.51.100.0/24", asn=4134, country="CN")
AT_HOME = Place(origin=HOME, is_settled=True, is_home=True, is_unseen_area=False, is_unseen_country=False)
SETTLED = Place(
    origin=HOME, is_settled=True, is_home=False, is_unseen_area=False, is_unseen_country=False, has_home=True
)


def strange(origin: Origin = ABROAD) -> Place:
    """A network that the identity never used."""
    return Place(
        origin=origin, is_settled=False, is_home=False, is_unseen_area=True, is_unseen_country=True, has_home=True
    )


def abroad(number: int, country: str = "CN", asn: int = 4134) -> Place:
    """One of many strange networks."""
    return strange(Origin(network=f"10.{number // 256}.{number % 256}.0/24", asn=asn, country=country))


def new(*marks: int) -> tuple[Recipient, ...]:
    """Recipients elsewhere whom nobody has written to."""
    return tuple(Recipient(mark=mark, is_internal=False, is_known=False) for mark in marks)


def known(*marks: int) -> tuple[Recipient, ...]:
    """Recipients elsewhere that are known."""
    return tuple(Recipient(mark=mark, is_internal=False, is_known=True) for mark in marks)


def internal(*marks: int) -> tuple[Recipient, ...]:
    """Recipients on this server."""
    return tuple(Recipient(mark=mark, is_internal=True, is_known=False) for mark in marks)


ADAS = Profile(
    identity="ada",
    login="fosem-4k7q-talir",
    credential=1,
    owned=Owned(addresses=OWN),
    active=True,
    kind="person",
    recipients_per_message=100,
    place=AT_HOME,
    recipients=(),
    standing=FREE,
    signals=(),
    usual_new_per_day=0.0,
    new_today=0,
    traps=(),
)


def profile_of(recipients: Iterable[Recipient] = (), place: Place = AT_HOME, **different: Any) -> Profile:
    """Ada's, but for what is named."""
    return replace(ADAS, recipients=tuple(recipients), place=place, **different)


def facts_of(profile: Profile, message_bytes: int = 2000) -> MessageFacts:
    """The facts of a message to the profile's recipients."""
    return MessageFacts(
        submission="m1",
        session="s1",
        listener="submission",
        client_address="192.0.2.1",
        client_name="laptop.example",
        credential=profile.credential,
        reverse_path="ada@example.org",
        recipients=tuple(f"r{number}@example.net" for number in range(len(profile.recipients))) or ("x@example.net",),
        authors=("ada@example.org",),
        senders=(),
        names=("Ada Lovelace",),
        message_bytes=message_bytes,
    )

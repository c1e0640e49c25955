"""All that an administrator wants to know of one incident, read from the tables: for commands, programs and pages.

    incident_story.py     (you are here) the story as a whole
    incident_traffic.py   what was handed in, by network and login
    incident_logins.py    networks from which nothing was handed in
    incident_timeline.py  what happened, in order
    incident_advice.py    what to do next
    incidents.py          what people do with incidents

It costs what is shown and not what there is: a hundred thousand messages are added up by the database.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select

from policy.engine.ladder import Step
from policy.engine.sources import UNKNOWN_COUNTRY
from policy.store.incident_advice import Advice, what_next
from policy.store.incident_logins import with_logins
from policy.store.incident_timeline import Entry, timeline
from policy.store.incident_traffic import (
    IS_DISOWNED,
    IS_HOME,
    STRANGE,
    FirstUse,
    Pace,
    SeenLogin,
    SeenNetwork,
    Span,
    Traffic,
    first_bad_use,
    in_both,
    pace_in,
    rows_of,
    span_of,
    traffic_in,
)
from policy.store.incidents import IncidentBook, StoredIncident
from policy.store.models import Credentials, Identities, Standings

SHOWN_NETWORKS = 200
SHOWN_RECIPIENTS = 1000

# What the owner wrote from home is hers, unless something speaks against the very login there, too, or the network is
# disowned. Where the record of the message is gone nobody knows, and warning somebody in vain does less harm.
_TO_WARN = in_both(f"""
SELECT recipient, min(reached.at) AS first, min(reached.submission), count(*) OVER () FROM reached
LEFT JOIN submission ON submission.id = reached.submission
WHERE reached.identity = :identity AND reached.at >= :earliest AND ({IS_DISOWNED}
 OR reached.at >= :begin AND (submission.id IS NULL OR NOT {IS_HOME} OR submission.login IN
 (SELECT credential.login FROM signal JOIN credential ON credential.id = signal.credential_id
 JOIN identity ON identity.id = signal.identity_id
 WHERE identity.name = :identity AND signal.at_home AND signal.at >= :begin AND signal.at <= :end)))
GROUP BY recipient ORDER BY first, recipient LIMIT :most
""")  # noqa: S608 - a constant

AreaOf = Callable[[str], tuple[str, str]]  # of a network: its area and country


@dataclass(frozen=True, slots=True)
class ToWarn:
    """Somebody who got a message that its owner may not have sent."""

    recipient: str
    at: float
    submission: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One incident as a whole. Numbers with `left_out` are of what is not listed."""

    incident: StoredIncident
    made_at: float
    begin: float  # of what is told: the first bad use
    step_now: str  # of the identity; free where it is gone, too
    at_home_now: str
    first: FirstUse | None
    strange: Traffic  # from strange networks
    own: Traffic  # from all others
    networks: tuple[SeenNetwork, ...]  # strange ones first
    networks_left_out: int
    logins: tuple[SeenLogin, ...]
    timeline: tuple[Entry, ...]
    timeline_left_out: int
    to_warn: tuple[ToWarn, ...]
    to_warn_left_out: int
    working: tuple[str, ...]  # logins of the identity that were not revoked; suspended ones, too
    disowned: tuple[str, ...] = ()  # networks that somebody said are not the owner's: strange, also before `begin`
    advice: tuple[Advice, ...] = ()  # what to do next


class StoryBook(IncidentBook):
    """The part of the identity store that tells of incidents."""

    def story(self, number: int, now: float, area_of: AreaOf | None = None) -> Story:
        """StoreError where there is none of that number. `area_of` is asked for networks that only logged in."""
        incident = self.incident(number)
        with self._reading.connect() as connection:
            told = _told(connection, incident, now, area_of)
        return replace(told, advice=what_next(told))

    def pace(self, story: Story) -> Pace:
        """How fast it went, to the last message."""
        end = max((one.last_used_at for one in story.logins), default=story.begin)
        with self._reading.connect() as connection:
            span = Span(story.incident.identity, story.begin, end)
            return pace_in(connection, span, story.incident.number)


def _told(connection: Connection, incident: StoredIncident, now: float, area_of: AreaOf | None) -> Story:
    span = span_of(connection, incident.identity, incident.since, incident.closed_at or now)
    seen = traffic_in(connection, span, incident.number)
    every = with_logins(connection, span, seen.networks)
    networks = sorted(every, key=lambda one: (one.whose != STRANGE, one.first_used_at))
    shown = networks[:SHOWN_NETWORKS]
    step, home = _standing(connection, incident.identity)
    entries, entries_left_out = timeline(connection, incident, span, networks)
    to_warn, number = _to_warn(connection, span)
    return Story(
        incident=incident,
        made_at=now,
        begin=span.begin,
        step_now=step,
        at_home_now=home,
        first=first_bad_use(connection, span),
        strange=seen.strange,
        own=seen.own,
        networks=tuple(_with_areas(shown, area_of)),
        networks_left_out=len(networks) - len(shown) + seen.others,
        disowned=tuple(dict.fromkeys(one.network for one in span.disowned)),
        logins=seen.logins,
        timeline=entries,
        timeline_left_out=entries_left_out,
        to_warn=to_warn,
        to_warn_left_out=number - len(to_warn),
        working=tuple(_working(connection, incident.identity)),
    )


def _with_areas(networks: Iterable[SeenNetwork], area_of: AreaOf | None) -> Iterator[SeenNetwork]:
    for one in networks:
        if not area_of or one.country not in {"", UNKNOWN_COUNTRY}:
            yield one
        else:
            area, country = area_of(one.network)
            yield replace(one, area=area, country=country)


def _standing(connection: Connection, identity: str) -> tuple[str, str]:
    wanted = (
        select(Standings.step, Standings.home_step)
        .join(Identities, Identities.id == Standings.identity_id)
        .where(Identities.name == identity)
    )
    for step, home in connection.execute(wanted):
        return Step(step).name.lower(), Step(home).name.lower()
    return Step.FREE.name.lower(), Step.FREE.name.lower()


def _working(connection: Connection, identity: str) -> Iterator[str]:
    row = Credentials
    wanted = (
        select(row.login)
        .join(Identities, Identities.id == row.identity_id)
        .where(Identities.name == identity, row.revoked_at.is_(None))
        .order_by(row.login)
    )
    yield from connection.scalars(wanted)


def _to_warn(connection: Connection, span: Span) -> tuple[tuple[ToWarn, ...], int]:
    """Each once, with the first message that he got; and how many there are."""
    found = rows_of(connection, _TO_WARN, {**span.values, "most": SHOWN_RECIPIENTS})
    warned = tuple(ToWarn(recipient, at, submission) for recipient, at, submission, _ in found)
    return warned, found[0][3] if found else 0

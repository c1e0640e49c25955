"""“Is my account all right?”, and a person's recent sending: when, from which device, from where, what became of it.

One's own alone. What a program calls itself is its own word: it is shown, and believed by nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response
from starlette.routing import Route

from policy.console.incidents import open_incidents
from policy.console.limit_words import windows_in_words
from policy.console.parts import Parts
from policy.console.routes import own_route
from policy.console.staff.whereabouts import country_of_area
from policy.console.visit import Visit
from policy.contract import Action, RelayOutcome
from policy.engine.budget import Window
from policy.engine.rulebook import Limits, Windows
from policy.engine.sources import network_of
from policy.people.desk import Session
from policy.store.held import HeldState
from policy.store.own_sending import Sent, Used, held_number, own_sending, used_since

SENDING = "/sending"
_SHOWN = 25
_LONGEST_ID = 80
# What has become of held mail, in the word of the page.
_OF_HELD: Final[Mapping[str, str]] = {
    HeldState.RELEASING: "released",
    HeldState.RELEASED: "released",
    HeldState.GONE: "settled",
    HeldState.PURGING: "deleted",
    HeldState.PURGED: "deleted",
    HeldState.EXPIRING: "deleted",
    HeldState.EXPIRED: "deleted",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One message as a person reads it."""

    sent: Sent
    fate: str
    country: str
    network: str


@dataclass(frozen=True, slots=True)
class Share:
    """How much of one limit is used: of the span in which it is nearest."""

    kind: str
    used: int
    limit: int
    words: str  # the limit

    @property
    def is_near(self) -> bool:
        return self.used >= self.limit * 0.8


def routes(parts: Parts) -> list[Route]:
    return [own_route(parts, "GET", SENDING, show)]


async def account_state(visit: Visit, session: Session) -> dict[str, object]:
    """What own_state.html says: questions that are open, and how much is on hold."""
    return {
        "questions": await open_incidents(visit, session),
        "on_hold": await visit.call(held_number, visit.parts.engine, session.identity),
    }


async def show(visit: Visit, session: Session) -> Response:
    before, engine = visit.request.query_params.get("before", "")[:_LONGEST_ID], visit.parts.engine
    found = await visit.call(own_sending, engine, session.identity, before, _SHOWN + 1)
    shown: dict[str, object] = {
        "session": session,
        "lines": [_line(visit, one) for one in found[:_SHOWN]],
        "next": found[_SHOWN - 1].id if len(found) > _SHOWN else "",
        "is_first": not before,
        "shares": await visit.call(_shares, visit, session) if not before else [],
        **await account_state(visit, session),
    }
    return visit.page("sending.html", shown)


def _line(visit: Visit, sent: Sent) -> Line:
    country, network = country_of_area(visit, sent.area), network_of(sent.client_address)
    return Line(sent, fate_of(sent), country, network)


def fate_of(sent: Sent) -> str:
    """One word for what has become of it."""
    if sent.action == Action.DEFER:
        return "deferred"
    if sent.action == Action.REJECT:
        return "refused"
    if sent.outcome == RelayOutcome.FAILED:
        return "failed"
    if not sent.outcome:
        return "on-its-way"
    if sent.action == Action.HOLD:
        return _OF_HELD.get(sent.held_state, "held")
    if sent.held:
        return f"partly-{_OF_HELD.get(sent.held_state, 'held')}"
    return _fared(sent)


def _fared(sent: Sent) -> str:
    """What was handed over whole: as far as the next servers have said."""
    fared = sent.fared
    if fared.back:
        return "returned" if fared.back >= sent.recipients else "partly-returned"
    if fared.waiting:
        return "waiting"
    return "delivered" if fared.delivered >= sent.recipients else "sent"


def _shares(visit: Visit, session: Session) -> list[Share]:
    """Waits for the database."""
    identity = visit.parts.store_of(session, visit.visitor).identity(session.identity)
    limits = visit.parts.rulebook().limits_of(identity.profile, identity.name)
    spans = {window.seconds for windows in _limited(limits).values() for window in windows}
    since = {visit.now - seconds: seconds for seconds in spans}
    used = used_since(visit.parts.engine, identity.name, since)
    by_span = {since[moment]: one for moment, one in used.items()}
    return [_share(visit, kind, windows, by_span) for kind, windows in _limited(limits).items() if windows]


def _limited(limits: Limits) -> dict[str, Windows]:
    return {"recipients": limits.recipients, "new_recipients": limits.new_recipients, "messages": limits.messages}


def _share(visit: Visit, kind: str, windows: Windows, used: Mapping[float, Used]) -> Share:
    def number(window: Window) -> int:
        return int(getattr(used[window.seconds], kind))

    nearest = max(windows, key=lambda window: (number(window) / window.limit if window.limit else 1.0, window.seconds))
    return Share(kind, number(nearest), nearest.limit, windows_in_words(visit.language, (nearest,)))

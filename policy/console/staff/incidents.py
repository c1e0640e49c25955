"""Incidents, for who looks after people: the list, and all about one. What is done about one is incident_acts.py.

Whom to warn are addresses of other people: they are shown to whoever may read held mail, and counted for all others.
"""

from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from policy.console.confirm import path_to_confirm
from policy.console.parts import Parts
from policy.console.routes import staff_route
from policy.console.staff.identities import chosen
from policy.console.staff.whereabouts import atlas_of, homes_of
from policy.console.visit import Visit, number_in
from policy.console.wording import entry_in_words, worded
from policy.people.confirming import is_fresh
from policy.people.desk import Session
from policy.people.roles import Right, Role, may_act_on, may_free
from policy.store.errors import Unknown
from policy.store.identities import IdentityStore
from policy.store.incident_acts import Decision
from policy.store.incident_advice import left_to_do, moving, on_hold, was_theft
from policy.store.incident_end import Fate, Part, end_of, parts_of
from policy.store.incident_notes import State
from policy.store.incident_story import AreaOf, Story
from policy.store.incident_timeline import Entry
from policy.store.incident_traffic import STRANGE, Pace, Traffic
from policy.store.incidents import Place, StoredIncident

INCIDENTS = "/staff/incidents"
_PAGE = 50
_LONGEST_NAME = 63
_SHOWN_NETWORKS = 50
_SHOWN_RECIPIENTS = 200
_SOON_S = 60.0
_WATCHED_S = 600.0  # a page that nobody looks at any more does not ask for ever
_BARS_HIGH = 100  # of the drawing
_CLASSES = {
    "use": "held", "signal": "refused", "trap": "refused", "complaint": "refused", "message": "held", "held": "held",
    "act": "accepted", "answer": "accepted", "measure": "accepted",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Undone:
    """Measures of one kind that are not done yet: how many, when the next is tried, and why it was not done before."""

    kind: str
    number: int
    due_at: float
    tries: int
    why: str


@dataclass(frozen=True, slots=True)
class Bar:
    """Of the drawing: where each part begins, from the top, and how high it is."""

    at: float
    traffic: Traffic
    parts: tuple[tuple[str, float, float], ...]


def routes(parts: Parts) -> list[Route]:
    return [
        staff_route(parts, "GET", INCIDENTS, Right.SEE, show_all),
        staff_route(parts, "GET", f"{INCIDENTS}/{{number}}", Right.SEE, show),
        staff_route(parts, "GET", f"{INCIDENTS}/{{number}}/progress", Right.SEE, progress),
    ]


def path_of(number: int) -> str:
    return f"{INCIDENTS}/{number}"


async def show_all(visit: Visit, session: Session) -> Response:
    given = visit.request.query_params
    identity, state = given.get("identity", "").strip()[:_LONGEST_NAME], chosen(State, given.get("state", ""))
    if not identity.isprintable():
        raise HTTPException(HTTPStatus.BAD_REQUEST)
    store, after = visit.parts.store_of(session, visit.visitor), _place(given.get("after", ""))
    found = await visit.call(
        lambda: store.incidents(state=state, identity=identity or None, after=after, limit=_PAGE + 1)
    )
    rows, last = found[:_PAGE], found[_PAGE - 1] if len(found) > _PAGE else None
    wanted = {"state": state or "", "identity": identity}
    onward = f"{'open' if last.state == State.OPEN else 'closed'}-{last.number}" if last else ""
    shown: dict[str, object] = {
        "session": session,
        "incidents": rows,
        "on_hold": on_hold,
        "end_of": end_of,
        "parts_of": lambda incident: parts_in_words(visit, incident),
        "states": list(State),
        **wanted,
        "is_filtered": bool(state or identity),
        "onward": urlencode({**wanted, "after": onward}) if onward else "",
        "beginning": urlencode(wanted) if after else "",
    }
    return visit.page("staff/incidents.html", shown)


async def show(visit: Visit, session: Session) -> Response:
    return await incident_page(visit, session, number_given(visit))


async def progress(visit: Visit, session: Session) -> Response:
    """The part of the page that says what is done and what is not yet, again and again."""
    store = visit.parts.store_of(session, visit.visitor)
    try:
        incident = await visit.call(store.incident, number_given(visit))
    except Unknown:
        return no_such_incident(visit, session)
    return visit.page("staff/incident_progress.html", _progress(incident, visit.now))


async def incident_page(
    visit: Visit, session: Session, number: int, error: str = "", status: HTTPStatus = HTTPStatus.CONFLICT
) -> Response:
    """All about one; `error` is for somebody who wanted something and came second."""
    store = visit.parts.store_of(session, visit.visitor)
    try:
        story, pace = await visit.call(_read, store, number, visit)
    except Unknown:
        return no_such_incident(visit, session)
    incident = story.incident
    role = await role_of(visit, store, incident.identity)
    shown: dict[str, object] = {
        "session": session,
        "story": story,
        "end": end_of(incident),
        "was_theft": was_theft(incident),
        "ended": parts_in_words(visit, incident),
        **_progress(incident, visit.now),
        "done": [one for one in incident.measures if one.done_at is not None],
        "there": on_hold(incident),
        "bars": _bars(pace),
        "minutes": round(pace.width_s / 60),
        "networks": story.networks[:_SHOWN_NETWORKS],
        "homes": await visit.call(_homes, visit, store, incident.identity),
        "networks_left_out": story.networks_left_out + len(story.networks[_SHOWN_NETWORKS:]),
        "to_warn": story.to_warn[:_SHOWN_RECIPIENTS],
        "to_warn_number": len(story.to_warn) + story.to_warn_left_out,
        "entries": [(_CLASSES.get(one.kind, ""), one, said(visit, one)) for one in story.timeline],
        "strange_networks": sum(one.whose == STRANGE for one in story.networks),
        "signals": _signals(visit, story),
        "evidence": [one for one in story.timeline if one.kind == "signal"],
        "stolen": stolen(story),
        "misused": misused(story) if incident.state == State.PURGED else [],
        "decisions": [(one, decision_in_words(visit, one)) for one in incident.decisions],
        "country": visit.language.country,
        "may_act": may_act_on(session.role, role),
        "may_free": may_free(session.role, role),
        "is_own": incident.identity == session.identity,
        "is_fresh": is_fresh(session, visit.now),
        "confirm": path_to_confirm(path_of(number)),
        "back": path_of(number),
        "hours": round(visit.parts.rulebook().containment.purge_after_s / 3600),
        "error": error,
    }
    return visit.page("staff/incident.html", shown, status if error else HTTPStatus.OK)


async def role_of(visit: Visit, store: IdentityStore, identity: str) -> Role:
    """Of whose it is; somebody who is gone has none."""
    try:
        return (await visit.call(store.identity, identity)).role
    except Unknown:
        return Role.OWNER


def _homes(visit: Visit, store: IdentityStore, identity: str) -> set[str]:
    try:
        return homes_of(visit, store.networks(identity))
    except Unknown:  # it is gone
        return set()


def number_given(visit: Visit) -> int:
    return number_in(visit.request.path_params, "number")


def no_such_incident(visit: Visit, session: Session) -> Response:
    text = visit.language.say("There is no such incident.")
    return visit.page("message.html", {"session": session, "error": text}, HTTPStatus.NOT_FOUND)


def said(visit: Visit, entry: Entry) -> str:
    """In the reader's language; sentences of older versions stay as they were written down."""
    return entry_in_words(visit.language, entry.said, entry.values)


def decision_in_words(visit: Visit, decision: Decision) -> str:
    say = visit.language.say
    words = {
        "contained": say("logins suspended"),
        "incident-released": say("released"),
        "incident-purged": say("held mail deleted"),
        "incident-answered": say("the owner's no: what was seen is revoked, and held mail is deleted later"),
        "purge-stopped": say("the deletion was stopped"),
        "held-messages-released": say("single messages released"),
        "held-messages-purged": say("single messages deleted"),
    }
    return words.get(decision.action, decision.action)


def parts_in_words(visit: Visit, incident: StoredIncident) -> list[tuple[Part, str]]:
    """What became of held mail and of the account, a line for each."""
    say = visit.language.say
    words = {
        Fate.DELETED: say("deleted"),
        Fate.RELEASED: say("released"),
        Fate.EXPIRED: say("deleted because of its age"),
        Fate.GONE: say("released or deleted at the queue itself"),
        Fate.GIVEN_BACK: say("account given back"),
    }
    return [(one, words[one.fate]) for one in parts_of(incident)]


def stolen(story: Story) -> list[str]:
    """Logins that were used from strange networks, or are suspended, and were not revoked."""
    used = {one.login for one in story.logins if one.is_strange} | {*story.incident.suspended}
    return sorted(used & {*story.working})


def misused(story: Story) -> list[str]:
    """Logins that strange networks handed something in with, and that were not revoked."""
    return sorted({one.login for one in story.logins if one.is_strange} & {*story.working})


def _signals(visit: Visit, story: Story) -> str:
    """Each kind once, in the order in which they came."""
    kinds = dict.fromkeys(str(one.values["signal"]) for one in story.timeline if one.kind == "signal")
    return "; ".join(worded(visit.language, one, "signal") for one in kinds)


def _read(store: IdentityStore, number: int, visit: Visit) -> tuple[Story, Pace]:
    story = store.story(number, visit.now, _area_of(visit))
    return story, store.pace(story)


def _area_of(visit: Visit) -> AreaOf:
    """The database of addresses is opened where a network needs it."""

    def area_of(network: str) -> tuple[str, str]:
        origin = atlas_of(visit).origin(network.partition("/")[0])
        return origin.area, origin.country

    return area_of


def _progress(incident: StoredIncident, now: float) -> dict[str, object]:
    """Asked again only while something is under way that began not long ago."""
    left, moves = left_to_do(incident, now + _SOON_S), moving(incident)
    latest = max((one.created_at for one in left), default=incident.changed_at)
    is_under_way = bool(left or moves.messages)
    return {
        "incident": incident,
        "undone": _undone(incident),
        "moving": moves,
        "is_under_way": is_under_way,
        "is_watched": is_under_way and now - latest < _WATCHED_S,
        "purge_at": purge_at(incident),
    }


def _undone(incident: StoredIncident) -> list[Undone]:
    found = []
    for kind in dict.fromkeys(one.kind for one in incident.measures):
        if waiting := [one for one in incident.measures if one.kind == kind and one.done_at is None]:
            why = next((one.outcome for one in reversed(waiting) if one.outcome), "")
            due_at, tries = min(one.due_at for one in waiting), sum(one.tries for one in waiting)
            found.append(Undone(kind, len(waiting), due_at, tries, why))
    return found


def purge_at(incident: StoredIncident) -> float | None:
    """When what is held is deleted by itself, after an owner's no; None where it is not."""
    if incident.answer != "no":
        return None
    return min((one.due_at for one in incident.measures if one.kind == "purge" and one.done_at is None), default=None)


def _bars(pace: Pace) -> list[Bar]:
    """Stacked: refused above held above sent."""
    most = max((one.sent + one.held + one.refused for one in pace.bars), default=0) or 1
    bars = []
    for number, one in enumerate(pace.bars):
        parts, top = list[tuple[str, float, float]](), float(_BARS_HIGH)
        for kind, messages in (("accepted", one.sent), ("held", one.held), ("refused", one.refused)):
            height = round(_BARS_HIGH * messages / most, 2)
            top = round(top - height, 2)
            if messages:
                parts.append((kind, top, height))
        bars.append(Bar(pace.begin + number * pace.width_s, one, tuple(parts)))
    return bars


def _place(given: str) -> Place | None:
    """`open-12`, as our own links have it."""
    kind, _, number = given.partition("-")
    return Place(kind == "closed", number_in({"after": number}, "after")) if given else None

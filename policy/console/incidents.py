"""“Was this you?”: what happened to a person's mail account, and the answer, which takes a second factor that is fresh.

No mail credential leads here: a stolen one must not be able to confirm its own misuse. A person has his own incidents;
another one's is as unknown as nobody's. What an answer does is policy/store/owner_answers.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from policy.console.confirm import path_to_confirm, to_confirm
from policy.console.parts import Parts
from policy.console.routes import own_route
from policy.console.staff.incidents import parts_in_words
from policy.console.staff.whereabouts import homes_of
from policy.console.visit import Visit, number_in
from policy.engine.sources import UNKNOWN_COUNTRY
from policy.people.confirming import is_fresh
from policy.people.desk import Session
from policy.store.errors import Decided, StoreError, Unknown
from policy.store.incident_end import end_of
from policy.store.incident_notes import State
from policy.store.incident_traffic import UNKNOWN, SeenNetwork
from policy.store.incidents import StoredIncident
from policy.store.owner_answers import Question

INCIDENTS = "/incidents"
_SHOWN = 20  # networks on the page; a form has room for them
_MOST_OF_A_PERSON = 6  # networks in a day or so; with more, none is ticked beforehand
_TRUST = "trust-"  # the fields of networks that are vouched for


@dataclass(frozen=True, slots=True)
class Place:
    """A source network as a person reads it."""

    source: SeenNetwork
    country: str  # in words
    devices: tuple[str, ...]  # their labels
    is_hosting: bool
    is_ticked: bool  # before anybody has touched it
    is_home: bool  # when it was used; of one with logins alone: by now
    only_logins: bool


def routes(parts: Parts) -> list[Route]:
    return [
        own_route(parts, "GET", INCIDENTS, show_all),
        own_route(parts, "GET", f"{INCIDENTS}/{{number}}", show),
        own_route(parts, "POST", f"{INCIDENTS}/answer", answer),
        own_route(parts, "POST", f"{INCIDENTS}/keep", keep),
    ]


async def open_incidents(visit: Visit, session: Session) -> list[StoredIncident]:
    """What the person is asked first of all."""
    store = visit.parts.store_of(session, visit.visitor)
    return await visit.call(lambda: store.incidents(state=State.OPEN, identity=session.identity))


async def show_all(visit: Visit, session: Session) -> Response:
    store = visit.parts.store_of(session, visit.visitor)
    every = await visit.call(lambda: store.incidents(identity=session.identity))
    return visit.page("incidents.html", {"session": session, "incidents": every})


async def show(visit: Visit, session: Session) -> Response:
    return await _page(visit, session, _number_of(visit.request.path_params["number"]))


async def answer(visit: Visit, session: Session) -> Response:
    form = await visit.form()
    number, said = number_in(form, "incident"), form.get("said")
    if first := to_confirm(visit, session, _path(number)):
        return first
    if said not in {"yes", "no"}:
        raise HTTPException(HTTPStatus.BAD_REQUEST)
    store, trusted = visit.parts.store_of(session, visit.visitor), _trusted(form) if said == "yes" else []
    purge_after_s = visit.parts.rulebook().containment.purge_after_s
    try:
        await visit.call(
            lambda: store.answer_incident(
                number, session.identity, said == "yes", visit.now, trusted=trusted, purge_after_s=purge_after_s
            )
        )
    except Decided:
        text = visit.language.say("This question was answered before. What was said then is what counts.")
        return await _page(visit, session, number, text)
    except Unknown:
        return _no_such_incident(visit, session)
    except StoreError:  # a network that this page never showed
        raise HTTPException(HTTPStatus.BAD_REQUEST) from None
    return visit.redirect(_path(number))


async def keep(visit: Visit, session: Session) -> Response:
    """What was to be deleted after a no stays on hold."""
    number = number_in(await visit.form(), "incident")
    if first := to_confirm(visit, session, _path(number)):
        return first
    store = visit.parts.store_of(session, visit.visitor)
    try:
        await visit.call(store.stop_purge, number, session.identity, visit.now)
    except Decided:
        return await _page(visit, session, number, visit.language.say("It is too late to stop that."))
    except Unknown:
        return _no_such_incident(visit, session)
    return visit.redirect(_path(number))


async def _page(visit: Visit, session: Session, number: int, error: str = "") -> Response:
    store = visit.parts.store_of(session, visit.visitor)
    try:
        question = await visit.call(store.question, number, session.identity, visit.now)
    except Unknown:
        return _no_such_incident(visit, session)
    homes = await visit.call(lambda: homes_of(visit, store.networks(session.identity)))
    places = await visit.call(_places, visit, question, homes)
    shown: dict[str, object] = {
        "session": session,
        "incident": question.incident,
        "question": question,
        "places": places[:_SHOWN],
        "more_places": max(0, len(places) - _SHOWN),
        "traffic": question.sources.traffic,
        "end": end_of(question.incident),
        "ended": parts_in_words(visit, question.incident),
        "hours": round(visit.parts.rulebook().containment.purge_after_s / 3600),
        "is_fresh": is_fresh(session, visit.now),
        "confirm": path_to_confirm(_path(number)),
        "error": error,
    }
    return visit.page("incident.html", shown, HTTPStatus.CONFLICT if error else HTTPStatus.OK)


def _places(visit: Visit, question: Question, homes: set[str]) -> list[Place]:
    """Waits for the database of addresses the first time."""
    atlas, language = visit.parts.atlas(), visit.language
    atlas.extend(visit.parts.rulebook().sources)
    atlas.refresh()
    found = []
    for one in question.sources.networks:
        origin = atlas.origin(one.client_address)
        devices = tuple(sorted(question.devices.get(login, login) for login in one.logins))
        only_logins = one.whose == UNKNOWN
        is_home = one.is_home or (only_logins and one.network in homes)
        is_doubtful = is_home or origin.is_hosting or one.network in question.sources.disowned
        is_asked = one.traffic.held + one.traffic.refused > 0  # what only looks around gets no home by a careless yes
        is_ticked = is_asked and not is_doubtful and question.sources.strange <= _MOST_OF_A_PERSON
        code = one.country if origin.country == UNKNOWN_COUNTRY else origin.country  # or what was known of it then
        country, is_hosting = language.country(code), origin.is_hosting
        found.append(Place(one, country, devices, is_hosting, is_ticked, is_home, only_logins))
    return found


def _trusted(form: Mapping[str, str]) -> list[str]:
    return [value for name, value in form.items() if name.startswith(_TRUST)]


def _number_of(given: str) -> int:
    return number_in({"number": given}, "number")


def _path(number: int) -> str:
    return f"{INCIDENTS}/{number}"


def _no_such_incident(visit: Visit, session: Session) -> Response:
    text = visit.language.say("You have no such incident.")
    return visit.page("message.html", {"session": session, "error": text}, HTTPStatus.NOT_FOUND)

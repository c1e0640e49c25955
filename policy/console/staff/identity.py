"""One identity, for staff: all that is known of it, read at once. What they do with it is identity_changes.py."""

from dataclasses import dataclass
from datetime import date, timedelta
from http import HTTPStatus

from starlette.responses import Response
from starlette.routing import Route

from policy.budgets.looking import budgets_now
from policy.console.confirm import path_to_confirm
from policy.console.parts import Parts
from policy.console.routes import staff_route
from policy.console.staff.bars import bars
from policy.console.staff.decisions import lines
from policy.console.staff.identities import DAYS, IDENTITIES, path_of
from policy.console.staff.whereabouts import atlas_of, country_of_area, origin_in_words
from policy.console.visit import Visit
from policy.countries import COUNTRIES
from policy.engine.country_gate import passage
from policy.engine.places import History, day_of, place_of
from policy.engine.rulebook import Exemption, Rulebook, Treatment
from policy.engine.sources import UNKNOWN_COUNTRY, network_of
from policy.geo.atlas import Atlas
from policy.people.confirming import is_fresh
from policy.people.desk import Session
from policy.people.roles import Right, Role, may_act_on, may_free
from policy.store.errors import Unknown
from policy.store.identities import IdentityStore
from policy.store.identity_seen import DayDone, areas_of, days_of, devices_of, sign_in_of, steps_of
from policy.store.incident_notes import State
from policy.store.incidents import StoredIncident
from policy.store.people import MOST_DAYS
from policy.store.records import newest_submissions
from policy.store.rows import Credential, Identity, Network, StoredExemption
from service.spans import DAY_S

_SHOWN = 50  # devices, networks and areas; what is beyond is told by its number
_SIGNALS = 20
_DECISIONS = 10
_DAYS = 60
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Device:
    """A credential, and from where it was used last in words."""

    one: Credential
    used_in: str


@dataclass(frozen=True, slots=True)
class Place:
    """A network of the identity as the rules see it: home, settled or probation."""

    one: Network
    origin: str
    state: str
    is_hosting: bool


@dataclass(frozen=True, slots=True)
class Area:
    """An autonomous system in a country; `state` is settled or probation."""

    name: str
    country: str
    history: History
    state: str


def routes(parts: Parts) -> list[Route]:
    return [staff_route(parts, "GET", f"{IDENTITIES}/{{name}}", Right.SEE, show)]


async def show(visit: Visit, session: Session) -> Response:
    return await identity_page(visit, session, visit.request.path_params["name"])


async def identity_page(visit: Visit, session: Session, name: str, error: str = "") -> Response:
    """With what could not be done, if anything."""
    try:
        shown = await visit.call(_seen, visit, session, name)
    except Unknown:
        return no_such_identity(visit, session)
    return visit.page("staff/identity.html", shown | {"error": error}, HTTPStatus.CONFLICT if error else HTTPStatus.OK)


def no_such_identity(visit: Visit, session: Session) -> Response:
    text = visit.language.say("There is nobody of this name.")
    return visit.page("message.html", {"session": session, "error": text}, HTTPStatus.NOT_FOUND)


def _seen(visit: Visit, session: Session, name: str) -> dict[str, object]:
    """Waits for the database, and the first time for that of addresses. Unknown where there is nobody of that name."""
    store, engine, now = visit.parts.store_of(session, visit.visitor), visit.parts.engine, visit.now
    one, back = store.identity(name), path_of(name)
    shown: dict[str, object] = {"session": session, "one": one, "back": back, "is_own": name == session.identity}
    shown |= {"is_fresh": is_fresh(session, now), "confirm": path_to_confirm(back)}
    shown |= {"may_act": may_act_on(session.role, one.role), "may_free": may_free(session.role, one.role)}
    shown |= {"roles": list(Role), "days": DAYS, "most_days": MOST_DAYS}
    shown |= {"sign_in": sign_in_of(engine, name, now), "step": steps_of(engine, [name], now).get(name)}
    shown |= {"incidents": store.incidents(state=State.OPEN, identity=name), "standing": store.standing(name)}
    shown |= {"contained_by": _contained_by(store, name)}
    shown |= {"signals_shown": _SIGNALS, "decisions": lines(visit, newest_submissions(engine, name, _DECISIONS))}
    shown |= _where(visit, one, store) | _devices(visit, store, name) | _budgets(visit, name)
    return shown | {"history": _history(visit, name)}


def _history(visit: Visit, name: str) -> list[tuple[int, str, DayDone]]:
    """Of each day when it began (seconds since the epoch), its date, and what was done."""
    today = day_of(visit.now)
    history = days_of(visit.parts.engine, name, today - _DAYS + 1, today)
    return [(one.day * int(DAY_S), (_EPOCH + timedelta(days=one.day)).isoformat(), one) for one in history]


def _contained_by(store: IdentityStore, name: str) -> list[StoredIncident]:
    """Those that suspend a login of the identity, closed ones, too."""
    numbers = {one.contained_by for one in store.credentials(name) if one.contained_by and not one.revoked_at}
    found = [store.incident(number) for number in sorted(numbers)]
    return [one for one in found if one.contained]


def _devices(visit: Visit, store: IdentityStore, name: str) -> dict[str, object]:
    """Those that work first, the newest first."""
    every = sorted(store.credentials(name), key=lambda one: (one.revoked_at is not None, -one.created_at))
    atlas, shown = atlas_of(visit), every[:_SHOWN]
    used = [origin_in_words(visit, atlas.origin(one.last_used_from)) if one.last_used_from else "" for one in shown]
    devices = [Device(one, where) for one, where in zip(shown, used, strict=True)]
    return {"devices": devices, "more_devices": len(every) - len(shown)}


def _budgets(visit: Visit, name: str) -> dict[str, object]:
    if not visit.parts.has_budgets:
        return {"has_budgets": False}
    engine, now = visit.parts.engine, visit.now
    every = bars(budgets_now(engine, name, visit.parts.rulebook(), now), visit.language, devices_of(engine, name))
    own = [one for one in every if not one.is_strange]
    return {
        "has_budgets": True,
        "budgets": [one for one in own if one.share],
        "unused_budgets": [one for one in own if not one.share],
        "budgets_apart": [one for one in every if one.is_strange],
    }


def _where(visit: Visit, identity: Identity, store: IdentityStore) -> dict[str, object]:
    """Networks, areas and exemptions."""
    rulebook, atlas, name = visit.parts.rulebook(), atlas_of(visit), identity.name
    networks, areas = store.networks(name), areas_of(visit.parts.engine, name)
    exemptions = store.exemptions(name)
    live = [*_live(exemptions), *(one for one in rulebook.exemptions if one.identity == name)]
    places = [_place(visit, atlas, one, areas, rulebook, live) for one in networks[:_SHOWN]]
    known = [_area(visit, area, history, rulebook) for area, history in list(areas.items())[:_SHOWN]]
    return {
        "places": places,
        "more_places": len(networks) - len(places),
        "areas": known,
        "more_areas": len(areas) - len(known),
        "exemptions": [(one, visit.language.country(one.country)) for one in exemptions],
        "countries": _countries(visit),
    }


def _place(
    visit: Visit, atlas: Atlas, one: Network, areas: dict[str, History], rulebook: Rulebook, exemptions: list[Exemption]
) -> Place:
    """As at the default gate: another listener may have a stricter one."""
    origin = atlas.origin(one.network.partition("/")[0])
    history = History(one.first_used_at, one.last_used_at, one.days, one.confirmed_at)
    treatment = passage(rulebook.gate("default"), origin, exemptions, visit.now).treatment
    is_suspect = treatment is not Treatment.ACCEPT
    place = place_of(origin, areas, history, rulebook, visit.now, is_suspect=is_suspect)
    state = "home" if place.is_home else "settled" if place.is_settled else "probation"
    return Place(one, origin_in_words(visit, origin), state, origin.is_hosting)


def _area(visit: Visit, name: str, history: History, rulebook: Rulebook) -> Area:
    is_settled = not history.is_forgotten(rulebook.forgotten_at(visit.now)) and history.is_settled(
        rulebook.settled_after_days
    )
    return Area(name, country_of_area(visit, name), history, "settled" if is_settled else "probation")


def _live(exemptions: list[StoredExemption]) -> list[Exemption]:
    """Those whose time is over lift nothing: whoever asks has the clock."""
    return [
        Exemption(identity=one.identity, countries=frozenset({one.country}), until=one.ends_at) for one in exemptions
    ]


def _countries(visit: Visit) -> list[tuple[str, str]]:
    """Code and name, by name; the unknown one at the end."""
    named = sorted(((visit.language.country(code), code) for code in COUNTRIES), key=lambda one: one[0].casefold())
    return [(code, country) for country, code in [*named, (visit.language.country(UNKNOWN_COUNTRY), UNKNOWN_COUNTRY)]]


def network_given(given: str) -> str:
    """The network of an address or of itself; empty for what is neither."""
    found = network_of(given.partition("/")[0].strip())
    return found if "/" in found else ""

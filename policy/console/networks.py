"""From where a person's devices log in: which of these networks count as his, since when, and a way to say no.

A network that is used quietly on some days becomes his by nothing else, also when it is a thief who reads along. So he
is told (policy/telling.py), and here he looks, and takes it back.
"""

from dataclasses import dataclass
from http import HTTPStatus

from starlette.responses import Response
from starlette.routing import Route

from policy.console.confirm import path_to_confirm, to_confirm
from policy.console.parts import Parts
from policy.console.routes import own_route
from policy.console.staff.whereabouts import atlas_of, origin_in_words
from policy.console.visit import Visit
from policy.engine.places import History, place_of
from policy.people.confirming import is_fresh
from policy.people.desk import Session
from policy.store.errors import StoreError, Unknown
from policy.store.identity_seen import areas_of
from policy.store.rows import Network

NETWORKS = "/networks"
_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Place:
    """One network as a person reads it. `state`: home, settled or probation; `since` it is so, where anybody knows."""

    network: Network
    where: str
    state: str
    since: float | None


def routes(parts: Parts) -> list[Route]:
    return [
        own_route(parts, "GET", NETWORKS, show),
        own_route(parts, "POST", f"{NETWORKS}/distrust", distrust),
    ]


async def show(visit: Visit, session: Session) -> Response:
    return await _page(visit, session)


async def distrust(visit: Visit, session: Session) -> Response:
    """What was used from there is suspended at once; the page of the incident asks what else is to be done."""
    form, store = await visit.form(), visit.parts.store_of(session, visit.visitor)
    if first := to_confirm(visit, session, NETWORKS):
        return first
    network = form.get("network", "")
    try:
        incident = await visit.call(
            lambda: store.distrust_network(session.identity, network, atlas_of(visit).origin, visit.now)
        )
    except Unknown:
        return await _page(visit, session, visit.language.say("You have no such network."))
    except StoreError:
        return await _page(visit, session, visit.language.say("This is no network."))
    return visit.redirect(f"/incidents/{incident.number}")


async def _page(visit: Visit, session: Session, error: str = "") -> Response:
    places, more = await visit.call(_places, visit, session)
    shown: dict[str, object] = {"session": session, "places": places, "more_places": more, "error": error}
    shown |= {"is_fresh": is_fresh(session, visit.now), "confirm": path_to_confirm(NETWORKS)}
    return visit.page("networks.html", shown, HTTPStatus.CONFLICT if error else HTTPStatus.OK)


def _places(visit: Visit, session: Session) -> tuple[list[Place], int]:
    """The one that was used last first, but before it those of which a mail has told: they are what is looked for.

    Waits for the database of addresses the first time.
    """
    store = visit.parts.store_of(session, visit.visitor)
    every, areas = store.networks(session.identity), areas_of(visit.parts.engine, session.identity)
    since = store.trusted_since(session.identity)
    every.sort(key=lambda one: one.network not in since)
    atlas, rulebook = atlas_of(visit), visit.parts.rulebook()
    found = []
    for one in every[:_SHOWN]:
        history = History(one.first_used_at, one.last_used_at, one.days, one.confirmed_at)
        origin = atlas.origin(one.network.partition("/")[0])
        place = place_of(origin, areas, history, rulebook, visit.now)
        state = "home" if place.is_home else "settled" if place.is_settled else "probation"
        at = one.confirmed_at or since.get(one.network) if place.is_settled else None
        found.append(Place(one, origin_in_words(visit, origin), state, at))
    return found, max(0, len(every) - _SHOWN)

"""A person's mail that is on hold: what, why, until when; single messages that he lets go or deletes himself.

The pages show no content: the console has no way to the queue. Which messages may go one by one is
policy/store/owner_held.py's to say; the others go with the answer to the whole question (incidents.py).
"""

from collections.abc import Callable
from http import HTTPStatus

from starlette.responses import Response
from starlette.routing import Route

from policy.console.confirm import path_to_confirm, to_confirm
from policy.console.parts import Parts
from policy.console.routes import own_route
from policy.console.visit import Visit
from policy.people.confirming import is_fresh
from policy.people.desk import Session
from policy.store.errors import StoreError, Unknown
from policy.store.held import StoredHeld
from policy.store.identities import IdentityStore
from policy.store.owner_held import OwnHeld

HELD = "/held"
Change = Callable[[IdentityStore, str, str, float], StoredHeld]


def routes(parts: Parts) -> list[Route]:
    return [
        own_route(parts, "GET", HELD, show),
        own_route(parts, "POST", f"{HELD}/release", release),
        own_route(parts, "POST", f"{HELD}/delete", delete),
    ]


async def show(visit: Visit, session: Session) -> Response:
    return await _page(visit, session)


async def release(visit: Visit, session: Session) -> Response:
    return await _change(visit, session, IdentityStore.release_own)


async def delete(visit: Visit, session: Session) -> Response:
    return await _change(visit, session, IdentityStore.purge_own)


async def _change(visit: Visit, session: Session, change: Change) -> Response:
    form, store = await visit.form(), visit.parts.store_of(session, visit.visitor)
    if first := to_confirm(visit, session, HELD):
        return first
    try:
        await visit.call(change, store, form.get("message", ""), session.identity, visit.now)
    except Unknown:
        text = visit.language.say("You have no such message on hold.")
        return visit.page("message.html", {"session": session, "error": text}, HTTPStatus.NOT_FOUND)
    except StoreError:  # somebody has decided meanwhile, or it does not go alone
        text = visit.language.say("That cannot be done with this message, or not any more.")
        return await _page(visit, session, text)
    return visit.redirect(HELD)


async def _page(visit: Visit, session: Session, error: str = "") -> Response:
    store = visit.parts.store_of(session, visit.visitor)
    messages: list[OwnHeld] = await visit.call(store.own_held, session.identity)
    shown: dict[str, object] = {
        "session": session,
        "messages": messages,
        "held_s": visit.parts.rulebook().containment.held_s,
        "is_fresh": is_fresh(session, visit.now),
        "confirm": path_to_confirm(HELD),
        "error": error,
    }
    return visit.page("held.html", shown, HTTPStatus.CONFLICT if error else HTTPStatus.OK)

"""A person's mail that is on hold: what, why, until when; single messages that he lets go or deletes himself.

Which messages may go one by one is policy/store/owner_held.py's to say; the others go with the answer to the whole
question (incidents.py). Subject and recipients of one are fetched by policy when its owner asks (store/looks.py);
the console has no way to the queue.
"""

from collections.abc import Callable
from http import HTTPStatus

from starlette.responses import Response
from starlette.routing import Route

from policy.console.confirm import to_confirm
from policy.console.looking import number_of_look, shown
from policy.console.parts import Parts
from policy.console.routes import own_route
from policy.console.visit import Visit
from policy.people.desk import Session
from policy.store.errors import StoreError, Unknown
from policy.store.held_book import StoredHeld
from policy.store.identities import IdentityStore
from policy.store.looks import Look, TooMany
from policy.store.owner_held import OwnHeld

HELD = "/held"
Change = Callable[[IdentityStore, str, str, float], StoredHeld]


def routes(parts: Parts) -> list[Route]:
    return [
        own_route(parts, "GET", HELD, show),
        own_route(parts, "POST", f"{HELD}/release", release),
        own_route(parts, "POST", f"{HELD}/delete", delete),
        own_route(parts, "POST", f"{HELD}/look", ask_to_look),
        own_route(parts, "GET", f"{HELD}/look/{{number}}", show_look),
    ]


async def show(visit: Visit, session: Session) -> Response:
    number = number_of_look(visit.request.query_params.get("look", ""))
    return await _page(visit, session, look=await _look(visit, session, number) if number else None)


async def ask_to_look(visit: Visit, session: Session) -> Response:
    """What the subject and the recipients of one are: by them a thief's message is told from one's own."""
    form, store = await visit.form(), visit.parts.store_of(session, visit.visitor)
    if first := to_confirm(visit, session, HELD):
        return first
    try:
        number = await visit.call(store.ask_own_look, form.get("message", ""), session.identity, visit.now)
    except Unknown:
        return _no_such_message(visit, session)
    except TooMany:
        text = visit.language.say("You have asked for many messages. Look at one after the other, or wait a little.")
        return await _page(visit, session, text)
    except StoreError:
        return await _page(visit, session, visit.language.say("It is not on hold any more, and nobody can look at it."))
    return visit.redirect(f"{HELD}?look={number}")


async def show_look(visit: Visit, session: Session) -> Response:
    """The part of the page that waits for it."""
    look = await _look(visit, session, number_of_look(visit.request.path_params["number"]))
    return visit.page("held_look.html", {"session": session, **shown(visit, session, look, HELD)})


async def _look(visit: Visit, session: Session, number: int) -> Look | None:
    """None where there is none of this person's, or not any more."""
    store = visit.parts.store_of(session, visit.visitor)
    try:
        return await visit.call(store.own_look, number, session.identity, visit.now)
    except Unknown:
        return None


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
        return _no_such_message(visit, session)
    except StoreError:  # somebody has decided meanwhile, or it does not go alone
        text = visit.language.say("That cannot be done with this message, or not any more.")
        return await _page(visit, session, text)
    return visit.redirect(HELD)


def _no_such_message(visit: Visit, session: Session) -> Response:
    text = visit.language.say("You have no such message on hold.")
    return visit.page("message.html", {"session": session, "error": text}, HTTPStatus.NOT_FOUND)


async def _page(visit: Visit, session: Session, error: str = "", look: Look | None = None) -> Response:
    store = visit.parts.store_of(session, visit.visitor)
    messages: list[OwnHeld] = await visit.call(store.own_held, session.identity)
    values: dict[str, object] = {
        "session": session,
        "messages": messages,
        "held_s": visit.parts.rulebook().containment.held_s,
        "error": error,
        **shown(visit, session, look, HELD),
    }
    return visit.page("held.html", values, HTTPStatus.CONFLICT if error else HTTPStatus.OK)

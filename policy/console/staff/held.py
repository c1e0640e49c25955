"""Held mail, for who looks after people: the list, one message, and what becomes of it: it leaves, or is deleted.

What is in a message is an administrator's to read (Right.READ): its header section, too, for a subject is content. Each
look is in the audit log before anything is fetched; policy fetches it (policy/store/looks.py).
"""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from policy.console.confirm import path_to_confirm, to_confirm
from policy.console.looking import number_of_look, shown
from policy.console.parts import Parts
from policy.console.routes import staff_route
from policy.console.staff.identities import chosen
from policy.console.visit import Visit, number_in
from policy.contract import Reason
from policy.people.confirming import is_fresh
from policy.people.desk import Session
from policy.people.roles import Right
from policy.store.errors import Decided, StoreError, Unknown
from policy.store.held import RETRO_HOLD, HeldState
from policy.store.held_book import StoredHeld
from policy.store.identities import IdentityStore
from policy.store.looks import Look, TooMany
from policy.store.records import find_submission

HELD = "/staff/held"
PAGE = 20  # messages: a form has room for them
_LONGEST = 63  # of what an address names
_TICK = "m-"  # the fields of messages that are ticked
_REASONS = (
    Reason.NEW_RECIPIENTS, Reason.PROBATION, Reason.HELD, Reason.SENDING_DELAY, Reason.SPAM, Reason.MALWARE,
    Reason.SECRET_IN_MESSAGE, Reason.SCANNER_SILENT, Reason.NAME_SHOWS_ADDRESS,
)  # fmt: skip
_MOVES: Mapping[str, HeldState] = {"release": HeldState.RELEASING, "delete": HeldState.PURGING}

Form = Mapping[str, str]


def routes(parts: Parts) -> list[Route]:
    return [
        staff_route(parts, "GET", HELD, Right.SEE, show_all),
        staff_route(parts, "POST", f"{HELD}/move", Right.DECIDE, move),
        staff_route(parts, "POST", f"{HELD}/move-all", Right.DECIDE, move_all),
        staff_route(parts, "GET", f"{HELD}/{{queue_id}}", Right.SEE, show),
        staff_route(parts, "POST", f"{HELD}/{{queue_id}}/look", Right.READ, ask_to_look),
        staff_route(parts, "GET", f"{HELD}/{{queue_id}}/look/{{look}}", Right.READ, show_look),
    ]


# The list


async def show_all(visit: Visit, session: Session) -> Response:
    return await _list(visit, session, visit.request.query_params)


async def _list(visit: Visit, session: Session, given: Form, error: str = "") -> Response:
    store, wanted = visit.parts.store_of(session, visit.visitor), _filter(given)
    after, incident = given.get("after", "")[:_LONGEST], wanted["incident"]
    state = None if wanted["state"] == "all" else HeldState(wanted["state"])
    found = await visit.call(
        lambda: store.held(
            identity=wanted["identity"] or None,
            incident=int(incident) if incident else None,
            reason=wanted["reason"] or None,
            state=state,
            after=after or None,
            limit=PAGE + 1,
        )
    )
    rows, has_more = found[:PAGE], len(found) > PAGE
    whole = await _whole(visit, store, int(incident)) if incident and state is HeldState.HELD else None
    values: dict[str, object] = {
        "session": session,
        "messages": rows,
        "wanted": wanted,
        "reasons": [one.value for one in _REASONS] + [RETRO_HOLD],
        "states": [one.value for one in HeldState],
        "is_filtered": bool(wanted["identity"] or incident or wanted["reason"]),
        "whole": whole,
        "onward": urlencode({**wanted, "after": rows[-1].queue_id}) if has_more else "",
        "beginning": urlencode(wanted) if after else "",
        "is_fresh": is_fresh(session, visit.now),
        "confirm": path_to_confirm(f"{HELD}?{urlencode(wanted)}"),
        "error": error,
    }
    return visit.page("staff/held.html", values, HTTPStatus.CONFLICT if error else HTTPStatus.OK)


async def _whole(visit: Visit, store: IdentityStore, incident: int) -> object:
    """How much an incident has on hold in all; None where there is nothing, or no such incident."""
    try:
        return (await visit.call(store.incident, incident)).held.get(HeldState.HELD)
    except Unknown:
        return None


def _filter(given: Form) -> dict[str, str]:
    """Of an address or a form, what can be asked for; 400 for what cannot."""
    identity, incident, reason = (given.get(name, "").strip()[:_LONGEST] for name in ("identity", "incident", "reason"))
    state = given.get("state", "") or HeldState.HELD.value
    if not (identity + reason).isprintable() or not (state == "all" or chosen(HeldState, state)):
        raise HTTPException(HTTPStatus.BAD_REQUEST)
    if incident:
        incident = str(number_in({"incident": incident}, "incident"))
    return {"identity": identity, "incident": incident, "reason": reason, "state": state}


# What becomes of messages


async def move(visit: Visit, session: Session) -> Response:
    """Those that are ticked. What is deleted is asked about first."""
    form = await visit.form()
    wanted, to = _filter(form), _MOVES.get(form.get("what", ""))
    queue_ids = [value for name, value in form.items() if name.startswith(_TICK)]
    if to is None:
        raise HTTPException(HTTPStatus.BAD_REQUEST)
    if first := to_confirm(visit, session, f"{HELD}?{urlencode(wanted)}"):
        return first
    if not queue_ids:
        return await _list(visit, session, form, visit.language.say("No message is ticked."))
    store = visit.parts.store_of(session, visit.visitor)
    moves: dict[HeldState, Callable[[Sequence[str], float], list[StoredHeld]]] = {
        HeldState.RELEASING: store.release_held,
        HeldState.PURGING: store.purge_held,
    }
    try:
        if to is HeldState.PURGING and form.get("sure") != "yes":
            messages = [await visit.call(store.held_message, one) for one in queue_ids]
            return _ask(visit, session, wanted, messages)
        await visit.call(moves[to], queue_ids, visit.now)
    except Unknown:
        return _no_such_message(visit, session)
    except StoreError:
        return await _list(visit, session, form, await _what_they_are(visit, store, queue_ids))
    return visit.redirect(f"{HELD}?{urlencode(wanted)}")


async def move_all(visit: Visit, session: Session) -> Response:
    """All that an incident has on hold; the incident stays open or closed as it is."""
    form = await visit.form()
    number, to = number_in(form, "incident"), _MOVES.get(form.get("what", ""))
    if to is None:
        raise HTTPException(HTTPStatus.BAD_REQUEST)
    wanted = {"incident": str(number)}
    if first := to_confirm(visit, session, f"{HELD}?{urlencode(wanted)}"):
        return first
    store = visit.parts.store_of(session, visit.visitor)
    try:
        await visit.call(store.move_held_of, number, to, visit.now)
    except Decided:
        text = visit.language.say("Nothing of this incident is on hold any more: somebody was faster.")
        return await _list(visit, session, wanted, text)
    return visit.redirect(f"{HELD}?{urlencode({**wanted, 'state': to.value})}")


def _ask(visit: Visit, session: Session, wanted: Form, messages: Sequence[StoredHeld]) -> Response:
    values = {"session": session, "wanted": wanted, "messages": messages}
    return visit.page("staff/held_delete.html", values)


async def _what_they_are(visit: Visit, store: IdentityStore, queue_ids: Sequence[str]) -> str:
    """For whoever comes second: nothing was done, because of these."""
    now = [await visit.call(store.held_message, one) for one in queue_ids]
    others = ", ".join(f"{one.queue_id}: {one.state}" for one in now if one.state != HeldState.HELD)
    return visit.language.say(
        "Somebody was faster, and nothing was done now. Not on hold any more: %(which)s", which=others
    )


# One message


async def show(visit: Visit, session: Session) -> Response:
    number = number_of_look(visit.request.query_params.get("look", ""))
    look = await _look(visit, session, number) if number else None
    return await _page(visit, session, look)


async def ask_to_look(visit: Visit, session: Session) -> Response:
    form, path = await visit.form(), _path(visit)
    if first := to_confirm(visit, session, path):
        return first
    store, with_text = visit.parts.store_of(session, visit.visitor), form.get("text") == "yes"
    try:
        number = await visit.call(lambda: store.ask_look(_queue_id(visit), visit.now, with_text=with_text))
    except Unknown:
        return _no_such_message(visit, session)
    except TooMany:
        text = visit.language.say("You have asked for many messages. Look at one after the other, or wait a little.")
        return await _page(visit, session, None, text, HTTPStatus.TOO_MANY_REQUESTS)
    except Decided:
        text = visit.language.say("It is not on hold any more, and nobody can look at it.")
        return await _page(visit, session, None, text)
    return visit.redirect(f"{path}?look={number}")


async def show_look(visit: Visit, session: Session) -> Response:
    """The part of the page that waits for the message."""
    look = await _look(visit, session, number_of_look(visit.request.path_params["look"]))
    values = {"session": session, "queue_id": _queue_id(visit), **shown(visit, session, look, _path(visit))}
    return visit.page("staff/held_look.html", values)


async def _look(visit: Visit, session: Session, number: int) -> Look | None:
    """None where there is none of who asks, or not any more, or it is of another message."""
    store = visit.parts.store_of(session, visit.visitor)
    try:
        found = await visit.call(store.look, number, visit.now)
    except Unknown:
        return None
    return found if found.queue_id == _queue_id(visit) else None


async def _page(
    visit: Visit, session: Session, look: Look | None, error: str = "", status: HTTPStatus = HTTPStatus.CONFLICT
) -> Response:
    store, queue_id = visit.parts.store_of(session, visit.visitor), _queue_id(visit)
    try:
        held = await visit.call(store.held_message, queue_id)
    except Unknown:
        return _no_such_message(visit, session)
    values: dict[str, object] = {
        "session": session,
        "held": held,
        "submission": await visit.call(find_submission, visit.parts.engine, held.submission),
        "queue_id": queue_id,
        "wanted": _filter({}),
        "was_asked": bool(visit.request.query_params.get("look")),
        "held_s": visit.parts.rulebook().containment.held_s,
        "error": error,
        **shown(visit, session, look, _path(visit)),
    }
    return visit.page("staff/held_message.html", values, status if error else HTTPStatus.OK)


def _queue_id(visit: Visit) -> str:
    return str(visit.request.path_params["queue_id"])[:_LONGEST]


def _path(visit: Visit) -> str:
    return f"{HELD}/{_queue_id(visit)}"


def _no_such_message(visit: Visit, session: Session) -> Response:
    text = visit.language.say("There is no such message on hold.")
    return visit.page("message.html", {"session": session, "error": text}, HTTPStatus.NOT_FOUND)

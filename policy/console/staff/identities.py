"""Who may send: looked for, and invited. What is about one of them is identity.py.

The link of an invitation stands in one answer, that of the form that made it, as on the command line: whoever has it
is that person.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from policy.addresses import parsed_owner_address
from policy.console.confirm import path_to_confirm, to_confirm
from policy.console.parts import Parts
from policy.console.routes import staff_route
from policy.console.visit import Visit
from policy.people.confirming import is_fresh
from policy.people.desk import Session
from policy.people.roles import Right, Role, may, may_act_on
from policy.store.errors import StoreError, Unknown
from policy.store.identities import IdentityStore
from policy.store.identity_seen import State, listed, steps_of
from policy.store.people import MOST_DAYS, NewInvite

IDENTITIES = "/staff/identities"
INVITE = "/staff/invite"  # beside the names of identities, and not among them
DAYS = 7  # that an invitation is good for, unless somebody chooses
_PAGE = 50
_LONGEST_SEARCH = 100
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_MOST_ADDRESSES = 20
_LONGEST_OWNER = 100

Choice = TypeVar("Choice", bound=StrEnum)


def routes(parts: Parts) -> list[Route]:
    return [
        staff_route(parts, "GET", IDENTITIES, Right.SEE, show_all),
        staff_route(parts, "GET", INVITE, Right.CARE, ask),
        staff_route(parts, "POST", INVITE, Right.CARE, invite),
    ]


def path_of(name: str) -> str:
    return f"{IDENTITIES}/{name}"


async def show_all(visit: Visit, session: Session) -> Response:
    given = visit.request.query_params
    search, after = (given.get(field, "").strip()[:_LONGEST_SEARCH] for field in ("search", "after"))
    if not search.isprintable() or not after.isprintable():
        raise HTTPException(HTTPStatus.BAD_REQUEST)
    role, state = chosen(Role, given.get("role", "")), chosen(State, given.get("state", ""))
    found = await visit.call(
        lambda: listed(visit.parts.engine, search=search, role=role, state=state, after=after, limit=_PAGE + 1)
    )
    rows, has_more = found[:_PAGE], len(found) > _PAGE
    steps = await visit.call(steps_of, visit.parts.engine, [one.name for one in rows], visit.now)
    shown: dict[str, object] = {"session": session, "identities": rows, "steps": steps, "after": after}
    shown |= {"next": rows[-1].name if has_more else "", "search": search, "role": role or "", "state": state or ""}
    return visit.page("staff/identities.html", shown | {"roles": list(Role), "states": list(State)})


async def ask(visit: Visit, session: Session) -> Response:
    return _form_page(visit, session, {})


async def invite(visit: Visit, session: Session) -> Response:
    form = await visit.form()
    role = chosen(Role, form.get("role", Role.OWNER))
    if role is None:
        raise HTTPException(HTTPStatus.BAD_REQUEST)
    if role is not Role.OWNER and not (may(session.role, Right.RULE) and may_act_on(session.role, role)):
        return not_yours(visit, session)
    if first := to_confirm(visit, session, INVITE):
        return first
    if error := await _what_is_wrong(visit, session, form):
        return _form_page(visit, session, form, error)
    name, addresses, days = _name(form), _addresses(form), days_in(form) or DAYS
    store = visit.parts.store_of(session, visit.visitor)
    people = visit.parts.people_of(session, visit.visitor)
    owner = form.get("owner", "").strip()
    try:
        await visit.call(lambda: store.add_identity(name, addresses, visit.now, owner=owner, role=role))
        if not visit.parts.by_password:  # an issuer signs people in: there is nothing to enrol
            return visit.redirect(path_of(name))
        made = await visit.call(people.invite, name, days, visit.now)
    except StoreError:  # a colleague was faster; a login in a name, an address that is somebody's with a detail
        text = visit.language.say("A login, or what belongs to somebody else, is in the name or in an address.")
        return _form_page(visit, session, form, await _what_is_wrong(visit, session, form) or text)
    return shown_once(visit, session, made)


def shown_once(visit: Visit, session: Session, made: NewInvite) -> Response:
    """In this answer and in no other."""
    url = visit.parts.invite_url(made.token)
    return visit.page("staff/invited.html", {"session": session, "invite": made.invite, "url": url})


def not_yours(visit: Visit, session: Session) -> Response:
    """The person has more rights than whoever acts, or would get them."""
    text = visit.language.say("This takes another role than yours.")
    return visit.page("message.html", {"session": session, "error": text}, HTTPStatus.FORBIDDEN)


def not_to_oneself(visit: Visit, session: Session) -> Response:
    text = visit.language.say("Nobody does this to his own account: ask somebody else of the staff.")
    return visit.page("message.html", {"session": session, "error": text}, HTTPStatus.FORBIDDEN)


def not_for_equals(visit: Visit, session: Session) -> Response:
    """What lifts a gate for somebody."""
    text = visit.language.say(
        "Only somebody of a higher role does this: for a help desk an administrator, for an administrator whoever has "
        "the command line."
    )
    return visit.page("message.html", {"session": session, "error": text}, HTTPStatus.FORBIDDEN)


def chosen(kind: type[Choice], given: str) -> Choice | None:
    """What a form or an address names; None for what is none of them."""
    return next((one for one in kind if one == given), None)


def days_in(form: Mapping[str, str]) -> int | None:
    """For how many days an invitation is to be good; None for what is no such number."""
    given = form.get("days", str(DAYS))
    is_number = given.isascii() and given.isdigit() and len(given) < 3  # noqa: PLR2004 - two digits
    return int(given) if is_number and 1 <= int(given) <= MOST_DAYS else None


async def _what_is_wrong(visit: Visit, session: Session, form: Mapping[str, str]) -> str:
    """In words of ours: the store's sentences are for the command line."""
    say, store = visit.language.say, visit.parts.store_of(session, visit.visitor)
    name, owner, addresses = _name(form), form.get("owner", "").strip(), _addresses(form)
    if not _NAME.fullmatch(name):
        return say("A name has 1 to 63 of a-z, 0-9, dot, underscore and hyphen, and begins with a letter or a digit.")
    if len(owner) > _LONGEST_OWNER or not owner.isprintable():
        return say("The full name has one line of at most 100 characters.")
    if days_in(form) is None:
        return say("An invitation is good for 1 to 90 days.")
    if len(addresses) > _MOST_ADDRESSES:
        return say("These are too many addresses at once.")
    for address in addresses:
        if error := await visit.call(_wrong_address, visit, session, store, address):
            return error
    try:
        await visit.call(store.identity, name)
    except Unknown:
        return ""
    return say("There is somebody of this name already. Look there to send an invitation again.")


def _wrong_address(visit: Visit, session: Session, store: IdentityStore, address: str) -> str:
    """Empty where it can be given."""
    say, parsed = visit.language.say, parsed_owner_address(address)
    if parsed is None or parsed.startswith("@"):
        return say("One of the addresses is none.")
    if parsed.rpartition("@")[2] not in visit.parts.servers.domains and not may(session.role, Right.RULE):
        return say("Addresses of other domains than ours are given by an administrator.")
    if store.owner_of(address):
        return say("One of the addresses belongs to somebody already.")
    return ""


def _form_page(visit: Visit, session: Session, form: Mapping[str, str], error: str = "") -> Response:
    shown: dict[str, object] = {"session": session, "error": error, "form": form, "days": form.get("days", str(DAYS))}
    shown |= {"roles": [role for role in Role if role is Role.OWNER or may(session.role, Right.RULE)]}
    shown |= {"is_fresh": is_fresh(session, visit.now), "confirm": path_to_confirm(INVITE), "most_days": MOST_DAYS}
    return visit.page("staff/invite.html", shown, HTTPStatus.BAD_REQUEST if error else HTTPStatus.OK)


def _name(form: Mapping[str, str]) -> str:
    return form.get("name", "").strip()


def _addresses(form: Mapping[str, str]) -> list[str]:
    """One to a line, or with commas or blanks between them."""
    return re.split(r"[\s,;]+", form["addresses"].strip()) if form.get("addresses", "").strip() else []

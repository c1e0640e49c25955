"""What staff do with one identity. Each act takes a right, a second factor that is fresh, and no less rights than the
other person has: a help desk that could let an administrator start over would be one.

Nobody starts himself over, gives himself a role or suspends himself here: a browser that was left open must not become
an account. What lifts a gate is for those above alone, so that no two of a help desk can let each other's mail out; of
administrators it is the command line.
"""

import datetime
from collections.abc import Callable, Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from policy.console.confirm import to_confirm
from policy.console.parts import Parts
from policy.console.routes import OwnPage, staff_route
from policy.console.staff.identities import (
    IDENTITIES,
    chosen,
    days_in,
    not_for_equals,
    not_to_oneself,
    not_yours,
    path_of,
    shown_once,
)
from policy.console.staff.identity import identity_page, network_given, no_such_identity
from policy.console.visit import Visit, number_in
from policy.countries import COUNTRIES
from policy.engine.sources import UNKNOWN_COUNTRY
from policy.people.desk import Session
from policy.people.roles import Right, Role, may_act_on, may_free
from policy.rulebook.words import end_of
from policy.store.errors import StoreError, Unknown
from policy.store.exemptions import NOTE_LIMIT
from policy.store.identities import IdentityStore
from policy.store.people import NewInvite, People
from policy.store.rows import Identity

Form = Mapping[str, str]
# What is done, to whom, with the fields of the form; what it returns is shown once, and None leads back to the page.
Act = Callable[["_Hand", Identity, Form], NewInvite | None]


class _NotThis(Exception):
    """It cannot be done; the text of `say` is for the page."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class _Hand:
    """The stores in the hands of who acts on somebody. Runs in a thread."""

    def __init__(self, visit: Visit, session: Session, other: Identity) -> None:
        roles = {other.name: other.role}
        self.store: IdentityStore = visit.parts.store_of(session, visit.visitor, roles)
        self.people: People = visit.parts.people_of(session, visit.visitor, roles)
        self.role, self.name, self.now = session.role, session.identity, visit.now
        self.say = visit.language.say


def routes(parts: Parts) -> list[Route]:
    of_one = f"{IDENTITIES}/{{name}}"
    acts: tuple[tuple[str, Right, OwnPage], ...] = (
        ("suspend", Right.CONTAIN, _page_of(_suspend, is_for_others=True)),
        ("resume", Right.DECIDE, _page_of(_resume, is_for_others=True)),
        ("clear", Right.DECIDE, _page_of(_clear, is_for_others=True)),
        ("role", Right.RULE, _page_of(_give_role, is_for_others=True)),
        ("invite", Right.CARE, _page_of(_invite, is_for_others=True)),
        ("withdraw", Right.CARE, _page_of(_withdraw)),
        ("reset", Right.CARE, _page_of(_reset, is_for_others=True)),
        ("notice-address", Right.CARE, _page_of(_change_notice_address)),
        ("revoke", Right.CARE, _page_of(_revoke)),
        ("confirm-network", Right.CARE, _page_of(_confirm_network, frees=True)),
        ("forget-network", Right.CARE, _page_of(_forget_network)),
        ("exempt", Right.CARE, _page_of(_exempt, frees=True)),
        ("end-exemption", Right.CARE, _page_of(_end_exemption)),
    )
    return [staff_route(parts, "POST", f"{of_one}/{path}", right, page) for path, right, page in acts]


def _page_of(act: Act, *, is_for_others: bool = False, frees: bool = False) -> OwnPage:
    """`frees`: it lifts a gate."""

    async def page(visit: Visit, session: Session) -> Response:
        form, name = await visit.form(), visit.request.path_params["name"]
        try:
            other = await visit.call(visit.parts.store_of(session, visit.visitor).identity, name)
        except Unknown:
            return no_such_identity(visit, session)
        if not may_act_on(session.role, other.role):
            return not_yours(visit, session)
        if is_for_others and name == session.identity:
            return not_to_oneself(visit, session)
        if frees and not may_free(session.role, other.role):
            return not_for_equals(visit, session)
        if first := to_confirm(visit, session, path_of(name)):
            return first
        try:
            made = await visit.call(act, _Hand(visit, session, other), other, form)
        except _NotThis as error:
            return await identity_page(visit, session, name, error.text)
        except StoreError:
            text = visit.language.say("This is not as the page showed it any more. Look at it again.")
            return await identity_page(visit, session, name, text)
        return shown_once(visit, session, made) if made else visit.redirect(path_of(name))

    return page


# Access


def _suspend(hand: _Hand, other: Identity, _: Form) -> None:
    hand.store.suspend(other.name, hand.now)


def _resume(hand: _Hand, other: Identity, _: Form) -> None:
    hand.store.resume(other.name, hand.now)


def _clear(hand: _Hand, other: Identity, form: Form) -> None:
    hand.store.clear_standing(other.name, _note(hand, form), hand.now)


def _give_role(hand: _Hand, other: Identity, form: Form) -> None:
    role = chosen(Role, form.get("role", ""))
    if role is None or not may_act_on(hand.role, role):
        raise HTTPException(HTTPStatus.BAD_REQUEST)
    hand.store.set_role(other.name, role, hand.now)


def _invite(hand: _Hand, other: Identity, form: Form) -> NewInvite:
    return hand.people.invite(other.name, _days(hand, form), hand.now)


def _withdraw(hand: _Hand, other: Identity, form: Form) -> None:
    """Of this person alone, whatever number the form names."""
    hand.people.revoke_invite(number_in(form, "invite"), hand.now, whose=other.name)


def _reset(hand: _Hand, other: Identity, form: Form) -> NewInvite:
    return hand.people.reset(other.name, _days(hand, form), hand.now)


def _change_notice_address(hand: _Hand, other: Identity, form: Form) -> None:
    try:
        hand.store.change_identity(other.name, hand.now, notice_address=form.get("address", "").strip())
    except StoreError:
        raise _NotThis(
            hand.say("This cannot be the second address: it is one that the person reads elsewhere.")
        ) from None


def _revoke(hand: _Hand, other: Identity, form: Form) -> None:
    """A device of this person alone: another one's is as unknown as nobody's."""
    login = form.get("login", "")
    if hand.store.credential(login).identity != other.name:
        raise Unknown(login)
    hand.store.revoke(login, hand.now)


# Where from


def _confirm_network(hand: _Hand, other: Identity, form: Form) -> None:
    hand.store.confirm_network(other.name, _network(hand, form), hand.now)


def _forget_network(hand: _Hand, other: Identity, form: Form) -> None:
    hand.store.forget_network(other.name, _network(hand, form), hand.now)


def _exempt(hand: _Hand, other: Identity, form: Form) -> None:
    country, note = form.get("country", ""), _note(hand, form)
    if country not in COUNTRIES and country != UNKNOWN_COUNTRY:
        raise HTTPException(HTTPStatus.BAD_REQUEST)
    try:
        until = end_of(datetime.date.fromisoformat(form.get("until", "")))
        hand.store.add_exemption(other.name, country, until, note, hand.now)
    except (ValueError, StoreError):
        raise _NotThis(hand.say("The last day lies ahead, and within a year.")) from None


def _end_exemption(hand: _Hand, other: Identity, form: Form) -> None:
    hand.store.remove_exemption(other.name, form.get("country", ""), hand.now)


# Fields


def _days(hand: _Hand, form: Form) -> int:
    days = days_in(form)
    if days is None:
        raise _NotThis(hand.say("An invitation is good for 1 to 90 days."))
    return days


def _note(hand: _Hand, form: Form) -> str:
    note = form.get("note", "").strip()
    if len(note) > NOTE_LIMIT or not note.isprintable():
        raise _NotThis(hand.say("A note has one line of at most 200 characters."))
    return note


def _network(hand: _Hand, form: Form) -> str:
    network = network_given(form.get("network", ""))
    if not network:
        raise _NotThis(hand.say("Networks are addresses such as 192.0.2.7, or 192.0.2.0/24."))
    return network

"""What administrators and the help desk do about an incident. Each is a form of its page, and one transaction.

A form says in which state the incident was shown (`seen`). Whoever comes second gets the page as it is by then, with
what the first has decided, and nothing is done.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from policy.console.confirm import to_confirm
from policy.console.parts import Parts
from policy.console.routes import OwnPage, staff_route
from policy.console.staff.identities import chosen, not_for_equals, not_to_oneself, not_yours
from policy.console.staff.incidents import (
    INCIDENTS,
    decision_in_words,
    incident_page,
    no_such_incident,
    number_given,
    path_of,
    role_of,
)
from policy.console.visit import Visit
from policy.people.desk import Session
from policy.people.roles import Right, Role, may_act_on, may_free
from policy.store.errors import Decided, StoreError, Unknown
from policy.store.identities import IdentityStore
from policy.store.incident_acts import MOVES
from policy.store.incident_notes import State
from policy.store.incidents import StoredIncident
from policy.store.ladder_book import NOTE_LIMIT

Form = Mapping[str, str]


class _Hand:
    """The store in the hand of who acts, on one incident as it was shown. Runs in a thread."""

    def __init__(self, store: IdentityStore, incident: StoredIncident, visit: Visit, seen: State) -> None:
        self.store, self.incident, self.seen, self.now = store, incident, seen, visit.now
        self.purge_after_s = visit.parts.rulebook().containment.purge_after_s

    def own(self, login: str) -> str:
        """A login of the identity of this incident alone; another one's is as unknown as nobody's."""
        if self.store.credential(login).identity != self.incident.identity:
            raise Unknown(login)
        return login


Act = Callable[[_Hand, Form], StoredIncident | None]  # what it returns is the incident to look at next


def routes(parts: Parts) -> list[Route]:
    acts: tuple[tuple[str, Right, OwnPage], ...] = (
        ("contain", Right.CONTAIN, _page_of(_contain)),
        ("release", Right.DECIDE, _page_of(_release, is_for_others=True)),
        ("purge", Right.DECIDE, _page_of(_purge)),
        ("keep", Right.DECIDE, _page_of(_keep)),
        ("answer", Right.DECIDE, _page_of(_answer, is_for_others=True)),
        ("revoke", Right.CARE, _page_of(_revoke)),
        ("trust", Right.CARE, _page_of(_trust, frees=True)),
    )
    return [staff_route(parts, "POST", f"{INCIDENTS}/{{number}}/{path}", right, page) for path, right, page in acts]


def _page_of(act: Act, *, is_for_others: bool = False, frees: bool = False) -> OwnPage:
    """As in identity_changes.py: of an own incident there is the own page, which asks “was this you?”."""

    async def page(visit: Visit, session: Session) -> Response:
        form, number = await visit.form(), number_given(visit)
        seen, store = chosen(State, form.get("seen", "")), visit.parts.store_of(session, visit.visitor)
        if seen is None:
            raise HTTPException(HTTPStatus.BAD_REQUEST)
        try:
            incident = await visit.call(store.incident, number)
        except Unknown:
            return no_such_incident(visit, session)
        role = await role_of(visit, store, incident.identity)
        is_own = incident.identity == session.identity
        if refusal := _refusal(session.role, role, is_barred=is_for_others and is_own, frees=frees):
            return refusal(visit, session)
        store = visit.parts.store_of(session, visit.visitor, {incident.identity: role})
        if first := to_confirm(visit, session, path_of(number)):
            return first
        if not _is_note(form):
            text = visit.language.say("A note has one line of at most 200 characters.")
            return await incident_page(visit, session, number, text, HTTPStatus.BAD_REQUEST)
        try:
            done = await visit.call(act, _Hand(store, incident, visit, seen), form)
        except StoreError as error:
            return await incident_page(visit, session, number, await _why_not(visit, session, incident, error))
        return visit.redirect(path_of(done.number if done else number))

    return page


def _refusal(own: Role, other: Role, *, is_barred: bool, frees: bool) -> Callable[[Visit, Session], Response] | None:
    """The page for whoever may not."""
    if not may_act_on(own, other):
        return not_yours
    if is_barred:
        return not_to_oneself
    return not_for_equals if frees and not may_free(own, other) else None


def _contain(hand: _Hand, form: Form) -> StoredIncident:
    """One login, or all of the identity. Where it was closed meanwhile, whoever acts has not seen that."""
    if hand.incident.state != hand.seen:
        raise Decided(hand.incident.state)
    if form.get("login"):
        return hand.store.contain_credential(hand.own(form["login"]), _note(form), hand.now)
    return hand.store.contain_identity(hand.incident.identity, _note(form), hand.now)


def _release(hand: _Hand, form: Form) -> StoredIncident:
    return hand.store.release_incident(hand.incident.number, _note(form), hand.now, seen=hand.seen)


def _purge(hand: _Hand, form: Form) -> StoredIncident:
    return hand.store.purge_incident(hand.incident.number, _note(form), hand.now, seen=hand.seen)


def _keep(hand: _Hand, _: Form) -> StoredIncident:
    """What was to be deleted by itself stays on hold."""
    return hand.store.stop_purge(hand.incident.number, None, hand.now)


def _answer(hand: _Hand, form: Form) -> StoredIncident:
    """For the owner, who has said it by telephone."""
    if form.get("said") not in {"yes", "no"}:
        raise HTTPException(HTTPStatus.BAD_REQUEST)
    number, identity = hand.incident.number, hand.incident.identity
    is_owner_s = form["said"] == "yes"
    return hand.store.answer_incident(number, identity, is_owner_s, hand.now, purge_after_s=hand.purge_after_s)


def _revoke(hand: _Hand, form: Form) -> None:
    hand.store.revoke(hand.own(form.get("login", "")), hand.now)


def _trust(hand: _Hand, form: Form) -> None:
    """One that was seen in this incident; any other is the business of the identity's page."""
    network = form.get("network", "")
    question = hand.store.question(hand.incident.number, hand.incident.identity, hand.now)
    if network not in {one.network for one in question.sources.networks}:
        raise HTTPException(HTTPStatus.BAD_REQUEST)
    hand.store.confirm_network(hand.incident.identity, network, hand.now)


def _note(form: Form) -> str:
    return form.get("note", "").strip()


def _is_note(form: Form) -> bool:
    return len(_note(form)) <= NOTE_LIMIT and (not _note(form) or _note(form).isprintable())


async def _why_not(visit: Visit, session: Session, incident: StoredIncident, error: StoreError) -> str:
    """The store's sentences are for the command line."""
    say = visit.language.say
    store = visit.parts.store_of(session, visit.visitor)
    now = await visit.call(store.incident, incident.number)
    made = [one for one in now.decisions if one.action not in MOVES]
    if made and isinstance(error, Decided):
        what = decision_in_words(visit, made[0])
        return say("Somebody was faster: %(who)s, %(what)s. Nothing was done now.", who=made[0].actor, what=what)
    return say("This is not as the page showed it any more. Look at it again.")

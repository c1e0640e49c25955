"""From the link in an invitation to the first session: a password, a second factor, recovery codes, then devices.

The link is used up by the second factor, in one transaction with everything else: whose browser crashed before that
goes on with the same link. Two things are needed meanwhile: the link, and a ticket that the browser in which the
password was chosen has as a cookie. Whoever opens the link later, or elsewhere, is asked for that very password first.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus

from starlette.responses import Response
from starlette.routing import Route

from policy.console.factors import factor_page
from policy.console.parts import Parts
from policy.console.routes import HOME, route
from policy.console.visit import Cookie, Visit, status_of
from policy.people.desk import FactorKind, SignedIn, Visitor
from policy.people.errors import InviteInvalid, Refused, TicketExpired

_TICKET_S = 3600

Finish = Callable[[str, str, str, str, Visitor, float], SignedIn]


def routes(parts: Parts) -> list[Route]:
    """None where an issuer signs everybody in: whoever it vouches for needs no link."""
    if not parts.by_password:
        return []
    return [
        route(parts, "GET", "/invite/{token}", open_link),
        route(parts, "POST", "/invite/{token}", choose_password),
        route(parts, "GET", "/invite/{token}/factor", show_factors),
        route(parts, "POST", "/invite/{token}/code", finish_with_code),
        route(parts, "POST", "/invite/{token}/passkey", finish_with_passkey),
    ]


async def open_link(visit: Visit) -> Response:
    try:
        return await _password_page(visit)
    except InviteInvalid:
        # Back in the browser's history, or a reload: it has done its work already.
        if await visit.session():
            return visit.redirect(HOME)
        raise


async def choose_password(visit: Visit) -> Response:
    form, token, invitations = await visit.form(), _token(visit), visit.parts.desk.invitations
    password = form.get("password", "")
    if "again" in form and password != form["again"]:
        text = visit.language.say("The two passwords are not the same. Type both again.")
        return await _password_page(visit, text)
    try:
        ticket = await invitations.choose_password(token, password, visit.now)
    except InviteInvalid:
        raise
    except Refused as error:
        return await _password_page(visit, visit.words(error), status_of(error))
    visit.keep(Cookie.ENROLMENT, ticket, _TICKET_S)
    return visit.redirect(f"/invite/{token}/factor")


async def show_factors(visit: Visit) -> Response:
    return await _factors_page(visit)


async def finish_with_code(visit: Visit) -> Response:
    return await _finished(visit, visit.parts.desk.invitations.finish_totp, "code", FactorKind.TOTP)


async def finish_with_passkey(visit: Visit) -> Response:
    return await _finished(visit, visit.parts.desk.invitations.finish_passkey, "answer", FactorKind.PASSKEY)


async def _finished(visit: Visit, finish: Finish, field: str, kind: FactorKind) -> Response:
    form = await visit.form()
    proof, label = form.get(field, ""), form.get("label", "").strip()
    try:
        done = await visit.call(finish, _token(visit), _ticket(visit), proof, label, visit.visitor, visit.now)
    except InviteInvalid:
        raise
    except Refused as error:
        return await _factors_page(visit, error, {kind: label})
    return _enrolled(visit, done)


async def _password_page(visit: Visit, error: str = "", status: int = HTTPStatus.BAD_REQUEST) -> Response:
    token, invitations = _token(visit), visit.parts.desk.invitations
    invite = await visit.call(invitations.look, token, visit.now)
    has_begun = await visit.call(invitations.has_begun, token, visit.now)
    shown = {"invite": invite, "has_begun": has_begun, "action": f"/invite/{token}", "error": error}
    return visit.page("invite_password.html", shown, status if error else HTTPStatus.OK)


async def _factors_page(
    visit: Visit, error: Refused | None = None, labels: Mapping[FactorKind, str] | None = None
) -> Response:
    """Both ways at once: the code of an application, whose seed is the same on each reload, and a passkey."""
    token, ticket, invitations = _token(visit), _ticket(visit), visit.parts.desk.invitations
    try:
        offer = await visit.call(invitations.totp, token, ticket, visit.now)
        options = await visit.call(invitations.passkey_options, token, ticket, visit.now)
    except TicketExpired:
        return visit.redirect(f"/invite/{token}")
    return factor_page(visit, offer, options, f"/invite/{token}", error=error, labels=labels)


def _enrolled(visit: Visit, done: SignedIn) -> Response:
    """The recovery codes are in this answer and in no other one: a reload of it finds the link used up."""
    visit.drop(Cookie.ENROLMENT)
    visit.keep(Cookie.SESSION, done.cookie)
    return visit.page("recovery_codes.html", {"session": done.session, "codes": done.recovery_codes})


def _token(visit: Visit) -> str:
    return str(visit.request.path_params["token"])


def _ticket(visit: Visit) -> str:
    return visit.cookie(Cookie.ENROLMENT)

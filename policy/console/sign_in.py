"""Signing in on two pages, name and password first, then the second factor; and signing out.

Between the two the browser has a ticket as a cookie. It says that the password was right and is good for five minutes,
for one sign-in and for nothing else. Who was asked to sign in on the way to a page of his is led back there
(routes.py: lead_on).
"""

from collections.abc import Callable

from starlette.responses import Response
from starlette.routing import Route

from policy.console.parts import Parts
from policy.console.routes import RECOVERED, SIGN_IN, home_of, lead_on, own_route, route
from policy.console.visit import Cookie, Visit
from policy.people.desk import FactorKind, Session, SignedIn, Visitor
from policy.people.errors import Refused, TicketExpired

_TICKET_S = 300
_FACTOR = "/sign-in/factor"

Prove = Callable[[str, str, Visitor, float], SignedIn]


def routes(parts: Parts) -> list[Route]:
    always = [
        route(parts, "GET", "/", go_home),
        route(parts, "GET", SIGN_IN, ask_for_password),
        own_route(parts, "POST", "/sign-out", sign_out),
    ]
    return [*always, *_by_password(parts)] if parts.by_password else always


def _by_password(parts: Parts) -> list[Route]:
    return [
        route(parts, "POST", SIGN_IN, take_password),
        route(parts, "GET", _FACTOR, ask_for_factor),
        route(parts, "POST", "/sign-in/code", take_code),
        route(parts, "POST", "/sign-in/passkey", take_passkey),
    ]


async def go_home(visit: Visit) -> Response:
    session = await visit.session()
    return visit.redirect(home_of(session) if session else SIGN_IN)


async def ask_for_password(visit: Visit) -> Response:
    had_one = bool(visit.cookie(Cookie.SESSION))
    if session := await visit.session():
        return lead_on(visit, session)
    text = visit.language.say("You are signed out: your session has ended. Sign in again.") if had_one else ""
    return visit.page("sign_in.html", {"name": "", "notice": text})


async def take_password(visit: Visit) -> Response:
    form = await visit.form()
    name = form.get("name", "").strip()
    try:
        ticket = await visit.parts.desk.sign_in.password(name, form.get("password", ""), visit.visitor, visit.now)
    except Refused as error:
        return visit.again("sign_in.html", error, {"name": name})
    visit.keep(Cookie.SIGN_IN, ".".join((*sorted(ticket.kinds), ticket.token)), _TICKET_S)
    return visit.redirect(_FACTOR)


async def ask_for_factor(visit: Visit) -> Response:
    return await _factor_page(visit)


async def take_code(visit: Visit) -> Response:
    return await _taken(visit, visit.parts.desk.sign_in.code, "code")


async def take_passkey(visit: Visit) -> Response:
    return await _taken(visit, visit.parts.desk.sign_in.passkey, "answer")


async def _taken(visit: Visit, prove: Prove, field: str) -> Response:
    form = await visit.form()
    try:
        done = await visit.call(prove, _ticket(visit), form.get(field, ""), visit.visitor, visit.now)
    except Refused as error:
        return await _factor_page(visit, error)
    return _signed_in(visit, done)


async def sign_out(visit: Visit, session: Session) -> Response:
    await visit.form()
    await visit.call(visit.parts.desk.sign_in.end, session, visit.visitor, visit.now)
    visit.drop(Cookie.SESSION)
    visit.drop(Cookie.WANTED)
    return visit.redirect(SIGN_IN)


async def _factor_page(visit: Visit, error: Refused | None = None) -> Response:
    """The kinds in the cookie only say what to show; what the person has is looked up when it is used."""
    if isinstance(error, TicketExpired) or not _ticket(visit):
        return _from_the_start(visit)
    kinds, options = visit.cookie(Cookie.SIGN_IN).split(".")[:-1], ""
    try:
        if FactorKind.PASSKEY in kinds:
            options = await visit.call(visit.parts.desk.sign_in.passkey_options, _ticket(visit), visit.now)
    except TicketExpired:
        return _from_the_start(visit)
    shown = {"options": options, "has_codes": FactorKind.TOTP in kinds}
    return visit.again("second_factor.html", error, shown) if error else visit.page("second_factor.html", shown)


def _from_the_start(visit: Visit) -> Response:
    visit.drop(Cookie.SIGN_IN)
    return visit.again("sign_in.html", TicketExpired(), {"name": ""})


def _signed_in(visit: Visit, done: SignedIn) -> Response:
    visit.drop(Cookie.SIGN_IN)
    visit.keep(Cookie.SESSION, done.cookie)
    onward = lead_on(visit, done.session)
    return visit.redirect(RECOVERED) if done.by_recovery_code else onward


def _ticket(visit: Visit) -> str:
    return visit.cookie(Cookie.SIGN_IN).rpartition(".")[2]

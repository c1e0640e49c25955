"""A second factor once more, before what is hard to undo; then back to the page that asked for it.

A page's own route asks for it by `to_confirm`, where the last one is more than a quarter of an hour ago.
"""

from collections.abc import Callable
from urllib.parse import quote

from starlette.responses import Response
from starlette.routing import Route

from policy.console.parts import Parts
from policy.console.routes import CONFIRM, back_checked, own_route
from policy.console.visit import Cookie, Visit
from policy.people.confirming import is_fresh
from policy.people.desk import FactorKind, Session, Visitor
from policy.people.errors import Refused

Confirm = Callable[[Session, str, Visitor, float], str]


def routes(parts: Parts) -> list[Route]:
    asking = own_route(parts, "GET", CONFIRM, ask)
    if not parts.by_password:
        return [asking]
    return [
        asking,
        own_route(parts, "POST", f"{CONFIRM}/code", take_code),
        own_route(parts, "POST", f"{CONFIRM}/passkey", take_passkey),
    ]


def path_to_confirm(back: str) -> str:
    return f"{CONFIRM}?back={quote(back)}"


def to_confirm(visit: Visit, session: Session, back: str) -> Response | None:
    """Where to ask for it first; None where the last one was shown not long ago."""
    return None if is_fresh(session, visit.now) else visit.redirect(path_to_confirm(back))


async def ask(visit: Visit, session: Session) -> Response:
    return await _page(visit, session, visit.request.query_params.get("back", ""))


async def take_code(visit: Visit, session: Session) -> Response:
    return await _taken(visit, session, visit.parts.desk.confirming.code, "code")


async def take_passkey(visit: Visit, session: Session) -> Response:
    return await _taken(visit, session, visit.parts.desk.confirming.passkey, "answer")


async def _taken(visit: Visit, session: Session, confirm: Confirm, field: str) -> Response:
    form = await visit.form()
    back = form.get("back", "")
    try:
        cookie = await visit.call(confirm, session, form.get(field, ""), visit.visitor, visit.now)
    except Refused as error:
        return await _page(visit, session, back, error)
    visit.keep(Cookie.SESSION, cookie)
    return visit.redirect(back_checked(back))


async def _page(visit: Visit, session: Session, back: str, error: Refused | None = None) -> Response:
    confirming, options = visit.parts.desk.confirming, ""
    kinds = await visit.call(confirming.kinds, session)
    if FactorKind.PASSKEY in kinds:
        options = await visit.call(confirming.passkey_options, session, visit.now)
    shown = {"session": session, "options": options, "has_codes": FactorKind.TOTP in kinds, "back": back_checked(back)}
    return visit.again("confirm.html", error, shown) if error else visit.page("confirm.html", shown)

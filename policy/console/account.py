"""A person's own sign-in: the browsers that are signed in, its second factors, new recovery codes, another password,
and the second address for notices.
"""

from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.routing import Route

from policy.console.confirm import path_to_confirm, to_confirm
from policy.console.factors import confirm_password
from policy.console.parts import Parts
from policy.console.routes import ACCOUNT, RECOVERED, own_route
from policy.console.visit import Visit, number_in, status_of
from policy.people.confirming import is_fresh
from policy.people.desk import Session
from policy.people.errors import Refused
from policy.store.errors import StoreError


def routes(parts: Parts) -> list[Route]:
    always = [
        own_route(parts, "GET", ACCOUNT, show),
        own_route(parts, "POST", "/account/sessions/end", end_session),
        own_route(parts, "POST", "/account/sessions/end-all", end_all_sessions),
        own_route(parts, "POST", "/account/notice-address", change_notice_address),
    ]
    return [*always, *_of_passwords(parts)] if parts.by_password else always


def _of_passwords(parts: Parts) -> list[Route]:
    return [
        own_route(parts, "POST", "/account/recovery-codes", new_codes),
        own_route(parts, "POST", "/account/password", change_password),
    ]


async def show(visit: Visit, session: Session) -> Response:
    if visit.request.url.query != urlsplit(RECOVERED).query:
        return await _page(visit, session)
    left = await visit.call(visit.parts.desk.account.recovery_codes_left, session)
    text = visit.language.say(
        "You have signed in with a recovery code. Recovery codes left: %(number)s. "
        "If your second factor is lost, add a new one and remove the old one.",
        number=left,
    )
    return await _page(visit, session, notice=text)


async def end_session(visit: Visit, session: Session) -> Response:
    number = number_in(await visit.form(), "session")
    # Of this person alone: the desk looks for the number among the sessions of who asks.
    await visit.call(visit.parts.desk.sign_in.end_session, session, number, visit.visitor, visit.now)
    return visit.redirect(ACCOUNT)


async def end_all_sessions(visit: Visit, session: Session) -> Response:
    await visit.form()
    await visit.call(visit.parts.desk.sign_in.end_all, session, visit.visitor, visit.now)
    return visit.redirect(ACCOUNT)


async def new_codes(visit: Visit, session: Session) -> Response:
    """In this answer and in no other; sent once more, the form makes others again, and the old ones end."""
    try:
        await confirm_password(visit, session, await visit.form())
    except Refused as error:
        return await _page(visit, session, visit.words(error), status_of(error))
    codes = await visit.call(visit.parts.desk.account.new_recovery_codes, session, visit.visitor, visit.now)
    return visit.page("recovery_codes.html", {"session": session, "codes": codes})


async def change_password(visit: Visit, session: Session) -> Response:
    form, say = await visit.form(), visit.language.say
    current, new = form.get("current", ""), form.get("password", "")
    if new != form.get("again", ""):
        return await _page(visit, session, say("The two passwords are not the same. Type both again."))
    try:
        await visit.parts.desk.account.change_password(session, current, new, visit.visitor, visit.now)
    except Refused as error:
        return await _page(visit, session, visit.words(error), status_of(error))
    return await _page(visit, session, notice=say("The password is changed. All other browsers are signed out."))


async def change_notice_address(visit: Visit, session: Session) -> Response:
    """Whoever could change it quietly could keep the owner from hearing of a theft: both addresses are told."""
    form, store = await visit.form(), visit.parts.store_of(session, visit.visitor)
    if first := to_confirm(visit, session, ACCOUNT):
        return first
    address = form.get("address", "").strip()
    try:
        await visit.call(lambda: store.change_identity(session.identity, visit.now, notice_address=address))
    except StoreError:
        text = visit.language.say("This cannot be your second address: take one that you read elsewhere.")
        return await _page(visit, session, text, typed=address)
    return visit.redirect(ACCOUNT)


async def _page(
    visit: Visit,
    session: Session,
    error: str = "",
    status: int = HTTPStatus.BAD_REQUEST,
    *,
    notice: str = "",
    typed: str | None = None,
) -> Response:
    desk = visit.parts.desk
    sessions = await visit.call(desk.sign_in.sessions, session.identity, visit.now)
    factors = await visit.call(desk.account.factors, session)
    left = await visit.call(desk.account.recovery_codes_left, session)
    kept = (await visit.call(visit.parts.store_of(session, visit.visitor).identity, session.identity)).notice_address
    shown: dict[str, object] = {"session": session, "sessions": sessions, "factors": factors, "codes_left": left}
    shown |= {"error": error, "notice": notice, "notice_address": kept if typed is None else typed}
    shown |= {"is_fresh": is_fresh(session, visit.now), "confirm": path_to_confirm(ACCOUNT)}
    return visit.page("account.html", shown, status if error else HTTPStatus.OK)

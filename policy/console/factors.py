"""A new second factor: the page that an invitation and the account share, and adding and removing one later.

What would let somebody sign in again later is changed only by who types the password once more: a browser that was left
open, or a stolen session, must not become an account.
"""

from collections.abc import Callable, Mapping

from markupsafe import Markup
from starlette.responses import Response
from starlette.routing import Route

from policy.console.parts import Parts
from policy.console.routes import ACCOUNT, own_route
from policy.console.visit import Visit, number_in
from policy.enrolment.qr import qr_svg
from policy.people.desk import FactorKind, Session, TotpOffer, Visitor
from policy.people.errors import Refused, SignInRefused, Text

Add = Callable[[Session, str, str, Visitor, float], object]


def routes(parts: Parts) -> list[Route]:
    if not parts.by_password:
        return []
    return [
        own_route(parts, "GET", "/account/factors/new", ask),
        own_route(parts, "POST", "/account/factors/code", add_code),
        own_route(parts, "POST", "/account/factors/passkey", add_passkey),
        own_route(parts, "POST", "/account/factors/remove", remove),
    ]


def factor_page(
    visit: Visit,
    offer: TotpOffer,
    options: str,
    action: str,
    *,
    error: Refused | None,
    labels: Mapping[FactorKind, str] | None,
    session: Session | None = None,
) -> Response:
    """Both ways at once: the code of an application, whose seed is the same on each reload, and a passkey.

    `labels` has what was typed as a name; it stays in the form in which it was typed.
    """
    typed = labels or {}
    code = Markup(qr_svg(offer.uri, visit.language.say("QR code for an authenticator application")))  # noqa: S704 - our own SVG
    shown: dict[str, object] = {
        "secret": offer.secret,
        "qr_code": code,
        "options": options,
        "code_label": typed.get(FactorKind.TOTP, ""),
        "passkey_label": typed.get(FactorKind.PASSKEY, ""),
        "action": action,
        "session": session,
    }
    return visit.again("factor_new.html", error, shown) if error else visit.page("factor_new.html", shown)


async def confirm_password(visit: Visit, session: Session, form: Mapping[str, str]) -> None:
    """Refused where the form does not hold the password. It meets the same walls as a sign-in."""
    try:
        await visit.parts.desk.sign_in.password(session.identity, form.get("current", ""), visit.visitor, visit.now)
    except SignInRefused:
        raise SignInRefused(Text.WRONG_PASSWORD) from None


async def ask(visit: Visit, session: Session) -> Response:
    return await _page(visit, session)


async def add_code(visit: Visit, session: Session) -> Response:
    return await _added(visit, session, visit.parts.desk.account.add_totp, "code", FactorKind.TOTP)


async def add_passkey(visit: Visit, session: Session) -> Response:
    return await _added(visit, session, visit.parts.desk.account.add_passkey, "answer", FactorKind.PASSKEY)


async def _added(visit: Visit, session: Session, add: Add, field: str, kind: FactorKind) -> Response:
    form = await visit.form()
    label = form.get("label", "").strip()
    try:
        await confirm_password(visit, session, form)
        await visit.call(add, session, form.get(field, ""), label, visit.visitor, visit.now)
    except Refused as error:
        return await _page(visit, session, error, {kind: label})
    return visit.redirect(ACCOUNT)


async def remove(visit: Visit, session: Session) -> Response:
    """One of this person's: the desk looks for the number among the factors of who asks."""
    form = await visit.form()
    number = number_in(form, "factor")
    await confirm_password(visit, session, form)
    await visit.call(visit.parts.desk.account.remove_factor, session, number, visit.visitor, visit.now)
    return visit.redirect(ACCOUNT)


async def _page(
    visit: Visit, session: Session, error: Refused | None = None, labels: Mapping[FactorKind, str] | None = None
) -> Response:
    offer = await visit.call(visit.parts.desk.account.totp, session, visit.now)
    options = await visit.call(visit.parts.desk.account.passkey_options, session, visit.now)
    return factor_page(visit, offer, options, "/account/factors", error=error, labels=labels, session=session)

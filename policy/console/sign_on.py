"""Signing in at the organisation's issuer, and showing there once more who one is.

    GET  /sign-in/issuer         off to the issuer, with an errand as a cookie
    GET  /sign-in/issuer/back    where it sends the browser back to: a form, which sends itself
    POST /sign-in/issuer/finish  what came back belongs to the errand, or it is nothing
    GET  /confirm/issuer         off to the issuer, where the person must sign in afresh

All our cookies are SameSite=Strict: a browser that comes from the issuer's page shows none of them, and whoever sends
it here with a code of their own finds no errand. The page in between is ours, so that its form brings them along.
"""

import hmac
import secrets
from functools import partial

from starlette.responses import Response
from starlette.routing import Route

from policy.console.parts import Parts
from policy.console.routes import SIGN_IN, back_checked, lead_on, own_route, route
from policy.console.visit import Cookie, FormRefused, Visit
from policy.people.desk import Session
from policy.people.errors import SignInRefused, Text, TicketExpired
from policy.single_sign_on.errand import GOOD_FOR_S, Errand, proofs_of, read
from policy.single_sign_on.provider import BACK, Provider, Vouched

_FINISH = "/sign-in/issuer/finish"


def routes(parts: Parts) -> list[Route]:
    """None where there is no issuer."""
    if parts.sign_on is None:
        return []
    pages = _Pages(parts.sign_on)
    return [
        route(parts, "GET", "/sign-in/issuer", pages.begin),
        route(parts, "GET", BACK, pages.come_back),
        route(parts, "POST", _FINISH, pages.finish),
        own_route(parts, "GET", "/confirm/issuer", pages.begin_to_confirm),
    ]


class _Pages:
    """Those of one issuer."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def begin(self, visit: Visit) -> Response:
        return await self._sent_off(visit, Errand(secret=secrets.token_urlsafe(32), begun_at=visit.now))

    async def begin_to_confirm(self, visit: Visit, session: Session) -> Response:
        back = back_checked(visit.request.query_params.get("back", ""))
        errand = Errand(secret=secrets.token_urlsafe(32), begun_at=visit.now, session=session.id, back=back)
        return await self._sent_off(visit, errand)

    async def come_back(self, visit: Visit) -> Response:
        """Nothing is judged here, and no cookie set: those that the browser has did not come along."""
        given = visit.request.query_params
        visit.set_cookies.clear()
        if "error" in given:
            raise SignInRefused(Text.ISSUER_REFUSED)
        fields = {name: given.get(name, "") for name in ("code", "state", "iss")}
        return visit.page("sign_on_back.html", {"fields": fields, "action": _FINISH})

    async def finish(self, visit: Visit) -> Response:
        """`state` is this form's token: it can be told only by who has the errand's cookie from us."""
        form, cookie = await visit.fields(), visit.cookie(Cookie.ERRAND)
        errand, proofs = read(cookie), proofs_of(cookie, visit.parts.form_key)
        if errand is None or not hmac.compare_digest(form.get("state", "").encode(), proofs.state.encode()):
            raise FormRefused
        visit.drop(Cookie.ERRAND)
        if errand.is_over(visit.now):
            raise TicketExpired
        code, issuer, ask = form.get("code", ""), form.get("iss", ""), self._provider.vouched
        if errand.session:  # begun by somebody who is signed in
            vouched = await ask(code, issuer, proofs, visit.now, since=errand.begun_at)
            return await _confirmed(visit, errand, vouched)
        vouching, who = visit.parts.desk.vouching, visit.visitor
        admit = partial(vouching.admit, code, who, visit.now)
        try:
            vouched = await ask(code, issuer, proofs, visit.now, since=None, admit=admit)
        except SignInRefused:
            vouching.note_refused(code, who, visit.now)
            raise
        return await _signed_in(visit, vouched)

    async def _sent_off(self, visit: Visit, errand: Errand) -> Response:
        cookie = errand.written()
        proofs = proofs_of(cookie, visit.parts.form_key)
        way = await self._provider.way(proofs, visit.now, afresh=bool(errand.session))
        visit.keep(Cookie.ERRAND, cookie, int(GOOD_FOR_S))
        return visit.redirect(way)


async def _signed_in(visit: Visit, vouched: Vouched) -> Response:
    sign_in = visit.parts.desk.vouching.sign_in
    done = await visit.call(sign_in, vouched.name, vouched.authenticated_at, visit.visitor, visit.now)
    visit.keep(Cookie.SESSION, done.cookie)
    return lead_on(visit, done.session)


async def _confirmed(visit: Visit, errand: Errand, vouched: Vouched) -> Response:
    session = await visit.session()
    if session is None or session.id != errand.session:
        return visit.redirect(SIGN_IN)
    cookie = await visit.call(visit.parts.desk.vouching.confirm, session, vouched.name, visit.visitor, visit.now)
    visit.keep(Cookie.SESSION, cookie)
    return visit.redirect(back_checked(errand.back))

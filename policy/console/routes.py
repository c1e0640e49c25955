"""A page's path, and what becomes of its errors. The log has the route and never the path, which may hold a token."""

import functools
import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import quote, unquote

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from policy import log
from policy.console.parts import Parts
from policy.console.visit import Cookie, FormRefused, Visit
from policy.people.desk import Session
from policy.people.errors import Refused
from policy.people.roles import Right, Role, may
from policy.store.errors import RoleChanged, StoreError

Page = Callable[[Visit], Awaitable[Response]]
OwnPage = Callable[[Visit, Session], Awaitable[Response]]

SIGN_IN = "/sign-in"
HOME = "/devices"
STAFF = "/staff"  # pages about others; the first of them is the overview
ACCOUNT = "/account"
CONFIRM = "/confirm"
_WANTED_S = 600  # a page that was asked for longer ago than that is not what somebody wants who signs in now
_TYPED = ("text", "name", "owner", "addresses", "address", "label", "network", "note")  # fields that take thought
_BACK = re.compile(r"(/[a-z0-9][a-z0-9._-]{0,80}){1,5}(\?[a-z0-9=&%._+-]{0,200})?", re.IGNORECASE | re.ASCII)
RECOVERED = f"{ACCOUNT}?by=recovery-code"  # the account, after a sign-in that used a recovery code up


class OwnRoute(Route):
    """A path for who is signed in; `right` is what it takes where it is about others."""

    right: Right | None = None


def route(parts: Parts, method: str, path: str, page: Page) -> Route:
    """A page that everybody may ask for."""
    return Route(path, _answering(parts, method, path, page), methods=[method])


def own_route(parts: Parts, method: str, path: str, page: OwnPage, right: Right | None = None) -> Route:
    """A page for who is signed in; everybody else is asked to."""

    @functools.wraps(page)
    async def guarded(visit: Visit) -> Response:
        visit.signed_in = session = await visit.session()
        return await page(visit, session) if session else await _without_session(visit)

    made = OwnRoute(path, _answering(parts, method, path, guarded), methods=[method])
    made.right = right
    return made


def staff_route(parts: Parts, method: str, path: str, right: Right, page: OwnPage) -> Route:
    """A page about others, for whose role has the right."""

    @functools.wraps(page)
    async def guarded(visit: Visit, session: Session) -> Response:
        if not may(session.role, right):
            text = visit.language.say("This page takes another role than yours.")
            return visit.page("message.html", {"session": session, "error": text}, HTTPStatus.FORBIDDEN)
        return await page(visit, session)

    return own_route(parts, method, path, guarded, right)


def _answering(parts: Parts, method: str, path: str, page: Page) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        visit = Visit(request, parts, parts.clock())
        response = await _answered(visit, path, page)
        visit.put_cookies_on(response)
        log.console_visited(method, path, int(response.status_code), visit.visitor.client_address)
        return response

    return answer


def back_checked(back: str) -> str:
    """A page of ours, whatever an address says."""
    return back if _BACK.fullmatch(back) else HOME


def home_of(session: Session) -> str:
    """Where somebody begins who has signed in."""
    return HOME if session.role is Role.OWNER else STAFF


def lead_on(visit: Visit, session: Session) -> Response:
    """To the page that was asked for before the sign-in, where this person may see it; else to the start page."""
    wanted = unquote(visit.cookie(Cookie.WANTED))
    visit.drop(Cookie.WANTED)
    return visit.redirect(wanted if _is_page_for(visit, session, wanted) else home_of(session))


def _is_page_for(visit: Visit, session: Session, wanted: str) -> bool:
    if not _BACK.fullmatch(wanted):
        return False
    path = wanted.partition("?")[0]
    pages = (one for one in visit.request.app.routes if isinstance(one, Route) and "GET" in (one.methods or ()))
    found = next((one for one in pages if one.path_regex.match(path)), None)
    return isinstance(found, OwnRoute) and (found.right is None or may(session.role, found.right))


def _keep_wanted(visit: Visit) -> None:
    """In a cookie, which no other site sees, and not in the address. Of what script asked for there is no page."""
    request, headers = visit.request, visit.request.headers
    is_for_script = "hx-request" in headers or headers.get("accept", "") == "text/event-stream"
    if request.method != "GET" or is_for_script or headers.get("sec-fetch-dest", "document") != "document":
        return
    path, query = request.url.path, request.url.query
    wanted = f"{path}?{query}" if query else path
    if path == CONFIRM:  # whoever signs in has just confirmed himself
        wanted = request.query_params.get("back", "")
    if _BACK.fullmatch(wanted) and not path.startswith(f"{CONFIRM}/"):
        visit.keep(Cookie.WANTED, quote(wanted, safe=""), _WANTED_S)


async def _without_session(visit: Visit) -> Response:
    """Asked to sign in. What somebody typed into a form while his session ended is shown, for it would be lost."""
    fields = await visit.left_behind()
    if not fields:
        visit.set_cookies.pop(Cookie.SESSION, None)  # the page of the sign-in drops it, and says that it has ended
        _keep_wanted(visit)
        return visit.redirect(SIGN_IN)
    typed = {name: fields[name] for name in _TYPED if fields.get(name, "").strip() not in {"", "yes", "no"}}
    text = visit.language.say(
        "Nothing of this form was done: you were signed out after half an hour without use, after twelve hours, "
        "or because somebody ended the session."
    )
    return visit.page("ended.html", {"typed": typed, "error": text}, HTTPStatus.FORBIDDEN)


async def _answered(visit: Visit, path: str, page: Page) -> Response:
    try:
        visit.look_at_address()
        return await page(visit)
    except Refused as error:
        return visit.again("message.html", error)
    except RoleChanged:
        text = visit.language.say("This takes another role than yours.")
        return visit.page("message.html", {"error": text}, HTTPStatus.FORBIDDEN)
    except FormRefused:
        text = visit.language.say("This form is too old. Go back, load the page again and repeat what you did.")
        return visit.page("message.html", {"error": text}, HTTPStatus.FORBIDDEN)
    except StoreError:  # it is gone, or decided, between two looks of this page
        text = visit.language.say("This is not as the page showed it any more. Look at it again.")
        return visit.page("message.html", {"error": text}, HTTPStatus.CONFLICT)
    except (HTTPException, ClientDisconnect):
        raise
    except Exception as error:  # noqa: BLE001 - the reader gets a page and never the exception's text
        log.console_failed(path, error)
        text = visit.language.say("Something went wrong on our side. Nothing was lost; please try again.")
        return visit.page("message.html", {"error": text}, HTTPStatus.INTERNAL_SERVER_ERROR)

"""What goes on: the last hour, day or week at a glance, and live while somebody looks.

    painting.py   reads and renders the pieces
    overview.py   (you are here) the page and its stream
    live.py       the stream itself
    overview.js   draws the chart of the numbers that the page has

Without script, and where no stream can be had, the page is as good as new when it is loaded again.
"""

from functools import partial
from http import HTTPStatus

from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from policy import log
from policy.console.live import EventStream
from policy.console.parts import Parts
from policy.console.routes import STAFF, staff_route
from policy.console.staff.figures import Span
from policy.console.staff.painting import View
from policy.console.visit import Visit
from policy.people.desk import Session
from policy.people.roles import Right, may

LIVE = f"{STAFF}/live"
_PAUSED = "no"


def routes(parts: Parts) -> list[Route]:
    return [
        staff_route(parts, "GET", STAFF, Right.SEE, show),
        staff_route(parts, "GET", LIVE, Right.SEE, follow),
    ]


async def show(visit: Visit, session: Session) -> Response:
    view = _view(visit)
    values = await visit.call(visit.parts.painter.values, view)
    is_live = visit.request.query_params.get("live") != _PAUSED
    shown: dict[str, object] = {"session": session, "spans": list(Span), "is_live": is_live}
    # In a thread, too: it is the largest page, and while it is rendered streams of others go on.
    return await visit.call(visit.page, "staff/overview.html", values | shown)


async def follow(visit: Visit, session: Session) -> Response:
    """The stream. It uses no session up: who only looks is signed out after half an hour, as everybody is."""
    view, live = _view(visit), visit.parts.live
    if not live.has_room_for(session.identity):
        return PlainTextResponse("too many\n", HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "30"})
    farewell = visit.language.say("No live figures any more: your session has ended. Load this page again.")
    return EventStream(live, session.identity, view, partial(_is_on, visit, session), farewell)


async def _is_on(visit: Visit, session: Session) -> bool:
    """Whether that very session goes on, in a role that may look. Where nobody can say, it does not."""
    parts = visit.parts
    try:
        found = await visit.call(parts.desk.sign_in.sessions, session.identity, parts.clock())
    except SQLAlchemyError as error:
        log.console_failed(LIVE, error)
        return False
    return any(one.id == session.id and may(one.role, Right.SEE) for one in found)


def _view(visit: Visit) -> View:
    given = visit.request.query_params.get("span", Span.DAY)
    if given not in set(Span):
        raise HTTPException(HTTPStatus.BAD_REQUEST)
    return View(visit.language.code, Span(given))

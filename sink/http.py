"""The sink's HTTP API: what tests ask. docs/integration-testing.md describes it for them.

Every answer but a raw message is JSON; an error is {"error": a sentence}.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from sink.messages import Filter, Message, Messages

_LONGEST_WAIT_S = 60.0
_FILTERS = frozenset(("recipient", "sender", "subject"))

MESSAGES: web.AppKey[Messages] = web.AppKey("messages", Messages)


def make_app(messages: Messages) -> web.Application:
    app = web.Application(middlewares=[_errors_as_json])
    app[MESSAGES] = messages
    app.add_routes(
        [
            web.get("/messages", list_messages),
            web.delete("/messages", delete_messages),
            web.get("/messages/{id}", show_message),
            web.get("/messages/{id}/raw", show_raw),
            web.delete("/messages/{id}", delete_message),
            web.get("/health", health),
        ]
    )
    return app


async def list_messages(request: web.Request) -> web.Response:
    """`wait` (seconds) and `count` make it wait until that many match, so that no test needs to sleep."""
    wanted = _filter(request, also={"wait", "count"})
    wait_s = _number(request, "wait", 0.0, _LONGEST_WAIT_S)
    count = _number(request, "count", 1.0, 1_000_000.0)
    found = await request.app[MESSAGES].wait_for(wanted, int(count), wait_s)
    return web.json_response([_summary(message) for message in found])


async def delete_messages(request: web.Request) -> web.Response:
    messages = request.app[MESSAGES]
    found = messages.matching(_filter(request))
    return web.json_response({"deleted": sum(messages.remove(message.id) for message in found)})


async def show_message(request: web.Request) -> web.Response:
    message = _wanted(request)
    body = message.parsed().get_body(("plain", "html"))
    return web.json_response(_summary(message) | {"text": body.get_content() if body else ""})


async def show_raw(request: web.Request) -> web.Response:
    return web.Response(body=_wanted(request).content, content_type="message/rfc822")


async def delete_message(request: web.Request) -> web.Response:
    request.app[MESSAGES].remove(_wanted(request).id)
    return web.json_response({"deleted": 1})


async def health(request: web.Request) -> web.Response:
    messages = request.app[MESSAGES]
    return web.json_response({"status": "ok", "messages": len(messages), "dropped": messages.dropped})


def _summary(message: Message) -> dict[str, Any]:  # JSON has no narrower type
    parsed = message.parsed()
    return {
        "id": message.id,
        "received_at": message.received_at.isoformat(),
        "envelope": {"mail_from": message.sender, "recipients": list(message.recipients)},
        "subject": str(parsed["subject"] or ""),
        "message_id": str(parsed["message-id"] or ""),
        "size": len(message.content),
        "headers": [[name, str(value)] for name, value in parsed.items()],
    }


def _wanted(request: web.Request) -> Message:
    message = request.app[MESSAGES].get(request.match_info["id"])
    if message is None:
        raise web.HTTPNotFound(text=f"there is no message {request.match_info['id']!r}; GET /messages lists all")
    return message


def _filter(request: web.Request, also: set[str] | None = None) -> Filter:
    allowed = _FILTERS | (also or set())
    unknown = sorted(set(request.query) - allowed)
    if unknown:
        raise web.HTTPBadRequest(text=f"there is no parameter {unknown[0]!r}; use {', '.join(sorted(allowed))}")
    return Filter(**{name: value for name, value in request.query.items() if name in _FILTERS})


def _number(request: web.Request, name: str, default: float, most: float) -> float:
    given = request.query.get(name)
    if given is None:
        return default
    try:
        number = float(given)
    except ValueError:
        number = -1.0
    if not 0 <= number <= most:
        raise web.HTTPBadRequest(text=f"{name} is {given!r}, and should be a number from 0 to {most:g}")
    return number


@web.middleware
async def _errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        return web.json_response({"error": error.text or error.reason}, status=error.status)

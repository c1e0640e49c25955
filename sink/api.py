"""The HTTP API of the sink: list, read, wait for and delete messages. docs/integration-testing.md is its manual.

Every answer but a raw message is JSON, errors too: {"error": "a sentence"}. No login: it is bound to loopback, or
published there.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from sink import log, query
from sink.message import Message, read_body
from sink.store import Store

_NINE_DIGITS = 9  # more is no id of ours, and int() refuses thousands

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(store: Store) -> web.Application:
    api = Api(store)
    app = web.Application(middlewares=[errors_as_json])
    app.add_routes(
        [
            web.get("/messages", api.list_messages),
            web.delete("/messages", api.delete_messages),
            web.get("/messages/{id}", api.show_message),
            web.delete("/messages/{id}", api.delete_message),
            web.get("/messages/{id}/raw", api.show_raw),
            web.get("/health", api.health),
        ]
    )
    return app


class Api:
    """One method for each route."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def list_messages(self, request: web.Request) -> web.Response:
        wanted, wait = query.read(request.query.items(), query.LISTING)
        found = await self._store.wait(wanted, wait) if wait.seconds else self._store.select(wanted)
        return web.json_response([summary(message) for message in found])

    async def delete_messages(self, request: web.Request) -> web.Response:
        wanted, _ = query.read(request.query.items(), query.FILTERS)
        deleted = [self._store.delete(message.id) for message in self._store.select(wanted)]
        return web.json_response({"deleted": len(deleted)})

    async def show_message(self, request: web.Request) -> web.Response:
        message = self._message(request)
        body = read_body(message.raw)
        return web.json_response(summary(message) | {"text": body.text, "html": body.html})

    async def show_raw(self, request: web.Request) -> web.Response:
        return web.Response(
            body=self._message(request).raw,
            content_type="message/rfc822",
            headers={"X-Content-Type-Options": "nosniff"},  # it is whatever somebody sent
        )

    async def delete_message(self, request: web.Request) -> web.Response:
        self._store.delete(self._message(request).id)
        return web.json_response({"deleted": 1})

    async def health(self, request: web.Request) -> web.Response:
        query.read(request.query.items(), ())
        store = self._store
        return web.json_response(
            {
                "status": "ok",
                "messages": len(store),
                "bytes": store.held_bytes,
                "dropped": store.dropped,
                "max_messages": store.max_messages,
                "max_bytes": store.max_bytes,
            }
        )

    def _message(self, request: web.Request) -> Message:
        query.read(request.query.items(), ())
        number = request.match_info["id"]
        is_id = number.isascii() and number.isdigit() and len(number) <= _NINE_DIGITS
        message = self._store.get(int(number)) if is_id else None
        if message is None:
            raise web.HTTPNotFound(text=f"There is no message {number}; GET /messages lists those that there are.")
        return message


def summary(message: Message) -> dict[str, Any]:
    return {
        "id": str(message.id),
        "received_at": datetime.fromtimestamp(message.received_at, UTC).isoformat(timespec="milliseconds"),
        "envelope": {"mail_from": message.mail_from, "recipients": list(message.recipients)},
        "subject": message.subject,
        "message_id": message.message_id,
        "size": len(message.raw),
        "headers": [list(field) for field in message.headers],
    }


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except query.BadQuery as error:
        return _error(400, str(error))
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        return _error(405, f"{request.path} knows {allowed}, not {request.method}.", {"Allow": allowed})
    except web.HTTPNotFound as error:
        unknown = f"There is nothing at {request.path}; the API is under /messages and /health."
        return _error(404, unknown if error.text == "404: Not Found" else str(error.text))
    except web.HTTPException as error:
        return _error(error.status, f"{error.reason}.")
    except Exception as error:  # noqa: BLE001 - an error of ours; the client learns that, the log learns where
        log.request_failed(request.path, error)
        return _error(500, "The sink has failed to answer; its log says where.")


def _error(status: int, sentence: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"error": sentence}, status=status, headers=headers)

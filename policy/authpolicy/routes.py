"""HTTP of the API: who may ask, which command it is, and what is said where it cannot be answered.

    POST /?command=allow     as Dovecot asks
    POST /command/allow      the same

The token comes as the password of Basic authentication, whatever the user's name is, or as X-API-Key; both are what
Dovecot's auth_policy_server_api_header can say.
"""

import base64
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from policy import log
from policy.authpolicy.asked import Unreadable, read_body
from policy.authpolicy.desk import COMMANDS, Desk
from service.shared_token import SharedToken

_BODY_LIMIT = 64 * 1024


def add_auth_policy_routes(app: FastAPI, desk: Desk, token: SharedToken) -> None:
    """Both forms of the address."""

    @app.api_route("/", methods=["GET", "POST"])
    async def by_query(request: Request, command: str = "") -> Response:
        return await _answered(desk, token, request, command)

    @app.api_route("/command/{command}", methods=["GET", "POST"])
    async def by_path(request: Request, command: str) -> Response:
        return await _answered(desk, token, request, command)


async def _answered(desk: Desk, token: SharedToken, request: Request, command: str) -> Response:
    if not _is_holder(request, token):
        challenge = {"WWW-Authenticate": 'basic realm="wforce"'}
        return _failure(HTTPStatus.UNAUTHORIZED, "Unauthorized", challenge)
    wanted = COMMANDS.get((request.method, command))
    if not wanted:
        return _failure(HTTPStatus.NOT_FOUND, "Not found")
    try:
        octets = await _body(request)
        said = read_body(octets) if request.method == "POST" else {}
        return JSONResponse(await wanted(desk, said))
    except Unreadable as error:
        return _failure(HTTPStatus.BAD_REQUEST, str(error))
    except Exception as error:  # noqa: BLE001 - Dovecot goes by its auth_policy_reject_on_fail
        log.question_failed(f"/command/{command}", error)
        return _failure(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal error")


async def _body(request: Request) -> bytes:
    """In pieces or at once."""
    octets = bytearray()
    async for piece in request.stream():
        octets += piece
        if len(octets) > _BODY_LIMIT:
            raise Unreadable("the body is too long")
    return bytes(octets)


def _is_holder(request: Request, token: SharedToken) -> bool:
    if token.is_shown(request.headers.get("x-api-key", "").encode()):
        return True
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        password = base64.b64decode(encoded.strip(), validate=True).partition(b":")[2]
    except ValueError:
        return False
    return scheme.lower() == "basic" and token.is_shown(password)


def _failure(status: HTTPStatus, reason: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"status": "failure", "reason": reason}, status, headers)

"""The application: all routes, and every refusal as a problem of RFC 9457.

A token is asked for before anything else is looked at. An error of ours says nothing about itself: its text may hold
what was asked.
"""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from policy import log
from policy.api import credentials, exemptions, identities, imports, incidents, people, records, standings, walls
from policy.api.bodies import BadLine, Problem
from policy.api.caller import DOCUMENT, Back, TokenFirst
from policy.api.document import PROBLEM, REFUSAL, DescribedApi
from policy.api.imports import BadLines
from policy.api.unambiguous import unambiguous
from policy.budgets.location import server_of
from policy.location import open_existing
from policy.opening import digest_key
from policy.settings import Settings
from policy.store.errors import StoreError, Unknown
from service import VERSION

_REFUSALS = {
    HTTPStatus.BAD_REQUEST: "The body cannot be read",
    HTTPStatus.UNAUTHORIZED: "There is no token, or none that is good any more",
    HTTPStatus.FORBIDDEN: "The token lacks the scope",
    HTTPStatus.NOT_FOUND: "There is nothing of that name",
    HTTPStatus.CONFLICT: "It cannot be done as things are; `detail` says why",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is of another type than the one that is described here",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The request is not of the form that is described here",
    HTTPStatus.SERVICE_UNAVAILABLE: "The database is busy, or away; try again after `Retry-After`",
}
_BUSY_S = 5


def open_api(settings: Settings, clock: Callable[[], float]) -> FastAPI:
    """On the database that the settings name."""
    engine, key = open_existing(settings), digest_key(settings)
    return make_api(
        Back(
            engine=engine,
            key=key,
            state_dir=settings.state_dir,
            digest_key_file=settings.digest_key_file,
            budgets=server_of(settings.budgets_url, settings.budgets_password_file),
            invite_url=settings.invite_url,
            clock=clock,
        )
    )


def make_api(back: Back) -> FastAPI:
    """The ASGI application, to be mounted below /api/v1."""
    api = DescribedApi(
        title="Sallyport",
        version=VERSION,
        openapi_url=DOCUMENT,
        description="Identities and credentials of the submission gateway. Moments are ISO 8601 in UTC.",
        docs_url=None,  # its pages take scripts from elsewhere
        redoc_url=None,
        dependencies=[Depends(unambiguous)],
        responses={int(status): {"description": text, "content": REFUSAL} for status, text in _REFUSALS.items()},
    )
    api.state.back = back
    for module in (identities, credentials, exemptions, walls, people, records, standings, incidents, imports):
        api.include_router(module.router)
    _add_refusals(api)
    _add_failures(api)
    no_token = "a token is needed that is neither expired nor revoked"  # noqa: S105 - a sentence
    refused = problem(HTTPStatus.UNAUTHORIZED, no_token, {"WWW-Authenticate": "Bearer"})
    api.add_middleware(TokenFirst, back=back, refused=refused)
    return api


def _add_refusals(api: FastAPI) -> None:
    @api.exception_handler(StoreError)
    def cannot(_: Request, error: StoreError) -> JSONResponse:
        status = HTTPStatus.NOT_FOUND if isinstance(error, Unknown) else HTTPStatus.CONFLICT
        lines = [BadLine.model_validate(one) for one in error.lines] if isinstance(error, BadLines) else []
        return problem(status, str(error), lines=lines)

    @api.exception_handler(RequestValidationError)
    def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            return problem(HTTPStatus.BAD_REQUEST, "the body is no JSON")
        if isinstance(first["input"], bytes):  # which FastAPI leaves unread where the header says that it is no JSON
            return problem(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "the body is to be a JSON object, with the header Content-Type: application/json",
            )
        if first["type"] in ("model_attributes_type", "model_type") and first["loc"] == ("body",):
            return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "the body is no JSON object")
        where = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")  # pydantic's, before a sentence of ours
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{where}: {said}")

    @api.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> JSONResponse:
        headers = error.headers
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers = {"Allow": ", ".join(_methods_of(api, request))}
        return problem(HTTPStatus(error.status_code), str(error.detail), headers)


def _add_failures(api: FastAPI) -> None:
    @api.exception_handler(OperationalError)
    def busy(request: Request, error: OperationalError) -> JSONResponse:
        log.question_failed(_path_of(request), error)
        again = {"Retry-After": str(_BUSY_S)}
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, "the database is busy, or away; try again later", again)

    @api.exception_handler(Exception)
    def failed(request: Request, error: Exception) -> JSONResponse:
        log.question_failed(_path_of(request), error)
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "something went wrong here; the log has its place")


def _path_of(request: Request) -> str:
    """That of the route: what stands in it is not told."""
    return getattr(request.scope.get("route"), "path", "api")


def _methods_of(api: FastAPI, request: Request) -> list[str]:
    """All that the path knows, RFC 9110 section 15.5.6: each of its routes would only name its own."""
    fitting = [one for one in api.routes if isinstance(one, APIRoute) and one.matches(request.scope)[0] != Match.NONE]
    return sorted(method for route in fitting for method in route.methods or ())


def problem(
    status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None, lines: Sequence[BadLine] = ()
) -> JSONResponse:
    """Any refusal, also of the console's for a path that could be none of ours."""
    body = Problem(title=status.phrase, status=status, detail=detail, lines=list(lines))
    return JSONResponse(body.model_dump(), status, headers, media_type=PROBLEM)

"""Around every request: which name was asked for, how long the body is, whose form it is; and every answer's headers.

A page can forget none of it, because no page does it. What a form proves beyond that is visit.py's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from policy.api.app import problem

API = "/api/"
MTA_STS = "/.well-known/mta-sts.txt"  # RFC 8461: asked by mail servers
SETUP = ("/mail/", "/.well-known/autoconfig/", "/autodiscover/")  # asked by mail clients, in any letter case
HEALTH = "/health/"
STATIC = "/static/"
_FORM_BYTES = 64 * 1024
_API_BYTES = 1024 * 1024
_DETAILS = {
    HTTPStatus.MISDIRECTED_REQUEST: "the header Host does not have the console's name; ask for it by that",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "the body is longer than 1 MiB",
}
_HOST = re.compile(r"(\[[^\[\]]*\]|[^:@\[\]/]*)(?::[0-9]*)?")  # RFC 9110 section 7.2
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_HSTS = "max-age=63072000"

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",  # the QR code
        "connect-src 'self'",  # figures that are live
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), publickey-credentials-get=(self)",
    "Referrer-Policy": "no-referrer",  # the address of an invite is a secret
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts:
    """Under which names the console answers. Any other name is somebody else's page that points here."""

    console: frozenset[str]
    setup: frozenset[str]  # for mail clients alone: autoconfig.example.org and such
    mta_sts: frozenset[str] = frozenset()  # for mail servers alone: mta-sts.example.org

    def has(self, host: str, path: str) -> bool:
        """Health is asked by the machine, under whatever name it has."""
        if path.startswith(HEALTH) or host in self.console:
            return True
        if path == MTA_STS:
            return host in self.mta_sts
        return path.lower().startswith(SETUP) and host in self.setup


class BodyTooLong(HTTPException):
    """The body has no reasonable end. Raised where it is read, and answered as any other refusal there."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _DETAILS[HTTPStatus.REQUEST_ENTITY_TOO_LARGE])


class Guard:
    """The outermost ASGI application."""

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self._app = app
        self._hosts = hosts
        # For localhost it would bind every other server on the reader's own machine, too.
        self._hsts = _HSTS if "localhost" not in hosts.console else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path, headers = scope["path"], Headers(scope=scope)
        sending = _Sending(send, self._hsts, is_kept=path.startswith(STATIC))
        refusal = self._refusal(scope["method"], path, headers)
        if refusal:
            await _answer(refusal, path)(scope, receive, sending)
            return
        await self._app(scope, _limited(receive, _limit(path)), sending)

    def _refusal(self, method: str, path: str, headers: Headers) -> HTTPStatus | None:
        if not self._hosts.has(host_name(headers.get("host", "")), path):
            return HTTPStatus.MISDIRECTED_REQUEST
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length) > _limit(path):
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        # The API takes no cookie, and a mail client is no browser: nobody's page can act for somebody else there.
        if method in _SAFE_METHODS or path.lower().startswith((API, *SETUP)):
            return None
        return None if is_our_form(headers) else HTTPStatus.FORBIDDEN


def host_name(given: str) -> str:
    """The name in a Host header: without port and trailing dot, in lower case; empty where it is more than these."""
    found = _HOST.fullmatch(given.lower())
    return found[1].rstrip(".") if found else ""


def is_our_form(headers: Headers) -> bool:
    """Whether the browser says that the request came from a page of ours.

    Under our own Referrer-Policy it says `Origin: null` of our forms, too (Fetch Standard section 3.2): then
    Sec-Fetch-Site tells, and in a browser too old for that the form's own token. Who sends neither is no browser.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site != "same-origin":
        return False
    if origin is None:
        return site is not None
    return origin in {"null", f"https://{headers.get('host', '').lower()}"}


def _limit(path: str) -> int:
    return _API_BYTES if path.startswith(API) else _FORM_BYTES


def _limited(receive: Receive, limit: int) -> Receive:
    taken = 0

    async def take() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            raise BodyTooLong
        return message

    return take


class _Sending:
    """Passes an answer on, with the headers that every answer has."""

    def __init__(self, send: Send, hsts: str, *, is_kept: bool) -> None:
        self._send = send
        self._hsts = hsts
        self._is_kept = is_kept

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            # Style and script may be kept, but not past the next version: the browser asks whether they have changed.
            headers["Cache-Control"] = "no-cache" if self._is_kept else "no-store"
            if self._hsts:
                headers["Strict-Transport-Security"] = self._hsts
        await self._send(message)


def _answer(status: HTTPStatus, path: str) -> Response:
    """For programs in the form that the API has for refusals."""
    if path.startswith(API):
        return problem(status, _DETAILS[status])
    return PlainTextResponse(f"{status.value} {status.phrase}\n", status)

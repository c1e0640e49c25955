"""One request of one browser: who comes, in which language, what the form says, and the page that goes back.

A form proves that it came from a page of ours by a token that is derived from two cookies, the browser's own and that
of its session: it ends with either of them, and nobody who cannot read the cookies can make one.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import ParamSpec, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from policy.console.language import Language, preferred
from policy.console.parts import Parts
from policy.people.desk import Session, Visitor
from policy.people.errors import Busy, InviteInvalid, Refused, Wait
from policy.people.roles import Right, may

TOKEN_FIELD = "token"  # noqa: S105 - the name of a form's field
_FORM_TYPE = "application/x-www-form-urlencoded"
_MOST_FIELDS = 30
_LONGEST_AGENT = 200
_LONGEST_NUMBER = 9  # digits: what every database takes as an id

Given = ParamSpec("Given")
Found = TypeVar("Found")
Values = Mapping[str, object]


_STATUS: tuple[tuple[type[Refused], HTTPStatus], ...] = (
    (Busy, HTTPStatus.SERVICE_UNAVAILABLE),
    (Wait, HTTPStatus.TOO_MANY_REQUESTS),
    (InviteInvalid, HTTPStatus.NOT_FOUND),
    (Refused, HTTPStatus.BAD_REQUEST),
)


class Cookie(StrEnum):
    """The prefix makes browsers insist: from this very host, over TLS, for every path."""

    BROWSER = "__Host-sallyport-browser"
    SESSION = "__Host-sallyport-session"
    SIGN_IN = "__Host-sallyport-sign-in"  # the password was right, the second factor is still to come
    ERRAND = "__Host-sallyport-errand"  # on the way to the issuer that signs people in
    WANTED = "__Host-sallyport-wanted"  # the page that was asked for by who had to sign in first
    ENROLMENT = "__Host-sallyport-enrolment"  # the password was chosen in this browser


class FormRefused(Exception):
    """The form is not one of ours, or older than the cookies it was made with."""


@dataclass(slots=True)
class Visit:
    """Made for one request. What it sets is put on the answer by routes.py."""

    request: Request
    parts: Parts
    now: float
    browser: str = field(default="", repr=False)  # the value of its cookie
    language: Language = field(init=False)
    set_cookies: dict[Cookie, tuple[str, int | None]] = field(default_factory=dict, repr=False)
    signed_in: Session | None = None  # for the frame of every page, that of an error, too

    def __post_init__(self) -> None:
        self.language = preferred(self.request.headers.get("accept-language", ""), self.parts.languages)
        self.browser = self.cookie(Cookie.BROWSER)
        if not self.browser:
            self.browser = secrets.token_urlsafe(32)
            self.keep(Cookie.BROWSER, self.browser)

    # What came

    @property
    def visitor(self) -> Visitor:
        address = self.request.client.host if self.request.client else ""
        return Visitor(address, self.request.headers.get("user-agent", "")[:_LONGEST_AGENT])

    def cookie(self, name: Cookie) -> str:
        if name in self.set_cookies:
            return self.set_cookies[name][0]
        return self.request.cookies.get(name, "")

    async def form(self) -> Mapping[str, str]:
        """The fields of a form of ours, without the token; FormRefused for any other."""
        fields = await self.fields()
        if not hmac.compare_digest(fields.pop(TOKEN_FIELD, "").encode(), self.form_token().encode()):
            raise FormRefused
        return fields

    async def fields(self) -> dict[str, str]:
        """Those of any form: whose it is, is for the caller to prove."""
        if self.request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM_TYPE:
            raise FormRefused
        given = await self.request.form(max_files=0, max_fields=_MOST_FIELDS)
        fields = {name: value for name, value in given.items() if isinstance(value, str)}
        _refuse_nul(*fields.values())
        return fields

    def look_at_address(self) -> None:
        """400 for what no link of ours has."""
        _refuse_nul(*map(str, self.request.path_params.values()), *self.request.query_params.values())

    async def session(self) -> Session | None:
        """Who is signed in; None for a stranger, and then a cookie that has ended is dropped."""
        cookie = self.cookie(Cookie.SESSION)
        if not cookie:
            return None
        found = await self.call(self.parts.desk.sign_in.session, cookie, self.now)
        if found is None:
            self.drop(Cookie.SESSION)
        return found

    async def left_behind(self) -> Mapping[str, str]:
        """The fields of a form of ours whose session has ended meanwhile; nothing where it is any other form."""
        ended = self.request.cookies.get(Cookie.SESSION, "")
        if not ended or self.request.method != "POST":
            return {}
        fields = await self.fields()
        token = fields.pop(TOKEN_FIELD, "")
        return fields if hmac.compare_digest(token.encode(), self._token_with(ended).encode()) else {}

    # What goes back

    async def call(self, method: Callable[Given, Found], *given: Given.args, **named: Given.kwargs) -> Found:
        """Run what waits for the database in a thread."""
        return await run_in_threadpool(method, *given, **named)

    def keep(self, name: Cookie, value: str, max_age_s: int | None = None) -> None:
        self.set_cookies[name] = (value, max_age_s)

    def drop(self, name: Cookie) -> None:
        self.set_cookies[name] = ("", 0)

    def page(self, template: str, values: Values | None = None, status: int = HTTPStatus.OK) -> Response:
        """`values` may have `session`, `error` and `notice` for the frame of the page, beside its own."""
        shown = {"error": "", "notice": "", "session": self.signed_in, **(values or {})}
        shown |= {"language": self.language.code, "form_token": self.form_token(), "title_of": self.parts.title}
        shown |= {"path": self.request.url.path, "may": may, "Right": Right, "now": self.now}
        shown |= {"sign_on": self.parts.sign_on, "by_password": self.parts.by_password}
        return HTMLResponse(self.language.templates.get_template(template).render(shown), status)

    def again(self, template: str, error: Refused, values: Values | None = None) -> Response:
        """The page once more, with what was wrong; nothing that was typed is lost but the password."""
        answer = self.page(template, {**(values or {}), "error": self.words(error)}, status_of(error))
        if isinstance(error, Wait):
            answer.headers["Retry-After"] = str(error.seconds)
        return answer

    def words(self, error: Refused) -> str:
        return self.language.say(error.template).format(**error.values)

    @staticmethod
    def redirect(path: str) -> Response:
        return RedirectResponse(path, HTTPStatus.SEE_OTHER)

    def form_token(self) -> str:
        return self._token_with(self.cookie(Cookie.SESSION))

    def _token_with(self, session: str) -> str:
        return hmac.digest(self.parts.form_key, f"{self.browser} {session}".encode(), "sha256").hex()

    def put_cookies_on(self, answer: Response) -> None:
        for name, (value, max_age_s) in self.set_cookies.items():
            answer.set_cookie(name, value, max_age=max_age_s, path="/", secure=True, httponly=True, samesite="strict")


def _refuse_nul(*given: str) -> None:
    """PostgreSQL takes no text with that octet, and would fail on it."""
    if any("\0" in one for one in given):
        raise HTTPException(HTTPStatus.BAD_REQUEST)


def number_in(form: Mapping[str, str], name: str) -> int:
    """The number of what a form names. It is written by our own pages: nobody else is told more than 400."""
    given = form.get(name, "")
    if not given.isascii() or not given.isdigit() or len(given) > _LONGEST_NUMBER:
        raise HTTPException(HTTPStatus.BAD_REQUEST)
    return int(given)


def status_of(error: Refused) -> int:
    """The first row that fits."""
    return next(status for kind, status in _STATUS if isinstance(error, kind))

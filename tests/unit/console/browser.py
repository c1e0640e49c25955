"""A browser without a screen, for the console as an ASGI application."""

import re
from dataclasses import dataclass, field
from html import unescape
from typing import Self

import httpx

ORIGIN = "https://mail.example.org:8443"
PASSWORD = "seven quiet herons over the mill"
HOME = "198.51.100.7"

_TOKEN = re.compile(r'name="token" value="([0-9a-f]{64})"')


@dataclass
class Browser:
    """Keeps cookies, and sends forms as browsers do: from the page that it saw last."""

    app: object
    address: str = HOME
    seen: str = ""
    seed: str = ""  # of the authenticator application
    client: httpx.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        transport = httpx.ASGITransport(self.app, client=(self.address, 50000))  # type: ignore[arg-type]  # any ASGI
        self.client = httpx.AsyncClient(transport=transport, base_url=ORIGIN)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return self._took(await self.client.get(path, headers={"Sec-Fetch-Site": "same-origin", **headers}))

    async def post(self, path: str, /, **fields: str) -> httpx.Response:
        """A form of the page that was seen last, with that page's token."""
        headers = {"Sec-Fetch-Site": "same-origin", "Origin": "null"}
        return self._took(await self.client.post(path, data={"token": self.token, **fields}, headers=headers))

    async def follow(self, answer: httpx.Response) -> httpx.Response:
        assert answer.status_code == 303, answer.text
        return await self.get(answer.headers["location"])

    @property
    def token(self) -> str:
        found = _TOKEN.search(self.seen)
        return found[1] if found else ""

    def cookie(self, name: str) -> str:
        return self.client.cookies.get(f"__Host-sallyport-{name}", "") or ""

    def shown(self, element: str) -> str:
        """The text of the element with this id."""
        found = re.search(rf'id="{element}"[^>]*>([^<]*)<', self.seen)
        assert found, self.seen
        return unescape(found[1])

    @property
    def error(self) -> str:
        found = re.search(r'<p class="error" role="alert">([^<]*)</p>', self.seen)
        return unescape(found[1]) if found else ""

    def _took(self, answer: httpx.Response) -> httpx.Response:
        if answer.headers.get("content-type", "").startswith("text/html"):
            self.seen = answer.text
        return answer

"""A person's browser at the console, over HTTPS: keeps cookies, sends forms, tells each secret that it was given."""

import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from html import unescape

import httpx

_TOKEN = re.compile(r'name="token" value="([0-9a-f]{64})"')


@dataclass
class Visitor:
    """`given` hears the name and the value of each cookie and form token."""

    origin: str
    tls: ssl.SSLContext
    given: Callable[[str, str], None]
    page: str = ""
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=self.origin, verify=self.tls, trust_env=False, timeout=60)

    def get(self, path: str) -> int:
        return self._took(self.client.get(path, headers={"Sec-Fetch-Site": "same-origin"}))

    def post(self, path: str, /, **fields: str) -> int:
        """A form of the page that was seen last; the page that it leads to."""
        token = _TOKEN.search(self.page)
        headers = {"Sec-Fetch-Site": "same-origin", "Origin": "null"}
        answer = self.client.post(path, data={"token": token[1] if token else "", **fields}, headers=headers)
        status = self._took(answer)
        return self.get(answer.headers["location"]) if answer.is_redirect else status

    def shown(self, element: str) -> str:
        """The text of the element with this id."""
        found = re.search(rf'id="{element}"[^>]*>([^<]*)<', self.page)
        assert found, self.page
        return unescape(found[1])

    def close(self) -> None:
        self.client.close()

    def _took(self, answer: httpx.Response) -> int:
        for name, value in self.client.cookies.items():
            if value:
                self.given(f"cookie {name}", value.rpartition(".")[2])
        if answer.headers.get("content-type", "").startswith("text/html"):
            self.page = answer.text
            for token in _TOKEN.findall(self.page):
                self.given("token of a form", token)
        return answer.status_code

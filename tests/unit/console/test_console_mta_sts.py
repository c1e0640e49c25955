"""The policy file of MTA-STS, as mail servers fetch it: under one name, and only where there is a policy."""

from collections.abc import AsyncIterator
from http import HTTPStatus

import httpx
import pytest
from console_app import Console

from policy.console.app import hosts_of, make_app
from policy.console.parts import open_parts

PATH = "/.well-known/mta-sts.txt"
SET = {
    "mta_sts": "enforce",
    "mx": ("MX1.example.org.", "mx2.example.org"),
    "domains": ("example.org", "Bücher.example"),
}


@pytest.fixture
async def served(console: Console) -> AsyncIterator[httpx.AsyncClient]:
    settings = console.settings.model_copy(update=SET)
    parts = open_parts(settings, lambda: console.now, lambda: 0.0)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(make_app(parts, hosts_of(settings)))) as client:
        yield client
    await parts.desk.close()


@pytest.mark.parametrize("host", ["mta-sts.example.org", "mta-sts.xn--bcher-kva.example"])
async def test_it_is_served(served: httpx.AsyncClient, host: str) -> None:
    """RFC 8461 section 3.2: text/plain, the hosts one by one; no session, no cookie."""
    answer = await served.get(f"https://{host}{PATH}")
    assert answer.status_code == HTTPStatus.OK
    assert answer.headers["content-type"].partition(";")[0] == "text/plain"
    assert "set-cookie" not in answer.headers
    assert answer.text.splitlines() == [
        "version: STSv1",
        "mode: enforce",
        "mx: mx1.example.org",
        "mx: mx2.example.org",
        "max_age: 2592000",
    ]


NOT_SERVED = [
    ("under the console's name", f"https://console.example.org{PATH}"),
    ("of a domain that is not ours", f"https://mta-sts.example.net{PATH}"),
    ("another path under that name", "https://mta-sts.example.org/sign-in"),
]


@pytest.mark.parametrize("url", [row[1] for row in NOT_SERVED], ids=[row[0] for row in NOT_SERVED])
async def test_nothing_else_is(served: httpx.AsyncClient, url: str) -> None:
    assert (await served.get(url)).status_code == HTTPStatus.MISDIRECTED_REQUEST


async def test_without_a_policy_there_is_no_such_name(console: Console) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(console.app)) as client:
        assert (await client.get(f"https://mta-sts.example.org{PATH}")).status_code == HTTPStatus.MISDIRECTED_REQUEST

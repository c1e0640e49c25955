"""A program that uses the API, for the tests of it."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import Engine

from policy.api.caller import Back

NOW = 1_800_000_000.0


class Client:
    """A program with a token. Each request is on its own, as over HTTP."""

    def __init__(self, api: FastAPI, headers: Mapping[str, Any] | None = None) -> None:
        self._api = api
        self._headers = headers or {}

    def request(self, method: str, path: str, headers: Mapping[str, str] = {}, **more: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._api, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="https://api.test") as client:
                return await client.request(method, path, headers={**self._headers, **headers}, **more)

        return asyncio.run(ask())

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.request("POST", path, **more)

    def put(self, path: str) -> httpx.Response:
        return self.request("PUT", path)

    def patch(self, path: str, **more: Any) -> httpx.Response:
        return self.request("PATCH", path, **more)

    def delete(self, path: str) -> httpx.Response:
        return self.request("DELETE", path)


def bearer(token: str) -> dict[str, str]:
    """The header that shows a token."""
    return {"Authorization": f"Bearer {token}"}


def back_of(engine: Engine, key: bytes, folder: Path, now: float = NOW) -> Back:
    """What the API works on where all is in one database and one folder; `now` does not move."""
    return Back(
        engine=engine,
        key=key,
        state_dir=folder,
        digest_key_file=folder / "digest.key",
        budgets=None,
        invite_url="https://x.test/invite/{}".format,
        clock=lambda: now,
    )

"""An issuer's public keys and what it says of itself: fetched over HTTPS (OpenID Connect Discovery 1.0), kept, and
fetched anew when the keys change.

who waits for the network         the first login after the start, one whose token names a key that is not known,
                                  and one after an hour in which nobody has looked
who does not                      everybody else: keys are renewed behind their backs
what a stranger can make us do    one fetch in `_PAUSE_S`, whatever the number of tokens with invented keys
the issuer is down                the keys that are known serve for `kept_s`; then, and for keys that are not known,
                                  it is Later
"""

import asyncio
import json
import ssl
from collections.abc import Mapping

import aiohttp
from jwt import PyJWK

from policy import log
from policy.bridges import issuer_keys
from policy.bridges.answers import Later
from policy.bridges.issuer_keys import KeySet
from policy.bridges.settings import is_safe
from policy.bridges.tokens import Token

_PAUSE_S = 15.0  # between two fetches
_RENEWED_AFTER_S = 15 * 60.0  # behind the back of a login
_RENEWED_FIRST_AFTER_S = 60 * 60.0  # a key that the issuer has withdrawn serves for no longer than this
_FETCH_TIMEOUT_S = 3.0  # less than the gateway waits for an answer
_DOCUMENT_LIMIT = 256 * 1024
_NOT_YET = float("-inf")


class Issuer:
    """`url` as it stands in the tokens; `tls` trusts its authorities."""

    def __init__(self, url: str, tls: ssl.SSLContext, kept_s: float) -> None:
        self._url = url
        self._kept_s = kept_s
        self._tls = tls
        self._keys: KeySet | None = None
        self._about: Mapping[str, object] = {}
        self._renewed_at = self._tried_at = _NOT_YET
        self._fetching: asyncio.Task[None] | None = None

    async def key(self, token: Token, now: float) -> PyJWK | Later | None:
        """The key that a token names; None if the issuer has no such key."""
        age = now - self._renewed_at
        if self._is_known(token, now) and age <= _RENEWED_FIRST_AFTER_S:
            if age > _RENEWED_AFTER_S:
                self._fetch_soon(now)
        elif fetching := self._fetch_soon(now):
            # Somebody else may wait for the same one, so it goes on when this client is gone.
            await asyncio.shield(fetching)
            if self._renewed_at >= now and self._keys:
                return self._keys.matching(token)
        if self._keys and self._is_known(token, now):
            return self._keys.matching(token)
        return Later("the issuer's keys are not to be had at the moment")

    async def about(self, now: float) -> Mapping[str, object] | Later:
        """What it says of itself: where people sign in, where codes are taken."""
        if now - self._renewed_at > _RENEWED_FIRST_AFTER_S and (fetching := self._fetch_soon(now)):
            await asyncio.shield(fetching)
        if self._about and now - self._renewed_at <= self._kept_s:
            return self._about
        return Later("the issuer does not answer at the moment")

    async def close(self) -> None:
        if self._fetching:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])

    def _is_known(self, token: Token, now: float) -> bool:
        return bool(self._keys and now - self._renewed_at <= self._kept_s and self._keys.has_named(token))

    def _fetch_soon(self, now: float) -> asyncio.Task[None] | None:
        """The fetch that is under way, or a new one; None where the last one is too short ago."""
        if self._fetching and not self._fetching.done():
            return self._fetching
        if 0 <= now - self._tried_at < _PAUSE_S:
            return None
        self._tried_at = now
        self._fetching = asyncio.create_task(self._fetch(now))
        return self._fetching

    async def _fetch(self, now: float) -> None:
        try:
            async with asyncio.timeout(_FETCH_TIMEOUT_S):
                about, keys = await self._fetched()
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, RecursionError) as error:
            # Ours are sentences, and name no more than the issuer's own addresses.
            log.issuer_failed(str(error) if isinstance(error, IssuerFault) else type(error).__name__)
            return
        self._about, self._keys, self._renewed_at = about, keys, now
        log.issuer_keys_fetched(len(keys.keys))

    async def _fetched(self) -> tuple[Mapping[str, object], KeySet]:
        async with client(self._tls) as http:
            about = json.loads(await _document(http, f"{self._url.rstrip('/')}/.well-known/openid-configuration"))
            if not isinstance(about, dict) or about.get("issuer") != self._url:
                raise IssuerFault("the discovery document is of another issuer")
            keys = issuer_keys.read(await _document(http, safe_url(about, "jwks_uri")))
        if keys is None:
            raise IssuerFault("there is no key at jwks_uri that could be used")
        return about, keys


class IssuerFault(ValueError):
    """What the issuer says is of no use."""


def client(tls: ssl.SSLContext) -> aiohttp.ClientSession:
    """For its documents, which come as they are: what is compressed can be of any length."""
    plain = {"Accept": "application/json", "Accept-Encoding": "identity"}
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls), headers=plain, auto_decompress=False)


def safe_url(about: Mapping[str, object], name: str) -> str:
    """One of the addresses in its discovery document."""
    where = about.get(name)
    if not isinstance(where, str) or not is_safe(where):
        raise IssuerFault(f"the discovery document has no https {name}")
    return where


async def body_of(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > _DOCUMENT_LIMIT:
            raise IssuerFault(f"{answer.url} is too long")
    return bytes(body)


async def _document(http: aiohttp.ClientSession, url: str) -> bytes:
    async with http.get(url, allow_redirects=False) as answer:
        if answer.status != 200:  # noqa: PLR2004 - HTTP
            raise IssuerFault(f"{url} answers {answer.status}")
        return await body_of(answer)

"""Dovecot, asked through its doveadm HTTP API: commands in, what it says of them out.

The token with which Dovecot asks policy is the key with which policy asks Dovecot; nobody else has it. Dovecot knows
one key, and after a rotation the old one for a moment: dovecot/watch.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

import aiohttp

from service.shared_token import SharedToken

_ANSWER_LIMIT = 256 * 1024 * 1024  # twenty letters of a megabyte, escaped


@dataclass(frozen=True, slots=True)
class Doveadm:
    """`url` is that of doveadm's HTTP listener, for example http://dovecot:8080."""

    url: str = field(repr=False)
    token: SharedToken = field(repr=False)

    async def ask(
        self, http: aiohttp.ClientSession, commands: Sequence[Sequence[object]], limit: int = _ANSWER_LIMIT
    ) -> bytes:
        """Its whole answer. aiohttp.ClientError or OSError where there is none of at most `limit` octets."""
        url, asked = f"{self.url.rstrip('/')}/doveadm/v1", json.dumps(commands)
        status = HTTPStatus.UNAUTHORIZED.value
        for one in self.token.to_show():
            headers = {"Authorization": f"X-Dovecot-API {base64.b64encode(one.encode()).decode()}"}
            async with http.post(url, data=asked, headers=headers) as answer:
                status = answer.status
                if status == HTTPStatus.OK:
                    return await _whole(answer, limit)
            if status != HTTPStatus.UNAUTHORIZED:
                break
        raise aiohttp.ClientError(f"status {status}")


async def _whole(answer: aiohttp.ClientResponse, limit: int) -> bytes:
    octets = bytearray()
    async for piece in answer.content.iter_any():
        octets += piece
        if len(octets) > limit:
            raise aiohttp.ClientError("an answer without an end")
    return bytes(octets)

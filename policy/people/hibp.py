"""The range question of Have I Been Pwned (and of whatever speaks it): is this password on a list that is not here?

The server gets five hexadecimal digits of the password's SHA-1 and answers with every known rest and how often it was
seen; which one was meant stays here. Add-Padding makes all answers about as long, so that an observer of the encrypted
connection learns nothing either. Asked only where POLICY_HIBP_URL is set, and only about new passwords. A server that
does not answer refuses nobody.
"""

import hashlib

import aiohttp

from policy import log

_PREFIX = 5
_TIMEOUT = aiohttp.ClientTimeout(total=5.0)
_MOST_OCTETS = 1024 * 1024  # an answer has about 40,000
_HTTP_OK = 200


class RangeServer:
    """`url` is what the prefix is put behind; empty is no server."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    async def knows(self, password: str) -> bool:
        """Whether the password was seen in a breach; False where that is not known."""
        if not self._url:
            return False
        digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
        try:
            answer = await self._ask(digest[:_PREFIX])
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            log.breach_server_failed(type(error).__name__)
            return False
        return any(_is_seen(line, digest[_PREFIX:]) for line in answer.splitlines())

    async def _ask(self, prefix: str) -> str:
        headers = {"Add-Padding": "true", "User-Agent": "Sallyport"}
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT, headers=headers) as session,
            session.get(f"{self._url}/{prefix}", allow_redirects=False) as response,
        ):
            if response.status != _HTTP_OK:
                raise ValueError(response.status)
            octets = bytearray()
            async for piece in response.content.iter_any():
                octets += piece
                if len(octets) > _MOST_OCTETS:
                    raise ValueError(len(octets))
        return octets.decode("ascii")


def _is_seen(line: str, rest: str) -> bool:
    """Rows of padding have a count of 0."""
    known, _, count = line.strip().partition(":")
    return known.upper() == rest and count.strip() not in ("", "0")

"""By HTTP request, signed as the Standard Webhooks specification has it.

    webhook-id          the same whenever this notice is sent: who has it already can see that
    webhook-timestamp   when it is sent, seconds
    webhook-signature   v1,BASE64 of HMAC-SHA-256 over id.timestamp.body; one for each secret

Taken is what is answered with 2xx. A redirect is not followed: it would lead the content, and a signature that is good
for it, to somebody whom nobody has named.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from policy.alerting.pacing import TO_PROGRAM, Pace
from policy.alerting.parcels import NotTaken, Parcel
from policy.alerting.undelivered import Undelivered
from policy.store.notices import WEBHOOK
from service.settings import SettingError, read_secret

_TIMEOUT_S = 15.0
_PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64  # octets of a secret


class Webhook:
    """The carrier of one channel `webhook:NAME`."""

    pace: Pace = TO_PROGRAM

    def __init__(self, url: str, secrets: Sequence[bytes], server: str, clock: Callable[[], float]) -> None:
        self._url, self._secrets, self._server, self._clock = url, secrets, server, clock
        self._http: aiohttp.ClientSession | None = None

    async def carry(self, parcel: Parcel) -> None:
        number, now = parcel.newest.number, int(self._clock())
        body = json.dumps(body_of(parcel, self._server), separators=(",", ":")).encode()
        headers = {
            "content-type": "application/json",
            "webhook-id": number,
            "webhook-timestamp": str(now),
            "webhook-signature": " ".join(signature(secret, number, now, body) for secret in self._secrets),
        }
        self._http = self._http or aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S))
        try:
            async with self._http.post(self._url, data=body, headers=headers, allow_redirects=False) as answer:
                _check(answer.status, answer.headers.get("retry-after", ""))
        except aiohttp.ClientError as error:
            raise NotTaken(Undelivered.UNREACHABLE.of(error=type(error).__name__)) from None

    async def close(self) -> None:
        if self._http:
            await self._http.close()


def body_of(parcel: Parcel, server: str) -> dict[str, object]:
    """What a program gets; docs/alerts.md has each field."""
    one = parcel.newest
    return {
        "type": one.kind.value,
        "timestamp": one.moment,
        "data": {
            "server": server,
            "severity": one.about.severity.name.lower(),
            "thread": one.thread,
            "subject": one.subject,
            "lines": list(one.lines),
            "count": one.count,
            "facts": dict(one.facts),
        },
    }


def signature(secret: bytes, number: str, timestamp: int, body: bytes) -> str:
    """Standard Webhooks, "Signature scheme"."""
    signed = f"{number}.{timestamp}.".encode() + body
    return f"v1,{base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()}"


@dataclass(frozen=True, slots=True)
class Hook:
    """A channel, and where it leads."""

    channel: str
    url: str = field(repr=False)


def hooks(urls: Sequence[str]) -> Iterator[Hook]:
    """Each by the host of its URL: the rest may be a secret."""
    seen = dict[str, int]()
    for url in urls:
        host = urlsplit(url).hostname or ""
        seen[host] = seen.get(host, 0) + 1
        yield Hook(f"{WEBHOOK}:{host}{f'-{seen[host]}' if seen[host] > 1 else ''}", url)


def read_secrets(name: str, path: Path) -> list[bytes]:
    """Of a file with one on a line; two while it is replaced."""
    return [_octets(name, path, line) for line in read_secret(name, path).split()]


def _octets(name: str, path: Path, line: str) -> bytes:
    try:
        found = base64.b64decode(line.removeprefix(_PREFIX), validate=True)
    except ValueError:
        found = b""
    if not line.startswith(_PREFIX) or not _SHORTEST <= len(found) <= _LONGEST:
        remedy = "remove it and let `sallyport init` make it anew"
        raise SettingError(name, f"{path} is no secret of a webhook: {_PREFIX} and 24 to 64 octets in base64", remedy)
    return found


def _check(status: int, retry_after: str) -> None:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        raise NotTaken(Undelivered.REDIRECTED.of(status=int(status)))
    # Standard Webhooks, "Delivery": 410 is from whoever wants nothing more.
    is_final = status == HTTPStatus.GONE
    retry_after_s = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0
    raise NotTaken(Undelivered.ANSWERED.of(status=int(status)), retry_after_s=retry_after_s, is_final=is_final)

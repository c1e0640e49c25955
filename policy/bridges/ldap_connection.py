"""One connection to the directory: what is said on it is under TLS, or goes to a socket of this machine.

    ldaps://host    TLS from the first octet
    ldap://host     StartTLS (RFC 4513 section 3) before anything else, or nothing at all
    ldapi:///path   a socket of this machine

One request at a time. Whoever gives up waiting must close it: the answer would be the next one's.
"""

import asyncio
import ssl
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from policy.bridges.ldap_messages import (
    BIND_ANSWER,
    EXTENDED_ANSWER,
    SEARCH_DONE,
    SUCCESS,
    Answer,
    Broken,
    read,
    request,
    split,
    start_tls,
)

_PORTS = {"ldap": 389, "ldaps": 636}
_PIECE = 16 * 1024
_ENTRIES_LIMIT = 100  # of one answer; we ask for two, and references to other servers come beside them
_LAST = (BIND_ANSWER, SEARCH_DONE, EXTENDED_ANSWER)


class Unavailable(Exception):
    """The directory does not answer, or not as one does. str(self) is for the log."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the directory is. `host` is the path of a socket for ldapi."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Address":
        parts = urlsplit(url)
        if parts.scheme == "ldapi":
            return cls(parts.scheme, unquote(parts.path or parts.netloc), 0)
        return cls(parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme])


class Connection:
    """Open, and under TLS where there is a network in between."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._received = b""
        self._number = 0

    @classmethod
    async def open(cls, address: Address, tls: ssl.SSLContext) -> "Connection":
        try:
            if address.scheme == "ldapi":
                return cls(*await asyncio.open_unix_connection(address.host))
            if address.scheme == "ldaps":
                return cls(*await asyncio.open_connection(address.host, address.port, ssl=tls))
            connection = cls(*await asyncio.open_connection(address.host, address.port))
        except OSError as error:
            raise Unavailable(_sentence(error)) from None
        try:
            await connection._start_tls(address, tls)
        except BaseException:
            connection.close()
            raise
        return connection

    @property
    def is_lost(self) -> bool:
        """Whether the directory has closed it."""
        return self._reader.at_eof() or self._writer.is_closing()

    async def ask(self, operation: bytes) -> list[Answer]:
        """All answers to one request; the last one is the result."""
        self._number += 1
        try:
            self._writer.write(request(self._number, operation))
            await self._writer.drain()
            return await self._answers()
        except (OSError, Broken) as error:
            raise Unavailable(_sentence(error)) from None

    def close(self) -> None:
        """At once: a directory that hangs would not hear a farewell."""
        self._writer.transport.abort()

    async def _start_tls(self, address: Address, tls: ssl.SSLContext) -> None:
        result = (await self.ask(start_tls()))[-1]
        # What stands behind the answer was written by somebody who saw no TLS.
        if result.kind != EXTENDED_ANSWER or result.code != SUCCESS or self._received:
            raise Unavailable(f"no StartTLS (result {result.code})")
        try:
            await self._writer.start_tls(tls, server_hostname=address.host)
        except OSError as error:
            raise Unavailable(_sentence(error)) from None

    async def _answers(self) -> list[Answer]:
        answers = [await self._next()]
        while answers[-1].kind not in _LAST:
            if len(answers) > _ENTRIES_LIMIT:
                raise Broken("an answer without end")
            answers.append(await self._next())
        return answers

    async def _next(self) -> Answer:
        while (found := split(self._received)) is None:
            piece = await self._reader.read(_PIECE)
            if not piece:
                raise ConnectionResetError
            self._received += piece
        content, self._received = found
        answer = read(content)
        if answer.message == 0:  # RFC 4511 section 4.4.1: notice of disconnection
            raise ConnectionResetError
        if answer.message != self._number:
            raise Broken("an answer to another request")
        return answer


def _sentence(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    return str(error) if isinstance(error, Broken) else type(error).__name__

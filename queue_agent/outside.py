"""What the world says of us, for `sallyport doctor`: the DNS, port 25, a policy file, the time.

No general scanner: it opens port 25 of hosts that a domain's MX records name, fetches one fixed URL of a domain, asks
one time server of our own settings, and none of it at an address that is not public. Every answer is bounded.
"""

import asyncio
import contextlib
import ipaddress
import re
import ssl
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.rdatatype
import dns.resolver

from policy.queue_contract import (
    Asked,
    DnsAnswer,
    DnsQuestion,
    OutsideAnswers,
    OutsideQuestions,
    PolicyAnswer,
    PortAnswer,
    RecordType,
)

TIME_SERVER = "pool.ntp.org"

_DNS_S, _TALK_S, _TIME_S = 6.0, 15.0, 5.0
_AT_ONCE = 16
_RECORDS, _RECORD_OCTETS = 64, 4096
_ANSWER_OCTETS = 80 * 1024
_LINES = 50
_EDNS_OCTETS = 1232
_READY, _DONE = b"220", b"250"
_SEEN_AS = re.compile(rb"\[(?:IPv6:)?([0-9A-Fa-f:.]+)\]")
_NTP_EPOCH_S = 2_208_988_800  # from 1900 to 1970, RFC 5905 section 6
_NTP_OCTETS, _NTP_QUESTION, _NTP_SERVER_MODE = 48, 0x23, 4
Talk = AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]

_HTTP_OK = re.compile(rb"HTTP/1\.[01] 200[ \r]")


def is_public(address: str) -> bool:
    """Whether it is one of the internet's."""
    return ipaddress.ip_address(address).is_global


def _resolver() -> dns.asyncresolver.Resolver:
    """The machine's own. It is asked to prove what it says (RFC 6840 section 5.7)."""
    made = dns.asyncresolver.Resolver()
    made.use_edns(0, dns.flags.DO, _EDNS_OCTETS)
    made.flags = dns.flags.RD | dns.flags.AD
    return made


@dataclass(frozen=True, slots=True)
class Outside:
    """Ready to ask. Tests have a world of their own: another resolver, other ports, no certificate of the world."""

    time_server: str = TIME_SERVER  # empty: none
    resolver: dns.asyncresolver.Resolver = field(default_factory=_resolver)
    may_talk_to: Callable[[str], bool] = is_public
    smtp_port: int = 25
    https_port: int = 443
    ntp_port: int = 123
    dns_s: float = _DNS_S
    now: Callable[[], float] = time.time
    trust: Callable[[], ssl.SSLContext] = ssl.create_default_context

    async def answer(self, questions: OutsideQuestions) -> OutsideAnswers:
        """Everything at once, some at a time; at most as long as the slowest takes."""
        turns = asyncio.Semaphore(_AT_ONCE)
        dns_answers, ports, policies, ahead = await asyncio.gather(
            asyncio.gather(*(self._ask(one, turns) for one in questions.dns)),
            asyncio.gather(*(self._port(one, questions.greeting_as) for one in questions.mail_of)),
            asyncio.gather(*(self._policy(one, turns) for one in questions.policies_of)),
            self._clock() if questions.is_time_wanted and self.time_server else _nothing(),
        )
        return OutsideAnswers(dns=tuple(dns_answers), ports=tuple(ports), policies=tuple(policies), clock_ahead_s=ahead)

    async def _ask(self, question: DnsQuestion, turns: asyncio.Semaphore) -> DnsAnswer:
        async with turns:
            return await self._resolve(question.name, question.type)

    async def _resolve(self, name: str, kind: RecordType) -> DnsAnswer:
        """`name` may come from a record, and be one that nobody could ask us about."""
        try:
            found = await self.resolver.resolve(f"{name}.", kind.value, lifetime=self.dns_s, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return DnsAnswer(name=name, type=kind, asked=Asked.NONE)
        except (dns.exception.DNSException, OSError):
            return DnsAnswer(name=name, type=kind, asked=Asked.FAILED)
        records = found.rrset or ()
        data = tuple(sorted(text for one in records if len(text := _text(one)) <= _RECORD_OCTETS))[:_RECORDS]
        is_secure = bool(found.response.flags & dns.flags.AD)
        return DnsAnswer(
            name=name, type=kind, asked=Asked.FOUND if data else Asked.NONE, data=data, is_secure=is_secure
        )

    async def _port(self, domain: str, name: str) -> PortAnswer:
        """The first host of the domain that can be reached; a reason where there is none."""
        listed = await self._resolve(domain, RecordType.MX)
        if not listed.data:
            return PortAnswer(domain=domain, problem=f"the MX records of {domain} are not known")
        host = min(listed.data, key=lambda one: int(one.split()[0])).split()[1].rstrip(".")
        if not host:  # RFC 7505
            return PortAnswer(domain=domain, problem=f"{domain} takes no mail")
        addresses = await self._addresses(host)
        problem = f"{host} has no address that may be asked"
        for address in addresses:
            try:
                async with asyncio.timeout(_TALK_S):
                    seen_as = await self._greet(address, name)
            except (OSError, TimeoutError, ValueError) as error:
                problem = f"{address}: {_reason(error)}"
            else:
                return PortAnswer(domain=domain, host=host, is_open=True, seen_as=seen_as)
        return PortAnswer(domain=domain, host=host, problem=problem)

    async def _greet(self, address: str, name: str) -> str:
        """ValueError where it is no SMTP server that greets. The address that it has seen us come from, or nothing."""
        async with _connected(address, self.smtp_port) as (reader, writer):
            await _reply(reader, _READY)
            writer.write(f"EHLO {name}\r\n".encode())
            reply = await _reply(reader, _DONE)
            writer.write(b"QUIT\r\n")
            await writer.drain()
        found = _SEEN_AS.search(reply)
        return _address(found[1].decode()) if found else ""

    async def _addresses(self, host: str) -> list[str]:
        """IPv4 first: it is what has a bad name where one has one. Only those that may be talked to."""
        both = [await self._resolve(host, kind) for kind in (RecordType.A, RecordType.AAAA)]
        return [one for answer in both for one in answer.data[:2] if self.may_talk_to(one)]

    async def _policy(self, domain: str, turns: asyncio.Semaphore) -> PolicyAnswer:
        host = f"mta-sts.{domain}"
        async with turns:
            problem = f"{host} has no address that may be asked"
            for address in await self._addresses(host):
                try:
                    async with asyncio.timeout(_TALK_S):
                        return PolicyAnswer(domain=domain, text=await self._fetch(address, host))
                except (OSError, TimeoutError, ValueError) as error:
                    problem = _reason(error)
            return PolicyAnswer(domain=domain, problem=problem)

    async def _fetch(self, address: str, host: str) -> str:
        """One GET, no redirect is followed (RFC 8461 section 3.3)."""
        async with _connected(address, self.https_port, self.trust(), host) as (reader, writer):
            request = f"GET /.well-known/mta-sts.txt HTTP/1.0\r\nHost: {host}\r\nAccept: text/plain\r\n\r\n"
            writer.write(request.encode())
            answer = bytearray()
            while (octets := await reader.read(8192)) and len(answer) <= _ANSWER_OCTETS:
                answer += octets
        head, _, body = bytes(answer).partition(b"\r\n\r\n")
        if not _HTTP_OK.match(head):
            raise ValueError(f"it answers {head[:80].decode(errors='replace').splitlines()[:1]}")
        return body.decode(errors="replace")[:_ANSWER_OCTETS]

    async def _clock(self) -> float | None:
        """How far our clock is ahead of the time server's, in seconds; None where nobody answers."""
        for address in await self._addresses(self.time_server):
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_TIME_S):
                    return await _ask_time(address, self.ntp_port, self.now)
        return None


async def _ask_time(address: str, port: int, now: Callable[[], float]) -> float:
    answer: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _TimeQuestion(answer, now), remote_addr=(address, port)
    )
    try:
        return await answer
    finally:
        transport.close()


class _TimeQuestion(asyncio.DatagramProtocol):
    """One packet there and one back, RFC 5905 section 14 (SNTP)."""

    def __init__(self, answer: asyncio.Future[float], now: Callable[[], float]) -> None:
        self._answer = answer
        self._now = now
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # asyncio's own type is wider
        self._sent_at = self._now()
        transport.sendto(bytes([_NTP_QUESTION]) + bytes(_NTP_OCTETS - 1))

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002 - asyncio's signature
        came_at = self._now()
        if len(data) < _NTP_OCTETS or data[0] & 7 != _NTP_SERVER_MODE or not data[1] or self._answer.done():
            return  # stratum 0 says that it does not know (a kiss of death)
        whole, part = struct.unpack("!II", data[40:48])
        theirs = whole - _NTP_EPOCH_S + part / 2**32
        self._answer.set_result((self._sent_at + came_at) / 2 - theirs)

    def error_received(self, exc: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(exc)


@contextlib.asynccontextmanager
async def _connected(address: str, port: int, trust: ssl.SSLContext | None = None, host: str | None = None) -> Talk:
    reader, writer = await asyncio.open_connection(address, port, ssl=trust, server_hostname=host)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _reply(reader: asyncio.StreamReader, code: bytes) -> bytes:
    """All lines of one reply; ValueError where its code is another."""
    lines = b""
    for _ in range(_LINES):
        line = await reader.readline()
        if not line.startswith(code):
            raise ValueError(f"it says {line[:80].decode(errors='replace').strip()!r}")
        lines += line
        if line[3:4] != b"-":
            return lines
    raise ValueError("its reply has no end")


def _text(record: object) -> str:
    strings: Iterable[bytes] | None = getattr(record, "strings", None)
    return str(record) if strings is None else b"".join(strings).decode(errors="replace")


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


async def _nothing() -> None:
    return None

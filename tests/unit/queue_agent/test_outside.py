"""What the agent asks of the world, in a world of the tests' own on loopback; and what it does not ask."""

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import dns.asyncresolver
import dns.flags
import pytest
from answering_dns import AnsweringDns
from pydantic import ValidationError

from policy.certificate import new_key, self_signed
from policy.queue_contract import Asked, DnsQuestion, OutsideQuestions, RecordType
from queue_agent.outside import Outside, is_public

T = 1_800_000_000.0
TABLE = {
    ("example.org", "TXT"): ['"v=spf1 " "-all"', '"other"'],
    ("example.org", "MX"): ["20 backup.example.org.", "10 mx.example.org."],
    ("mx.example.org", "A"): ["127.0.0.1"],
    ("mta-sts.example.org", "CNAME"): ["console.example.org."],
    ("console.example.org", "A"): ["127.0.0.1"],
    ("time.example.org", "A"): ["127.0.0.1"],
    ("inside.example.org", "MX"): ["10 db.internal."],
    ("db.internal", "A"): ["10.0.0.5"],
    ("no-mail.example.org", "MX"): ["0 ."],
    ("odd.example.org", "MX"): ["10 a\\.b.example.org."],
    ("_465._tcp.mail.example.org", "TLSA"): ["3 1 1 " + "ab" * 32],
}


@pytest.fixture
def world() -> Iterator[AnsweringDns]:
    with AnsweringDns(dict(TABLE), secure=("mx.example.org",)) as answering:
        yield answering


@pytest.fixture
def outside(world: AnsweringDns) -> Outside:
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], world.port
    resolver.use_edns(0, dns.flags.DO, 1232)
    return Outside(
        time_server="time.example.org",
        resolver=resolver,
        may_talk_to=lambda address: address.startswith("127."),
        now=lambda: T,
    )


async def test_answers_of_the_dns(outside: Outside, world: AnsweringDns) -> None:
    """In the order of the questions: found, proven, not there, nobody answered; strings of a TXT put together."""
    world.silent.add("silent.example.org")
    names = [
        ("example.org", "TXT"), ("mx.example.org", "A"), ("mx.example.org", "AAAA"), ("nobody.example.org", "A"),
        ("silent.example.org", "A"), ("_465._tcp.mail.example.org", "TLSA"), ("mta-sts.example.org", "A"),
    ]  # fmt: skip
    questions = tuple(DnsQuestion(name=name, type=RecordType(kind)) for name, kind in names)
    outside.resolver.timeout = 0.05
    quick = replace(outside, dns_s=1.0)
    found = (await quick.answer(OutsideQuestions(dns=questions))).dns
    assert [one.name for one in found] == [name for name, _ in names]
    assert [one.asked for one in found] == [
        Asked.FOUND, Asked.FOUND, Asked.NONE, Asked.NONE, Asked.FAILED, Asked.FOUND, Asked.FOUND,
    ]  # fmt: skip
    assert found[0].data == ("other", "v=spf1 -all")
    assert [one.is_secure for one in found] == [False, True, True, False, False, False, False]
    assert found[5].data == ("3 1 1 " + "ab" * 32,)


@asynccontextmanager
async def smtp(*lines: bytes) -> AsyncIterator[int]:
    """A server that says one reply after the other, whatever it hears."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for line in lines:
            writer.write(line)
            await reader.readline()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


PORTS = [
    # what it shows, what the server says, whether it is open, from where it has seen us, a word of the problem
    ("a greeting", (b"220-a\r\n220 b\r\n", b"250-hello [198.51.100.7]\r\n250 SIZE\r\n"), True, "198.51.100.7", ""),
    ("IPv6", (b"220 b\r\n", b"250 hello [IPv6:2001:DB8::7]\r\n"), True, "2001:db8::7", ""),
    ("an address that is none", (b"220 b\r\n", b"250 hello [1.2.3.4.5]\r\n"), True, "", ""),
    ("turned away", (b"554 no\r\n",), False, "", "it says '554 no'"),
    ("no mail server", (b"SSH-2.0-x\r\n",), False, "", "it says 'SSH-2.0-x'"),
    ("no end", (b"220-a\r\n" * 60,), False, "", "no end"),
    ("no line", (b"2" * 100_000,), False, "", "Separator"),
    ("nothing", (), False, "", "it says ''"),
]


@pytest.mark.parametrize(("says", "is_open", "seen_as", "problem"), [r[1:] for r in PORTS], ids=[r[0] for r in PORTS])
async def test_port_25(outside: Outside, says: tuple[bytes, ...], is_open: bool, seen_as: str, problem: str) -> None:
    """Of the host that is preferred."""
    async with smtp(*says) as port:
        answers = await replace(outside, smtp_port=port).answer(OutsideQuestions(mail_of=("example.org",)))
    (found,) = answers.ports
    assert (found.host, found.is_open, found.seen_as) == ("mx.example.org", is_open, seen_as)
    assert problem in found.problem


async def test_it_is_no_scanner(outside: Outside, world: AnsweringDns) -> None:
    """A host within is not talked to, whoever says that it takes mail; and only public addresses are the world's."""
    domains = ("inside.example.org", "nobody.example.org", "no-mail.example.org", "odd.example.org")
    answers = await outside.answer(OutsideQuestions(mail_of=domains))
    assert [one.problem for one in answers.ports] == [
        "db.internal has no address that may be asked",
        "the MX records of nobody.example.org are not known",
        "no-mail.example.org takes no mail",
        r"a\.b.example.org has no address that may be asked",
    ]
    assert [is_public(one) for one in ("1.1.1.1", "10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "fd00::1")] == [
        True, False, False, False, False, False,
    ]  # fmt: skip
    for name in ("example.org/x", "a b", "", "-\n", "x" * 254):
        with pytest.raises(ValidationError):
            OutsideQuestions(mail_of=(name,))


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    key = new_key()
    (tmp_path / "key.pem").write_bytes(key)
    (tmp_path / "cert.pem").write_bytes(self_signed("mta-sts.example.org", key, 1_600_000_000 + 166_000_000))
    return tmp_path


@asynccontextmanager
async def https(folder: Path, answer: bytes) -> AsyncIterator[int]:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        assert asked.startswith(b"GET /.well-known/mta-sts.txt HTTP/1.0\r\nHost: mta-sts.example.org\r\n")
        writer.write(answer)
        writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


FILES = [
    ("served", b"HTTP/1.0 200 OK\r\n\r\nversion: STSv1\r\n", "version: STSv1\r\n", ""),
    ("led elsewhere", b"HTTP/1.1 302 Found\r\nLocation: https://x/\r\n\r\n", "", "302"),
    ("endless", b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 1_000_000, "x" * 81_920, ""),
]


@pytest.mark.parametrize(("answer", "text", "problem"), [row[1:] for row in FILES], ids=[row[0] for row in FILES])
async def test_the_policy_file(outside: Outside, certificate: Path, answer: bytes, text: str, problem: str) -> None:
    def trust() -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return context

    async with https(certificate, answer) as port:
        asking = replace(outside, https_port=port, trust=trust)
        (found,) = (await asking.answer(OutsideQuestions(policies_of=("example.org",)))).policies
    assert found.text[: len(text)] == text
    assert len(found.text) <= 81_920
    assert problem in found.problem


async def test_a_certificate_that_nobody_trusts(outside: Outside, certificate: Path) -> None:
    """RFC 8461 section 3.3: then there is no policy."""
    async with https(certificate, b"HTTP/1.0 200 OK\r\n\r\nversion: STSv1\r\n") as port:
        asking = replace(outside, https_port=port)
        (found,) = (await asking.answer(OutsideQuestions(policies_of=("example.org",)))).policies
    assert (found.text, "its certificate is not trusted" in found.problem) == ("", True)


class TimeServer(asyncio.DatagramProtocol):
    def __init__(self, at: float, stratum: int) -> None:
        self.at, self.stratum = at, stratum

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        assert (len(data), data[0]) == (48, 0x23)
        whole = struct.pack("!II", int(self.at) + 2_208_988_800, int(self.at % 1 * 2**32))
        self.transport.sendto(b"short", addr)
        self.transport.sendto(bytes([0x24, 0]) + bytes(46), addr)  # it does not know
        if self.stratum:
            self.transport.sendto(bytes([0x24, self.stratum]) + bytes(38) + whole, addr)


@pytest.mark.parametrize(("at", "ahead"), [(T - 2.5, 2.5), (T + 90, -90.0), (T, 0.0)])
async def test_the_time(outside: Outside, at: float, ahead: float) -> None:
    """Packets that are none are passed over."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: TimeServer(at, 2), local_addr=("127.0.0.1", 0))
    asking = replace(outside, ntp_port=transport.get_extra_info("sockname")[1])
    answers = await asking.answer(OutsideQuestions(is_time_wanted=True))
    transport.close()
    assert answers.clock_ahead_s == pytest.approx(ahead, abs=0.001)


async def test_no_time_without_a_server(outside: Outside) -> None:
    assert (await replace(outside, time_server="").answer(OutsideQuestions(is_time_wanted=True))).clock_ahead_s is None
    nobody = replace(outside, time_server="nobody.example.org")
    assert (await nobody.answer(OutsideQuestions(is_time_wanted=True))).clock_ahead_s is None

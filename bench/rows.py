"""ROWS: what is measured, and the targets. One reads this table and knows the whole bench.

A row is one kind of work. Its figures are the numbers that each turn gives; the first is the one by which contenders
are compared. Targets are Sallyport's: an absolute limit, or a ratio against another contender.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bench.figures import Target
from bench.guessing import Storm, wrong_secrets
from bench.memory import Idle, Large, idle_sessions, large_messages
from bench.samples import Measured, Turn
from bench.throughput import Work, messages_a_second, session_ms, sessions_a_second

EVERYBODY = ("direct", "gates", "haraka", "sallyport")  # in the order of a round and of the table


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that each turn of a row gives, under this name in Measured.figures."""

    name: str
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    key: str
    title: str
    figures: tuple[Figure, ...]
    measure: Callable[[Turn], Measured]
    ours_alone: bool = False  # targets are absolute, and the others are not measured


def at_least(limit: float, against: str = "") -> Target:
    return Target(limit, at_least=True, against=against)


def at_most(limit: float, against: str = "") -> Target:
    return Target(limit, at_least=False, against=against)


def below(limit: float) -> Target:
    return Target(limit, at_least=False, strict=True)


FASTER = (at_least(1.1, "direct"), at_least(1.3, "gates"), at_least(2.5, "haraka"))
SOONER = (at_most(1.0, "direct"), at_most(0.3, "haraka"))
MANY = Work(parallel=16, sessions=400)
ONE = Work(parallel=1, sessions=60)
AT_ONCE = "; clients acknowledge at once"

ROWS: tuple[Row, ...] = (
    Row(
        "a",
        "one message of 4 KiB per session, new TLS handshake, 16 in parallel",
        (Figure("sessions/s", FASTER),),
        partial(sessions_a_second, MANY),
    ),
    Row(
        "aq",
        f"the same{AT_ONCE}",
        (Figure("sessions/s", FASTER),),
        partial(sessions_a_second, Work(parallel=16, sessions=400, quickack=True)),
    ),
    Row(
        "b",
        "the same session one at a time: p50 of a whole session",
        (Figure("p50 ms", SOONER),),
        partial(session_ms, ONE),
    ),
    Row(
        "bq",
        f"the same{AT_ONCE}",
        (Figure("p50 ms", SOONER),),
        partial(session_ms, Work(parallel=1, sessions=60, quickack=True)),
    ),
    Row(
        "c",
        "60 messages of 4 KiB per session, 16 in parallel",
        (Figure("messages/s", (at_least(0.65, "direct"), at_least(1.0, "gates"), at_least(2.5, "haraka"))),),
        partial(messages_a_second, Work(parallel=16, sessions=32, messages=60)),
    ),
    Row(
        "d",
        "5 MB messages, 4 in parallel",
        (Figure("messages/s", (at_least(0.65, "direct"), at_least(2.5, "haraka"))),),
        partial(messages_a_second, Work(parallel=4, sessions=24, size=5_000_000)),
    ),
    Row(
        "e",
        "25 MB messages, 20 in parallel: peak memory of a fresh gateway, all its processes",
        (Figure("peak PSS MB", (below(250),)), Figure("peak RSS MB"), Figure("spooled MB"), Figure("messages/s")),
        partial(large_messages, Large(parallel=20, size=25_000_000)),
        ours_alone=True,
    ),
    Row(
        "f",
        "5,000 idle TLS sessions: memory of each; time from connect to the reply to EHLO",
        (
            Figure("KiB a session", (at_most(55),)),
            Figure("p99 ratio", (below(2),)),
            Figure("p50 ms, none idle"),
            Figure("p50 ms, all idle"),
            Figure("p99 ms, none idle"),
            Figure("p99 ms, all idle"),
        ),
        partial(idle_sessions, Idle(sessions=5000, addresses=500, probes=1000)),
        ours_alone=True,
    ),
    Row(
        "g",
        "wrong secrets from 1,000 addresses, 64 at a time; p99 of a legitimate session meanwhile",
        (
            Figure("refused/s", (at_least(500),)),
            Figure("p99 ratio, paced", (at_most(3),)),
            Figure("p99 ratio, flat out"),
            Figure("p99 ms, alone"),
            Figure("refused/s, paced"),
            Figure("turned away/s"),
        ),
        partial(wrong_secrets, Storm(parallel=64, addresses=1000, rate=500, seconds=6)),
        ours_alone=True,
    ),
)

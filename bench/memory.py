"""Rows e and f: the gateway's memory, with large messages and with idle sessions.

Each turn starts with a fresh gateway. Memory is PSS, summed over all processes of the gateway: what they share is
counted once. The kernel's socket buffers are in no process's memory and not counted; nor is the page cache behind a
spool file.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.errors import BenchError
from bench.load import Result
from bench.processes import Memory, Peak, memory_of
from bench.samples import Measured, Turn

MB = 1_000_000
KIB = 1024
SETTLED_S = 1.0
SPARE = 100  # sessions beside the idle ones
STRIDE = 61  # between addresses: 500 of them are of 120 networks, so that no cap for one network is met


@dataclass(frozen=True, slots=True, kw_only=True)
class Large:
    """Messages of `size` octets, all at once."""

    parallel: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """Sessions after EHLO under TLS, and probes that connect and say EHLO, one at a time."""

    sessions: int
    addresses: int  # 127.1.0.1 and following
    probes: int


def large_messages(work: Large, turn: Turn) -> Measured:
    turn = turn.with_fresh_gateway()
    parallel = turn.scaled(work.parallel)
    with Peak(lambda: _memory(turn)) as peak:
        result = turn.generator.run(
            *turn.at,
            *("--threads", parallel, "--sessions", parallel, "--size", work.size, "--first", turn.round * parallel),
        )
    figures = {
        "peak PSS MB": peak.pss / MB,
        "peak RSS MB": peak.rss / MB,
        "spooled MB": peak.spooled / MB,
        "messages/s": result.messages / result.elapsed,
    }
    return Measured.of(result, figures, "message")


def idle_sessions(work: Idle, turn: Turn) -> Measured:
    turn = turn.with_fresh_gateway(max_sessions=work.sessions + SPARE, login_timeout_s=600)
    before, alone = _memory(turn), _probe(work, turn)
    with _open_sessions(work, turn) as opened:
        time.sleep(SETTLED_S)
        after, among = _memory(turn), _probe(work, turn)
    results = (alone, opened, among)
    figures = {
        "KiB a session": (after.pss - before.pss) / KIB / opened.sessions,
        "p99 ratio": among.latency["greeted"].p99 / alone.latency["greeted"].p99,
        "p50 ms, none idle": alone.latency["greeted"].p50 * 1000,
        "p50 ms, all idle": among.latency["greeted"].p50 * 1000,
        "p99 ms, none idle": alone.latency["greeted"].p99 * 1000,
        "p99 ms, all idle": among.latency["greeted"].p99 * 1000,
    }
    return Measured(
        figures=figures,
        load_cpu_s=sum(one.cpu for one in results),
        failed=sum(one.failed for one in results),
        error=next((one.error for one in results if one.error), ""),
        notes={"pss_before": before.pss, "pss_after": after.pss, "opened": opened.sessions, "open_s": opened.elapsed},
    )


def _memory(turn: Turn) -> Memory:
    return memory_of(turn.contender.groups["gateway"], turn.scene.sallyport.folder / "spool")


def _probe(work: Idle, turn: Turn) -> Result:
    return turn.generator.run(*turn.at, "--until", "greeting", "--sessions", turn.scaled(work.probes))


@contextmanager
def _open_sessions(work: Idle, turn: Turn) -> Iterator[Result]:
    """`work.sessions` of them, until the end of the block."""
    running = turn.generator.start(
        *turn.at,
        *("--mode", "idle", "--until", "tls", "--threads", 8, "--sessions", turn.scaled(work.sessions)),
        *("--sources", f"127.1.0.1/{work.addresses}/{STRIDE}"),
    )
    try:
        if running.stdout is None:
            raise BenchError("the load generator has no output")
        yield Result.parse(running.stdout.readline())
    finally:
        if running.stdin:
            running.stdin.close()
        running.wait(60)

"""Row g: wrong secrets from many addresses, and what a legitimate session feels of it.

Three parts in each turn, equally long: legitimate sessions alone; the same while guesses come flat out, which tells how
many are refused in a second; and the same while they come at the rate of the target, which is what the target for
legitimate sessions is about. Flat out, 64 clients that never rest leave no server a core to spare.
"""

import time
from dataclasses import dataclass

from bench.load import Result, finished
from bench.samples import Measured, Turn

STRIDE = 61  # between addresses
AHEAD_S = 0.5  # the guesses start before the legitimate sessions, and end after them


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """Each of `addresses` (127.2.0.1 and following, of many networks) connects in turn, `parallel` at a time."""

    parallel: int
    addresses: int
    rate: int
    seconds: float


def wrong_secrets(storm: Storm, turn: Turn) -> Measured:
    turn = turn.with_fresh_gateway()
    seconds = max(1.0, storm.seconds * turn.scale)
    alone = _legitimate(turn, seconds)
    flat_out, among_all = _during(storm, turn, seconds)
    paced, among_paced = _during(storm, turn, seconds, "--rate", storm.rate)
    legitimate = (alone, among_all, among_paced)
    unloaded = alone.latency["session"].p99
    figures = {
        "refused/s": flat_out.refused / flat_out.elapsed,
        "p99 ratio, paced": among_paced.latency["session"].p99 / unloaded,
        "p99 ratio, flat out": among_all.latency["session"].p99 / unloaded,
        "p99 ms, alone": unloaded * 1000,
        "refused/s, paced": paced.refused / paced.elapsed,
        "turned away/s": flat_out.turned_away / flat_out.elapsed,
    }
    return Measured(
        figures=figures,
        load_cpu_s=sum(one.cpu for one in (*legitimate, flat_out, paced)),
        failed=sum(one.failed for one in legitimate),
        error=next((one.error for one in (*legitimate, flat_out, paced) if one.error), ""),
        notes={
            "legitimate_alone": alone.sessions,
            "legitimate_flat_out": among_all.sessions,
            "legitimate_paced": among_paced.sessions,
            "deferred": flat_out.deferred + paced.deferred,
        },
    )


def _during(storm: Storm, turn: Turn, seconds: float, *pace: str | int) -> tuple[Result, Result]:
    """Guesses, and legitimate sessions meanwhile."""
    guessing = turn.generator.start(
        *turn.at,
        *("--mode", "guess", "--seconds", f"{seconds + 2 * AHEAD_S:.1f}", "--threads", storm.parallel),
        *("--sources", f"127.2.0.1/{storm.addresses}/{STRIDE}", *pace),
    )
    time.sleep(AHEAD_S)
    legitimate = _legitimate(turn, seconds)
    return finished(guessing), legitimate


def _legitimate(turn: Turn, seconds: float) -> Result:
    """One session with one message after the other."""
    return turn.generator.run(*turn.at, "--seconds", f"{seconds:.1f}", "--sessions", 1_000_000)

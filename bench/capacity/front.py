"""What gateway, policy and Postfix cost, from a result file of `make bench`.

Row a has one message of 4 KiB in a session, row c sixty of them, row d messages of 5 MB: three equations for session,
message and megabyte. Row f has the memory of an idle session.
"""

import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.errors import BenchError

_IN_ROW_C = 60
_MB_IN_ROW_D = 5.0
_CONTENDER = "sallyport"
_NEEDED = ("a", "c", "d", "f")


def costs_of(path: Path) -> dict[str, float]:
    """By the names of the model's Costs."""
    try:
        samples = [one for one in json.loads(path.read_bytes())["samples"] if one["contender"] == _CONTENDER]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchError(f"{path} is no result file of `make bench`: {error}") from None
    if missing := sorted(set(_NEEDED) - {one["row"] for one in samples}):
        raise BenchError(f"{path} lacks row {', '.join(missing)} of {_CONTENDER}; run `make bench` with them")
    found = dict(_of_parts(samples))
    found["idle_session_kib"] = statistics.median(
        one["measured"]["figures"]["KiB a session"] for one in samples if one["row"] == "f"
    )
    return found


def throughput(path: Path) -> dict[str, tuple[float, float]]:
    """Rows a and c: messages a second as they were measured, and as two busy cores and the costs foretell."""
    document = json.loads(path.read_bytes())
    samples = [one for one in document["samples"] if one["contender"] == _CONTENDER]
    cores = int(document["machine"]["cores"])
    found = {}
    for row, figure in (("a", "sessions/s"), ("c", "messages/s")):
        turns = _of_row(samples, row)
        parts = {name for one in turns for name in one["cpu_s"]}
        spent = sum(_ms(turns, part) for part in parts)
        measured = statistics.median(one["measured"]["figures"][figure] for one in turns)
        found[row] = (measured, 1000 * cores / spent)
    return found


def _of_parts(samples: list[dict[str, Any]]) -> Iterator[tuple[str, float]]:
    for part in ("gateway", "postfix", "policy"):
        one, sixty, large = (_ms(_of_row(samples, row), part) for row in ("a", "c", "d"))
        session = (one - sixty) * _IN_ROW_C / (_IN_ROW_C - 1)
        message = one - session
        yield f"{part}_session_ms", max(0.0, session)  # connections to Postfix are kept: nearly none
        if part != "policy":  # its messages are measured apart, on each database
            yield f"{part}_message_ms", message
            yield f"{part}_mb_ms", max(0.0, large - message) / _MB_IN_ROW_D


def _of_row(samples: list[dict[str, Any]], row: str) -> list[dict[str, Any]]:
    """Without the rounds in which something failed: such a session costs less."""
    turns = [one for one in samples if one["row"] == row and not one["measured"]["failed"]]
    if not turns:
        raise BenchError(f"in row {row} every round of {_CONTENDER} had failures")
    return turns


def _ms(turns: list[dict[str, Any]], part: str) -> float:
    """CPU of one message."""
    return float(statistics.median(1000 * one["cpu_s"].get(part, 0.0) / one["measured"]["messages"] for one in turns))

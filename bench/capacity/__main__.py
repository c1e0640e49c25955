"""What a message costs each part, and what ten thousand of them a second would need.

python -m bench.capacity measure --front bench/results/DATE.json    about five minutes, no root; writes the points
python -m bench.capacity front bench/results/DATE.json              of a newer `make bench`: gateway and Postfix alone
python -m bench.capacity kept                                       what Valkey keeps of a message; a minute
python -m bench.capacity project                                    the table for the demand of docs/capacity.md
python -m bench.capacity project --messages 200 --identities 50000 --plot capacity.svg
"""

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import structlog

from bench.capacity import charts, front, keeping, measuring
from bench.capacity.measuring import WAYS, Point
from bench.capacity.model import Costs, Demand, cells, most_per_s, needs
from bench.errors import BenchError
from bench.processes import cores

POINTS = Path(__file__).parent / "points.json"
Document = dict[str, Any]  # the points, as JSON
_SHARED = WAYS[-1]  # what the projection is about
# Measured apart: bench.scan (a letter, two processes on two cores), bench.history, docs/database.md; `kept`, the most.
_ELSEWHERE: dict[str, float] = {
    "scan_ms": 4.1,
    "known_recipient_kib": 0.06,
    "identity_kib": 0.5,
    "valkey_message_kib": 0.86,
}
_A_DAY = (20, 100, 140)  # messages of one person; of more than 128 charges a server keeps each in more room


def main() -> int:
    options = _options()
    try:
        options.work(options)
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def measure(options: argparse.Namespace) -> None:
    """Each way with one, two and four policy processes."""
    points = []
    for way in WAYS:
        for processes in options.processes if way != "sqlite" else options.processes[:1]:
            with tempfile.TemporaryDirectory() as folder:
                Path(folder).chmod(0o755)  # PostgreSQL has a user of its own
                points.append(measuring.measure(Path(folder), options, way, processes))
            print(_spelled(points[-1]), flush=True)
    document = {
        "cores": cores(),
        "elsewhere": _ELSEWHERE,
        "measured_on": time.strftime("%Y-%m-%d"),
        **_front(options.front),
        "points": [asdict(point) for point in points],
    }
    _write(document, options.points)


def take_front(options: argparse.Namespace) -> None:
    """What gateway and Postfix cost in another result, and nothing else."""
    _write(_document(options.points) | _front(options.front), options.points)


def tell_kept(options: argparse.Namespace) -> None:
    """A server that is empty at first, filled with two days."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    for messages in _A_DAY:
        found = keeping.message_kib(options.people, messages)
        print(f"{messages} messages a day of each: {found:.2f} KiB a message", flush=True)


def project(options: argparse.Namespace) -> None:
    """The table; and how well the model tells what was measured."""
    document = _document(options.points)
    points = [Point(**one) for one in document["points"]]
    costs = costs_from(document, points)
    demand = Demand(
        identities=options.identities,
        messages_per_s=options.messages,
        idle_sessions=options.idle_sessions,
        messages_per_session=options.messages_per_session,
        octets_per_message=options.octets_per_message,
    )
    print(f"{demand.identities:,} identities, {demand.messages_per_s:,.0f} messages a second at the busiest moment\n")
    for need in needs(costs, demand):
        many = f"  {need.cells} cells" if need.cells > 1 else ""
        print(f"  {need.part:<26}{need.amount:>12,.1f} {need.unit}{many}")
    print(f"\n{cells(costs, demand)} databases and Valkeys share the identities. One of each is at its end at")
    for part, most in sorted(most_per_s(costs).items(), key=lambda one: one[1]):
        print(f"  {part:<26}{most:>12,.0f} messages/s")
    print("\nforetold from the costs of one process, and measured, messages/s")
    for name, foretold, measured in checks(document, points):
        print(f"  {name:<40}{foretold:>8,.0f}{measured:>8,.0f}   {foretold / measured:.2f}")
    if options.plot:
        charts.draw(costs, demand, options.plot)


def costs_from(document: Document, points: Sequence[Point]) -> Costs:
    """The model's costs: of one process on PostgreSQL and Valkey, where nothing waits for another process."""
    shared = next(point for point in points if point.way == _SHARED and point.processes == 1)
    known = {field.name for field in fields(Costs)}
    given = {name: value for name, value in document["front"].items() if name in known}
    return Costs(
        **given,
        **document["elsewhere"],
        policy_message_ms=shared.policy_ms,
        database_message_ms=shared.database_ms,
        lock_ms=shared.lock_ms,
        valkey_message_ms=shared.valkey_ms,
        wal_kib=shared.wal_kib,
        submission_kib=shared.disk_kib,
        valkey_identity_kib=shared.valkey_kib,
    )


def checks(document: Document, points: Sequence[Point]) -> list[tuple[str, float, float]]:
    """Whole stack: cores and costs; many processes: what one costs, and that the cores are shared with the client."""
    found = [(f"make bench, row {row}", told, seen) for row, (seen, told) in document["throughput"].items()]
    for way in WAYS[1:]:
        alone, *more = sorted((one for one in points if one.way == way), key=lambda one: one.processes)
        spent = alone.policy_ms + alone.database_ms + alone.valkey_ms
        for point in more:
            most = min(point.processes * 1000 / alone.policy_ms, 1000 / alone.lock_ms, 1000 * document["cores"] / spent)
            found.append((f"{way}, {point.processes} policies", most, point.messages_per_s))
    return found


def _front(path: Path) -> Document:
    return {"front_of": path.name, "front": front.costs_of(path), "throughput": front.throughput(path)}


def _write(document: Document, path: Path) -> None:
    path.write_text(json.dumps(document, indent=1) + "\n")
    print(f"written to {path}")


def _document(path: Path) -> Document:
    try:
        found: Document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BenchError(f"{path} cannot be read: {error}; make it with `measure`") from None
    return found


def _spelled(point: Point) -> str:
    return (
        f"{point.way}, {point.processes}: {point.messages_per_s:,.0f}/s, p99 {point.p99_ms:.1f} ms; a message: "
        f"policy {point.policy_ms:.2f} ms, database {point.database_ms:.2f}, Valkey {point.valkey_ms:.2f}, "
        f"lock {point.lock_ms:.2f}, log {point.wal_kib:.1f} KiB, disk {point.disk_kib:.1f} KiB; "
        f"Valkey {point.valkey_kib:.2f} KiB an identity"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=Path, default=POINTS, help="the file of what was measured")
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("measure", help="run the real ones, and write the points")
    one.add_argument("--front", type=Path, required=True, help="a result file of `make bench`")
    one.add_argument("--identities", type=int, default=2000)
    one.add_argument("--known", type=int, default=100, help="recipients that each knows; default 100")
    one.add_argument("--seconds", type=float, default=10.0, help="of each run; default 10")
    one.add_argument("--connections", type=int, default=8, help="of each process; default 8")
    one.add_argument("--processes", type=int, nargs="+", default=[1, 2, 3])
    one.set_defaults(work=measure)
    one = commands.add_parser("front", help="take what gateway and Postfix cost from another result")
    one.add_argument("front", type=Path, metavar="FILE", help="a result file of `make bench`")
    one.set_defaults(work=take_front)
    one = commands.add_parser("kept", help="what Valkey keeps of a message while it counts")
    one.add_argument("--people", type=int, default=10)
    one.set_defaults(work=tell_kept)
    one = commands.add_parser("project", help="what a demand takes")
    one.add_argument("--identities", type=int, default=10_000_000)
    one.add_argument("--messages", type=float, default=10_000.0, help="a second, at the busiest moment")
    one.add_argument("--idle-sessions", type=int, default=1_000_000)
    one.add_argument("--messages-per-session", type=float, default=1.5)
    one.add_argument("--octets-per-message", type=int, default=75_000)
    one.add_argument("--plot", type=Path, metavar="FILE", help="a chart: .svg, .png or .pdf")
    one.set_defaults(work=project)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

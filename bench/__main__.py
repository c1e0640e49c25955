"""Run the bench: read the options, start what is measured, measure row by row, print the tables, keep the numbers.

make bench                                       everything, about a quarter of an hour
make bench ARGS="--quick"                        a smoke run: does everything work? its numbers say nothing
make bench ARGS="--rows a,c --against direct"    two rows, Sallyport and Postfix alone
make bench ARGS="--rows a --rounds 9"            more rounds, less noise
"""

import argparse
import datetime
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path

from bench import machine, table
from bench.contenders.scene import NAMES, Scene
from bench.errors import BenchError
from bench.load import Generator
from bench.rounds import Plan, Say, measure
from bench.rows import ROWS, Row
from bench.samples import Sample

HERE = Path(__file__).parent
BUILD = HERE.parent / "build" / "bench"
OURS = "sallyport"
QUICK = Plan(rounds=1, tries=1, scale=0.1)


def main() -> None:
    options = read_options(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is stopped, as after Control-C
    try:
        run(options)
    except (BenchError, AssertionError) as error:  # the harness asserts what it waits for
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit("bench: interrupted; everything was stopped")


def read_options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    keys = ",".join(row.key for row in ROWS)
    parser.add_argument("--rows", default=keys, help=f"which, separated by commas (all: {keys})")
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("ROUNDS", "5")), help="default 5, or ROUNDS")
    parser.add_argument("--tries", type=int, default=3, help="of a turn in which others used the machine; default 3")
    parser.add_argument(
        "--patience", type=float, default=0.0, help="seconds to wait before a turn for others to leave the machine"
    )
    parser.add_argument("--quick", action="store_true", help="one short round of each row")
    parser.add_argument("--against", default="direct,gates,haraka", help="contenders, separated by commas; or none")
    parser.add_argument("--workers", type=int, help="of the gateway; default as shipped")
    parser.add_argument("--json", type=Path, help="where the numbers go; default bench/results/DATE.json")
    options = parser.parse_args(arguments)
    options.rows = _chosen(parser, options.rows, [row.key for row in ROWS])
    options.against = _chosen(parser, options.against, [name for name in NAMES if name != OURS] + ["none"])
    if options.rounds < 1 or options.tries < 1:
        parser.error("--rounds and --tries are at least 1")
    return options


def run(options: argparse.Namespace) -> None:
    contenders = (*options.against, OURS)
    machine.require(contenders)
    rows = [row for row in ROWS if row.key in options.rows]
    plan = QUICK if options.quick else Plan(options.rounds, options.tries, 1.0, options.patience)
    _allow_many_files()
    say = _progress(time.monotonic())
    generator = Generator.compile(BUILD)
    say(f"starting {', '.join(contenders)}")
    samples: list[Sample] = []
    try:
        with Scene(contenders, BUILD, options.workers) as scene:
            for row in rows:
                samples.extend(measure(row, scene, generator, plan, say))
    finally:  # what was measured before somebody lost patience is told, too
        done = [row for row in rows if any(sample.row == row.key for sample in samples)]
        if done:
            report(done, samples, plan, options.json)


def report(rows: list[Row], samples: list[Sample], plan: Plan, path: Path | None) -> None:
    """Print the tables and keep the numbers."""
    print(f"\n{table.whole(rows, samples)}")
    if plan is QUICK:
        print("\nThis was a smoke run: one short round without a warm-up. The numbers say nothing.")
    name = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H%M%SZ}.json"
    _write(path or HERE / "results" / name, rows, samples, plan)


def _write(path: Path, rows: list[Row], samples: list[Sample], plan: Plan) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "machine": machine.description(),
        "rounds": plan.rounds,
        "scale": plan.scale,
        "rows": {row.key: row.title for row in rows},
        "samples": [sample.as_json() for sample in samples],
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
    print(f"\nAll numbers are in {path}")


def _chosen(parser: argparse.ArgumentParser, given: str, known: list[str]) -> list[str]:
    names = [name.strip() for name in given.split(",") if name.strip()]
    for name in names:
        if name not in known:
            parser.error(f"{name!r} is none of {', '.join(known)}")
    return [name for name in names if name != "none"]


def _allow_many_files() -> None:
    """5,000 idle sessions are as many descriptors on both sides; children inherit the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _progress(start: float) -> Say:
    def say(text: str) -> None:
        print(f"{time.monotonic() - start:6.0f} s  {text}", flush=True)

    return say


if __name__ == "__main__":
    main()

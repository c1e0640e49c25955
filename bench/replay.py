"""How many lines of a log `sallyport replay` reads and judges in a second, and how much memory it takes.

python -m bench.replay                        a log of a million lines, a minute
python -m bench.replay --people 100 --days 30

The log is made up (bench/maillog.py): people with their contacts, mail that comes in, guesses, and a thief on one day.
Everything is in the time: reading, joining, the engine with its budgets, what limits would have to be, the page. The
target is held against the time of the processor: it is one thread, and what else the machine does is not its fault.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

from bench.errors import BenchError
from bench.maillog import Town, lines

TARGET = 20_000  # lines a second
PEOPLE, DAYS = 650, 45  # a million lines
_PROGRAM = "import sys; from policy.cli import main; main()"
_CHUNK = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--days", type=int, default=DAYS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), Town(people=options.people, days=options.days, thief_on=options.days - 3))
    print(json.dumps(figures, indent=1))
    if figures["lines_per_cpu_second"] < TARGET:
        sys.exit(f"below the target of {TARGET:,} lines a second")


def measure(folder: Path, town: Town) -> dict[str, float]:
    """One run in a process of its own."""
    log = folder / "mail.log"
    written = lines(town)
    with log.open("w") as file:
        while chunk := list(islice(written, _CHUNK)):
            file.writelines(chunk)
    command = [sys.executable, "-c", _PROGRAM, "replay", str(log), "--json", "--year", "2026"]
    command += ["--html", str(folder / "page.html")]
    begin = time.monotonic()
    done = subprocess.run(  # noqa: S603 - no shell, and no argument from outside
        command, env={"POLICY_STATE_DIR": str(folder)}, capture_output=True, text=True, check=False
    )
    elapsed = time.monotonic() - begin
    if done.returncode:
        raise BenchError(done.stderr)
    report = json.loads(done.stdout)
    stopped = [one["identity"] for one in report["people"]]
    if stopped != [town.victim]:
        raise BenchError(f"the thief is {town.victim}, and stopped were {stopped}")
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    count, cpu = report["source"]["lines"], usage.ru_utime + usage.ru_stime
    return {
        "lines": count,
        "messages_judged": report["judged"],
        "seconds": round(elapsed, 1),
        "cpu_seconds": round(cpu, 1),
        "lines_per_cpu_second": round(count / cpu),
        "lines_per_second": round(count / elapsed),
        "peak_rss_mb": round(usage.ru_maxrss / 1024),
    }


if __name__ == "__main__":
    main()

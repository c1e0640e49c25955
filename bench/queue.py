"""20,000 messages in a real queue, 15,000 of them a thief's: how long until the last one is held, released, deleted.

python -m bench.queue                    needs root and Debian's Postfix; some minutes, most of them to fill the queue
python -m bench.queue --messages 2000

Nobody listens at the next hop, so that all of it stays in the queue. Each order is one question to the queue agent, as
policy asks; its answer comes when the queue itself shows it. Others' mail is undisturbed when no file of theirs has
changed and Postfix has tried none of it meanwhile.
"""

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests")]

from harness import until  # noqa: E402
from queue_stage import QueueStage, staged  # noqa: E402

from bench.errors import BenchError  # noqa: E402

THIEF, OTHERS = "thief@sallyport.test", "friend@sallyport.test"
SHARE = 0.75
LIMITS = {"held_s": 10.0, "released_s": 10.0, "deleted_s": 10.0, "memory_mib": 200.0}
_PATIENCE_S = 900.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, help="where the queue is made; /dev/shm leaves the disk out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder, staged(Path(folder)) as stage:
        figures = measure(stage, options.messages)
    print(json.dumps(figures, indent=1))
    for name, limit in LIMITS.items():
        print(f"{name:<12} {figures[name]:>8.2f}   <= {limit:<6g} {'met' if figures[name] <= limit else 'NOT MET'}")


def measure(stage: QueueStage, messages: int) -> dict[str, float]:
    """One order after the other on the same queue."""
    figures = {"filled_s": timed(lambda: fill(stage, messages))}
    figures["log_read_s"] = timed(lambda: wait_for(lambda: log_is_read(stage), "the log is read"))
    listed: list[dict[str, str]] = stage.agent.request("/v1/queue")[1]["messages"]
    figures["listed_s"] = timed(lambda: stage.agent.request("/v1/queue"))
    thiefs = [one["queue_id"] for one in listed if one["reverse_path"] == THIEF]
    others = {one["queue_id"] for one in listed if one["reverse_path"] == OTHERS}
    before = changed_at(stage, others)
    figures |= {"messages": len(listed), "of_the_thief": len(thiefs)}
    figures["held_s"] = ordered(stage, "hold", thiefs)
    must(list(stage.queue().values()).count("hold") == len(thiefs), "all of the thief's is on hold")
    figures["released_s"] = ordered(stage, "release", thiefs)
    wait_for(lambda: "active" not in stage.queue().values(), "what was released has been tried")
    figures["held_again_s"] = ordered(stage, "hold", thiefs)
    figures["deleted_s"] = ordered(stage, "delete", thiefs)
    must(set(stage.queue()) == others, "what is left is the others'")
    after = changed_at(stage, others)
    figures["others_disturbed"] = sum(after[one] != at for one, at in before.items())
    figures["memory_mib"] = highest_memory_mib(stage)
    return figures


def fill(stage: QueueStage, messages: int) -> None:
    """Without the pause that Postfix makes when mail comes faster than it goes, and with no attempt but the first."""
    config = str(stage.postfix.config)
    changed = ("in_flow_delay=0", "minimal_backoff_time=3600", "queue_run_delay=3600")
    subprocess.run(["postconf", "-c", config, "-e", *changed], check=True)  # noqa: S603, S607 - Postfix's, on the path
    subprocess.run(["postfix", "-c", config, "reload"], check=True, capture_output=True)  # noqa: S603, S607
    thiefs = round(messages * SHARE)
    stage.fill(messages - thiefs, OTHERS)
    stage.fill(thiefs, THIEF)
    wait_for(lambda: list(stage.queue().values()).count("deferred") == messages, "each was tried once")


def ordered(stage: QueueStage, what: str, queue_ids: list[str]) -> float:
    """Seconds until the answer that names all of them."""
    begun = time.perf_counter()
    must(len(stage.ask(what, queue_ids)) == len(queue_ids), f"{what}: all of them")
    return time.perf_counter() - begun


def changed_at(stage: QueueStage, queue_ids: set[str]) -> dict[str, tuple[float, int]]:
    """When a message is to be tried next is its file's time of change; who is done is in the file."""
    files = (Path(stage.postfix.queue or "") / "deferred").rglob("*")
    return {one.name: (one.stat().st_mtime, one.stat().st_size) for one in files if one.name in queue_ids}


def log_is_read(stage: QueueStage) -> bool:
    """The position in the agent's file is the log's end."""
    with closing(sqlite3.connect(stage.agent.folder / "state" / "queue.db")) as store:
        (offset,) = store.execute("SELECT offset FROM position").fetchone()
    return bool(offset == (stage.postfix.folder / "postfix.log").stat().st_size)


def highest_memory_mib(stage: QueueStage) -> float:
    """Resident, at its highest."""
    running = stage.agent.process.running
    status = Path(f"/proc/{running.pid if running else 0}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def wait_for(condition: Callable[[], object], what: str) -> None:
    until(condition, what, _PATIENCE_S)


def must(condition: bool, what: str) -> None:
    if not condition:
        raise BenchError(f"it is not true that {what}")


def timed(what: Callable[[], object]) -> float:
    begun = time.perf_counter()
    what()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()

"""What processes cost, read from /proc: CPU seconds of a group, and its memory while something runs.

A group is a process with all its descendants. Their CPU time survives their end, because a parent that waits for a
child inherits the child's sum; so nothing is lost when Postfix replaces an smtpd, or a supervisor a worker.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

PROC = Path("/proc")
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
Groups = Mapping[str, int]  # name of the group -> its first process


@dataclass(frozen=True, slots=True)
class Stat:
    """The fields of /proc/PID/stat that matter here; proc(5)."""

    parent: int
    ticks: int  # own, and of children that ended and were waited for


def parse_stat(text: str) -> Stat:
    """The command name stands in parentheses and may hold both blanks and parentheses."""
    fields = text.rpartition(")")[2].split()
    return Stat(parent=int(fields[1]), ticks=sum(int(field) for field in fields[11:15]))


def parse_kib(text: str) -> dict[str, int]:
    """Lines such as `Pss:  1234 kB` of smaps_rollup; in KiB."""
    found = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        if rest.endswith(" kB"):
            found[name] = int(rest.split()[0])
    return found


def all_stats() -> dict[int, Stat]:
    """Every process of the machine."""
    stats = {}
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                stats[int(folder.name)] = parse_stat((folder / "stat").read_text(errors="replace"))
    return stats


def family(first: int, stats: Mapping[int, Stat]) -> set[int]:
    """`first` and all its descendants that are alive."""
    children: dict[int, list[int]] = {}
    for pid, stat in stats.items():
        children.setdefault(stat.parent, []).append(pid)
    found, waiting = set(), [first]
    while waiting:
        pid = waiting.pop()
        if pid in stats:
            found.add(pid)
            waiting.extend(children.get(pid, ()))
    return found


def cpu_seconds(groups: Groups) -> dict[str, float]:
    """The CPU time that each group has used so far."""
    stats = all_stats()
    return {
        name: sum(stats[pid].ticks for pid in family(first, stats)) / TICKS_A_SECOND for name, first in groups.items()
    }


def cores() -> int:
    """Of those that this process may use."""
    return len(os.sched_getaffinity(0))


def busy_seconds() -> float:
    """The CPU time that the whole machine has spent working, of all cores together."""
    return parse_busy((PROC / "stat").read_text()) / TICKS_A_SECOND


def parse_busy(text: str) -> int:
    """Ticks of the first line of /proc/stat that are neither idle nor iowait; proc(5).

    Niced processes count: where the kernel groups tasks by session (sched_autogroup_enabled), they do not give way.
    """
    user, nice, system, _idle, _iowait, *interrupts_and_stolen = map(int, text.split("\n", 1)[0].split()[1:9])
    return user + nice + system + sum(interrupts_and_stolen)


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one group, in bytes. PSS counts a shared page once, divided by those who share it; RSS counts it for each."""

    pss: int
    rss: int
    spooled: int  # octets in files below the spool folder that are open, named or not


def memory_of(first: int, spool: Path | None = None) -> Memory:
    """The memory of a group now."""
    pss = rss = spooled = 0
    for pid in family(first, all_stats()):
        with contextlib.suppress(OSError):
            found = parse_kib((PROC / str(pid) / "smaps_rollup").read_text())
            pss += found.get("Pss", 0) * 1024
            rss += found.get("Rss", 0) * 1024
            spooled += sum(_sizes_of_open_files(pid, spool)) if spool else 0
    return Memory(pss, rss, spooled)


def _sizes_of_open_files(pid: int, folder: Path) -> Iterator[int]:
    for descriptor in (PROC / str(pid) / "fd").iterdir():
        with contextlib.suppress(OSError):
            if str(descriptor.readlink()).startswith(f"{folder}/"):
                yield descriptor.stat().st_size


class Peak:
    """The largest memory of a group while the body of `with` runs, sampled in a thread."""

    def __init__(self, measure: Callable[[], Memory], every_s: float = 0.05) -> None:
        self._measure = measure
        self._every_s = every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.pss = self.rss = self.spooled = self.samples = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        due = time.monotonic()
        while not self._over.wait(max(0.0, due - time.monotonic())):
            now = self._measure()
            self.pss, self.rss = max(self.pss, now.pss), max(self.rss, now.rss)
            self.spooled = max(self.spooled, now.spooled)
            self.samples += 1
            due += self._every_s

"""What the bench reads from /proc."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.processes import Memory, Peak, Stat, cpu_seconds, family, memory_of, parse_busy, parse_kib, parse_stat

STAT = "{pid} ({name}) S {parent} 7 7 0 -1 4194560 100 200 0 0 11 12 13 14 20 0 1 0 100 1000 50 18446744073709551615"


@pytest.mark.parametrize(
    "name", ["smtpd", "tls (1) x", "a) S 99 (b", ""], ids=["plain", "blanks", "looks alike", "none"]
)
def test_stat_whatever_the_command_is_called(name: str) -> None:
    assert parse_stat(STAT.format(pid=42, name=name, parent=41)) == Stat(parent=41, ticks=11 + 12 + 13 + 14)


def test_kib_of_smaps_rollup() -> None:
    text = "00400000-7fff00000000 ---p 00000000 00:00 0 [rollup]\nRss:    2048 kB\nPss:    1024 kB\nPss_Dirty:  10 kB\n"
    assert parse_kib(text) == {"Rss": 2048, "Pss": 1024, "Pss_Dirty": 10}


def test_busy_is_what_is_neither_idle_nor_waiting() -> None:
    #                 user nice system idle iowait irq softirq steal guest
    assert parse_busy("cpu  1 20 300 99999 99999 4000 50000 600000 7 7\ncpu0 9 9 9 9 9 9 9 9 9 9\n") == 654321


FAMILY = {1: Stat(0, 1), 10: Stat(1, 1), 11: Stat(10, 1), 12: Stat(11, 1), 20: Stat(1, 1), 21: Stat(20, 1)}


@pytest.mark.parametrize(
    ("first", "expected"),
    [(10, {10, 11, 12}), (21, {21}), (1, set(FAMILY)), (99, set())],
    ids=["descendants", "no children", "everybody", "ended"],
)
def test_family(first: int, expected: set[int]) -> None:
    assert family(first, FAMILY) == expected


def test_cpu_of_a_child_outlives_it() -> None:
    """A parent inherits what a child has used when it waits for it, so a group loses nothing."""
    before = cpu_seconds({"own": os.getpid()})["own"]
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.2: pass"], check=True)
    assert cpu_seconds({"own": os.getpid()})["own"] - before >= 0.15


def test_memory_counts_open_spool_files_without_a_name(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    with (tmp_path / "elsewhere").open("wb") as elsewhere, (spool / "gone").open("wb") as file:
        elsewhere.write(b"x" * 5000)
        file.write(b"x" * 70_000)
        file.flush()
        (spool / "gone").unlink()
        found = memory_of(os.getpid(), spool)
    assert found.spooled == 70_000
    assert found.rss >= found.pss > 0


def test_peak_is_the_largest_of_each() -> None:
    readings = [Memory(1, 5, 0), Memory(3, 4, 2), Memory(2, 6, 1)]
    with Peak(lambda: readings.pop(0) if len(readings) > 1 else readings[0], every_s=0.0) as peak:
        while peak.samples < 3:
            pass
    assert (peak.pss, peak.rss, peak.spooled) == (3, 6, 2)

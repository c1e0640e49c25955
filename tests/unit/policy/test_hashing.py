"""argon2id: what it costs is measured, and what waits for it is bounded."""

import asyncio
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from argon2 import extract_parameters
from harness import until

from policy.people import hashing
from policy.people.errors import Busy
from policy.people.hashing import LEAST_PASSES, MOST_PASSES, Cost, Hasher, HashingPool, kept_cost, measure
from service.settings import SettingError


def test_a_hash_says_what_it_is_of() -> None:
    """argon2id with the parameters of the machine, and another salt each time."""
    hasher = Hasher(Cost(memory_kib=128, passes=2))
    made = hasher.hash("seven purple ducks")
    assert made.startswith("$argon2id$")
    parameters = extract_parameters(made)
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (128, 2, 1)
    assert hasher.hash("seven purple ducks") != made
    assert hasher.verify(made, "seven purple ducks")
    assert not hasher.verify(made, "seven purple duck")
    assert not hasher.verify(None, "seven purple ducks")
    assert not hasher.verify("no hash", "seven purple ducks")


RISES = [
    # what it shows, kept with, today, whether it is made anew
    ("the same", (64, 2), (64, 2), False),
    ("more passes", (64, 1), (64, 2), True),
    ("fewer passes", (64, 3), (64, 2), False),
    ("more memory", (64, 3), (128, 1), True),
    ("less memory", (128, 1), (64, 3), False),
]


@pytest.mark.parametrize(("then", "today", "is_cheap"), [case[1:] for case in RISES], ids=[case[0] for case in RISES])
def test_a_hash_is_made_anew_when_the_cost_rises(then: tuple[int, int], today: tuple[int, int], is_cheap: bool) -> None:
    kept = Hasher(Cost(memory_kib=then[0], passes=then[1])).hash("x")
    assert Hasher(Cost(memory_kib=today[0], passes=today[1])).is_cheap(kept) == is_cheap


def test_nobodys_password_costs_as_much() -> None:
    """The time must not tell who is there: the least of many, in turns, of the processor's time."""
    hasher = Hasher(Cost(memory_kib=8 * 1024, passes=2))
    somebodys = hasher.hash("seven purple ducks")

    def cost(kept: str | None) -> float:
        begun = time.thread_time()
        assert not hasher.verify(kept, "another password")
        return time.thread_time() - begun

    taken = [(cost(None), cost(somebodys)) for _ in range(30)]
    assert min(one for one, _ in taken) == pytest.approx(min(other for _, other in taken), rel=0.25)


MACHINES = [
    # what it shows, seconds of the first pass, of each further one, passes
    ("as measured", 0.052, 0.031, 7),
    ("twice as fast", 0.026, 0.0155, 15),
    ("slow: never below the floor", 0.5, 0.5, LEAST_PASSES),
    ("very fast: there is an end", 0.001, 0.001, MOST_PASSES),
    ("a clock that stood still", 0.0, 0.0, LEAST_PASSES),
]


@pytest.mark.parametrize(("first", "further", "passes"), [case[1:] for case in MACHINES], ids=[c[0] for c in MACHINES])
def test_the_cost_fits_the_machine(monkeypatch: pytest.MonkeyPatch, first: float, further: float, passes: int) -> None:
    """A quarter of a second, whatever the machine."""
    now = 0.0

    class Machine:
        """Takes its time by the clock of the test."""

        def __init__(self, *, time_cost: int, memory_cost: int, parallelism: int) -> None:
            assert (memory_cost, parallelism) == (hashing.MEMORY_KIB, 1)
            self.takes = first + (time_cost - 1) * further

        def hash(self, _: str) -> None:
            nonlocal now
            now += self.takes

    monkeypatch.setattr(hashing, "PasswordHasher", Machine)
    assert measure(lambda: now).passes == passes


def test_the_cost_is_measured_once(tmp_path: Path) -> None:
    """And read from then on: passwords must not cost more on a quiet day."""
    path = tmp_path / "cost.json"
    chosen = kept_cost(path, time.perf_counter)
    assert json.loads(path.read_text()) == {"memory_kib": chosen.memory_kib, "passes": chosen.passes}
    path.write_text('{"memory_kib": 1024, "passes": 9}')
    assert kept_cost(path, time.perf_counter) == Cost(memory_kib=1024, passes=9)
    path.write_text("{")
    with pytest.raises(SettingError, match="measured again"):
        kept_cost(path, time.perf_counter)
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(SettingError, match="check the folder"):
        kept_cost(tmp_path / "missing" / "cost.json", time.perf_counter)


async def test_a_storm_is_bounded() -> None:
    """Two at work, three wait, and everybody else is told at once; room that is free again is used again."""
    pool = HashingPool(parallel=2, queue=3)
    open_gate, at_work, most, counting = threading.Event(), 0, 0, threading.Lock()
    both_at_work = threading.Event()

    def work() -> str:
        nonlocal at_work, most
        with counting:
            at_work += 1
            most = max(most, at_work)
            if most == 2:
                both_at_work.set()
        open_gate.wait()
        with counting:
            at_work -= 1
        return "done"

    asked = [asyncio.ensure_future(pool.run(work)) for _ in range(200)]
    await asyncio.sleep(0)
    turned_away = [one for one in asked if one.done()]
    assert len(turned_away) == 195
    assert all(isinstance(one.exception(), Busy) for one in turned_away)
    await asyncio.to_thread(both_at_work.wait, 60)
    open_gate.set()
    served = await asyncio.gather(*(one for one in asked if one not in turned_away))
    assert served == ["done"] * 5
    assert most == 2
    assert await pool.run(work) == "done"
    pool.close()


async def test_who_goes_away_makes_room_when_the_work_is_done() -> None:
    """Closing the connection must not let more than two be at work."""
    pool = HashingPool(parallel=1, queue=1)
    open_gate, begun = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        open_gate.wait()

    first, second = (asyncio.ensure_future(pool.run(work)) for _ in range(2))
    await asyncio.to_thread(begun.wait)
    first.cancel()
    second.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    third = asyncio.ensure_future(pool.run(work))  # the room of the second, which had not begun
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await pool.run(work)  # the first is still at work
    open_gate.set()
    await third
    await asyncio.to_thread(until, lambda: pool._inside == 0, "room for the next")
    pool.close()


async def test_the_loop_goes_on_while_a_password_is_hashed() -> None:
    """argon2 releases Python's lock."""
    pool, ticks = HashingPool(parallel=2), 0
    hasher = Hasher(Cost(memory_kib=16 * 1024, passes=3))
    asked = [asyncio.ensure_future(pool.run(hasher.hash, "seven purple ducks")) for _ in range(2)]
    while not all(one.done() for one in asked):
        await asyncio.sleep(0)
        ticks += 1
    assert ticks > 100
    pool.close()


def test_whoever_is_nicer_already_hashes_all_the_same() -> None:
    """Under `nice -n 19`, or Nice=19 of systemd: nobody but root may go back, and no password would be verified."""

    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    async def hash_nicely() -> int:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)  # of this thread, and of those that it makes
        pool = HashingPool(parallel=1)
        found = await pool.run(niceness)
        pool.close()
        return found

    with ThreadPoolExecutor(1) as apart:
        assert apart.submit(asyncio.run, hash_nicely()).result() == 19

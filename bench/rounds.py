"""The rounds of one row: in each, every contender has one turn, so that a slow minute of the machine hits them all."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.contenders.scene import Scene
from bench.load import Generator
from bench.processes import Groups, busy_seconds, cores, cpu_seconds
from bench.rows import Row
from bench.samples import Sample, Turn

LOOK_S = 0.5  # how long one looks whether the machine is quiet
NOISY = 0.1  # a share of the machine; where others have more, a turn is repeated
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How often, and how much."""

    rounds: int
    tries: int  # of a turn that was disturbed
    scale: float  # of the work; see Turn
    patience_s: float = 0.0  # before each turn: how long to wait for others to leave the machine


def measure(row: Row, scene: Scene, generator: Generator, plan: Plan, say: Say) -> list[Sample]:
    """All rounds of a row. One more comes first as a warm-up and is not kept, unless there is only one."""
    kept = []
    for number in range(0 if plan.rounds > 1 else 1, plan.rounds + 1):
        for name in list(scene.contenders):
            if row.ours_alone and name != "sallyport":
                continue
            turn = Turn(scene, generator, scene.contenders[name], number, plan.scale)
            sample = quietest(row, turn, plan, say) if number else take(row, turn)
            say(_line(sample))
            if number:
                kept.append(sample)
    return kept


def quietest(row: Row, turn: Turn, plan: Plan, say: Say) -> Sample:
    """The first turn in which others left the machine to us, or that with least of them. The result never decides."""
    samples: list[Sample] = []
    while True:
        wait_until_quiet(plan.patience_s)
        samples.append(take(row, turn))
        if len(samples) == plan.tries or samples[-1].others_share <= NOISY:
            return min(samples, key=lambda sample: sample.others_share)
        say(f"{_line(samples[-1])}  disturbed, again")


def wait_until_quiet(patience_s: float) -> None:
    """Return when nothing of note has run for a moment, or patience is at its end."""
    end = time.monotonic() + patience_s
    share = 1.0
    while share > NOISY and time.monotonic() < end:
        before = busy_seconds()
        time.sleep(LOOK_S)
        share = (busy_seconds() - before) / (LOOK_S * cores())


def take(row: Row, turn: Turn) -> Sample:
    """One turn, with what it cost. The cost includes the delivery; the time that the clients saw does not."""
    clock = _Clock(turn)
    measured = row.measure(turn)
    turn.scene.postfix.settle()
    cpu_s, others_share = clock.stop(measured.load_cpu_s)
    return Sample(
        row=row.key,
        round=turn.round,
        contender=turn.contender.name,
        measured=measured,
        cpu_s=cpu_s,
        others_share=others_share,
    )


class _Clock:
    """CPU time from here to `stop`."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._groups = self._groups_now()
        self._used = cpu_seconds(self._groups)
        self._machine = (time.monotonic(), busy_seconds(), time.process_time())

    def stop(self, load_cpu_s: float) -> tuple[dict[str, float], float]:
        """CPU seconds by group, and the share of the machine that others had."""
        groups = self._groups_now()
        used = {
            # A group whose first process is another one now was replaced, and began at zero.
            name: value - (self._used[name] if self._groups.get(name) == groups[name] else 0.0)
            for name, value in cpu_seconds(groups).items()
        }
        used["load"] = load_cpu_s
        machine = (time.monotonic(), busy_seconds(), time.process_time())
        elapsed, busy, bench = (after - before for before, after in zip(self._machine, machine, strict=True))
        return used, max(0.0, busy - bench - sum(used.values())) / (elapsed * cores())

    def _groups_now(self) -> Groups:
        return self._turn.scene.contenders[self._turn.contender.name].groups


def _line(sample: Sample) -> str:
    figures = "  ".join(f"{name} {value:.1f}" for name, value in sample.measured.figures.items())
    trouble = f"  {sample.measured.failed} FAILED: {sample.measured.error}" if sample.measured.failed else ""
    others = f"  (others used {sample.others_share:.0%} of the machine)" if sample.others_share > NOISY else ""
    number = f"round {sample.round}" if sample.round else "warm-up"
    return f"{sample.row:2} {number:8} {sample.contender:9} {figures}{others}{trouble}"

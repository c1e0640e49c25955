"""One measurement: whose turn it is, what the contender did in it, at which cost, and how quiet the machine was."""

import dataclasses
from dataclasses import dataclass, field, replace
from typing import Any, Self

from bench.contenders.contender import Contender
from bench.contenders.scene import Scene
from bench.load import Generator, Latency, Result


@dataclass(frozen=True, slots=True)
class Turn:
    """One contender's turn in one round."""

    scene: Scene
    generator: Generator
    contender: Contender
    round: int  # 0 is the warm-up
    scale: float = 1.0  # of the work; below 1 for a smoke run, whose numbers say nothing

    @property
    def at(self) -> tuple[str | int, ...]:
        """Where the load generator has to go, and as whom."""
        return ("--port", self.contender.submission_port, "--credentials", str(self.contender.credentials))

    def with_fresh_gateway(self, **settings: int) -> Self:
        """The same turn with a new gateway, because what was done before has left its mark on the heap of the old one.

        Settings are for this gateway alone. A few sessions load what is loaded at the first use.
        """
        self.scene.start_gateway(**settings)
        fresh = replace(self, contender=self.scene.contenders["sallyport"])
        self.generator.run(*fresh.at, "--threads", 4, "--sessions", 40)
        return fresh

    def scaled(self, count: int, least: int = 1) -> int:
        return min(count, max(least, round(count * self.scale)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the measuring function of a row gives back."""

    figures: dict[str, float]  # by the name of the figure
    messages: int = 0  # CPU seconds are told for 1,000 of them
    latency: Latency | None = None
    load_cpu_s: float = 0.0  # of the load generator
    failed: int = 0
    error: str = ""
    notes: dict[str, float] = field(default_factory=dict)  # for the JSON only

    @classmethod
    def of(cls, result: Result, figures: dict[str, float], latency: str) -> Self:
        """From one run of the load generator; `latency` is the name of the durations to show."""
        return cls(
            figures=figures,
            messages=result.messages,
            latency=result.latency[latency],
            load_cpu_s=result.cpu,
            failed=result.failed,
            error=result.error,
            notes={"elapsed_s": result.elapsed},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One turn, measured."""

    row: str
    round: int
    contender: str
    measured: Measured
    cpu_s: dict[str, float]  # by process group; `load` is the load generator
    others_share: float  # of all cores: what processes used that are none of ours

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

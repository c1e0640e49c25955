"""Rows a to d: the load generator hands in messages, and what counts is how many, or how long one takes."""

from dataclasses import dataclass

from bench.load import Result
from bench.samples import Measured, Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What the clients do in one turn. Each session has a TLS handshake of its own, without resumption."""

    parallel: int
    sessions: int
    messages: int = 1  # in each session
    size: int = 4096
    quickack: bool = False  # clients acknowledge at once; see docs/performance.md

    def run(self, turn: Turn) -> Result:
        """Rounds start at different users, so that nobody's budget grows more than anybody else's."""
        sessions = turn.scaled(self.sessions, self.parallel)
        return turn.generator.run(
            *turn.at,
            *("--threads", self.parallel, "--sessions", sessions, "--first", turn.round * sessions),
            *("--messages", self.messages, "--size", self.size),
            *(["--quickack"] if self.quickack else []),
        )


def sessions_a_second(work: Work, turn: Turn) -> Measured:
    result = work.run(turn)
    return Measured.of(result, {"sessions/s": result.sessions / result.elapsed}, "session")


def messages_a_second(work: Work, turn: Turn) -> Measured:
    result = work.run(turn)
    return Measured.of(result, {"messages/s": result.messages / result.elapsed}, "message")


def session_ms(work: Work, turn: Turn) -> Measured:
    result = work.run(turn)
    return Measured.of(result, {"p50 ms": result.latency["session"].p50 * 1000}, "session")

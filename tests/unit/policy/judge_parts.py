"""A judge that knows something else than the one that was put together."""

from dataclasses import replace
from typing import Any

from policy.judge import Judge


def judging_with(judge: Judge, **parts: Any) -> Judge:
    """`parts` in place of those in its profiles, wherever these are read."""
    within = replace(judge.within, **parts) if judge.within else None
    return replace(judge, profiles=replace(judge.profiles, **parts), within=within)

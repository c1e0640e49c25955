"""What rules that only observe would have done: how often, and examples among the newest messages."""

from dataclasses import dataclass
from operator import attrgetter

from sqlalchemy import Engine, select

from policy.store.evidence import evidence_of
from policy.store.models import Submissions
from policy.store.tallies import sums_since
from policy.tally import Stage

LOOKED_AT = 2000  # messages; why each was decided is text, of which a week may have a gigabyte
_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Example:
    """A message that a rule would have stopped."""

    submission: str
    at: float
    identity: str


@dataclass(frozen=True, slots=True)
class Observed:
    """`examples` are the newest."""

    rule: str
    messages: int
    examples: tuple[Example, ...]


def observed_since(engine: Engine, since: float) -> list[Observed]:
    """The busiest first."""
    numbers = {one.what.outcome: one.number for one in sums_since(engine, since) if one.what.stage is Stage.OBSERVED}
    examples = _examples(engine, since)
    found = [Observed(rule, numbers.get(rule, 0), tuple(examples.get(rule, ()))) for rule in {**numbers, **examples}]
    return sorted(sorted(found, key=attrgetter("rule")), key=attrgetter("messages"), reverse=True)


def _examples(engine: Engine, since: float) -> dict[str, list[Example]]:
    row = Submissions
    newest = select(row.id, row.at, row.identity, row.evidence).where(row.at >= since).order_by(row.at.desc())
    some = newest.limit(LOOKED_AT).subquery()
    wanted = select(some).where(some.c.evidence.contains('"observed":["')).order_by(some.c.at.desc())
    found = dict[str, list[Example]]()
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        for submission, at, identity, text in connection.execute(wanted):
            evidence = evidence_of(text)
            for rule in evidence.observed if evidence else ():
                of_rule = found.setdefault(rule, [])
                if len(of_rule) < _EXAMPLES:
                    of_rule.append(Example(submission, at, identity))
    return found

"""What a replay has found, as one value: the same for the table, for JSON and for the page."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime

from policy.engine.ladder import Step
from policy.engine.rulebook import Mode, Rulebook
from policy.replay.peaks import EVERYBODY, Peak
from policy.replay.running import Replay
from policy.replay.tally import Case, Fate, IdentityTally, RuleTally
from service.spans import DAY_S

STOPPED = (Fate.SLOWED, Fate.HELD, Fate.DEFERRED, Fate.REFUSED)
_SPANS = ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fates:
    """Numbers of messages."""

    accepted: int = 0
    slowed: int = 0
    held: int = 0
    deferred: int = 0
    refused: int = 0

    @property
    def stopped(self) -> int:
        """All that would not simply have been accepted."""
        return self.slowed + self.held + self.deferred + self.refused


@dataclass(frozen=True, slots=True, kw_only=True)
class OneRule:
    """What one rule would have done. `observed` are messages that it would have stopped, were it enforced."""

    rule: str
    mode: Mode
    messages: Fates
    recipients: int
    observed: int
    identities: int
    first: Case


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSignal:
    """One kind of signal of one identity."""

    kind: str
    count: int
    first_at: float
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OneIdentity:
    """Somebody who would not have gone unhindered. `step` is the highest on the ladder."""

    identity: str
    profile: str
    messages: Fates
    recipients: int
    unknown_recipients: int
    step: str
    step_at: float | None
    rules: tuple[OneRule, ...]
    signals: tuple[FoundSignal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How near to one limit of a profile, of the domain or of the host everybody came; the highest first.

    `needed` is what the limit would have to be for nobody to meet it but the suspects, who would have been restricted
    or locked; `needed_by_all` counts these, too. Both are None where nobody meets the limit as it is.
    """

    rule: str
    profile: str  # empty: of a domain, or of the host
    window: str  # "an hour"; empty: of each message
    limit: int
    highest: int
    highest_of_others: int  # without the suspects
    at: float
    needed: int | None
    needed_by_all: int | None
    over: int  # identities
    identities: tuple[tuple[str, int], ...]  # the highest

    @property
    def share(self) -> float:
        """Of the limit, without the suspects."""
        return self.highest_of_others / self.limit if self.limit else float(self.highest_of_others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day, UTC."""

    at: float  # its beginning
    messages: Fates


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What was read."""

    files: tuple[str, ...]
    lines: int
    unreadable: int
    broken: tuple[str, ...]  # a sentence for each file that ends too early
    login_failures: int
    refusals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All of it. Moments are seconds since the epoch."""

    source: Source
    rulebook: str  # its digest
    first_at: float | None
    last_at: float | None
    judged_from: float | None
    learnt: int  # messages
    judged: int
    arrived: int
    known_recipients: int
    domains: tuple[str, ...]
    taken_back_after_s: float | None
    has_origins: bool
    messages: Fates
    identities: int
    hindered: int  # of these
    rules: tuple[OneRule, ...]
    people: tuple[OneIdentity, ...]  # the most hindered first
    suspects: tuple[str, ...]  # identities that would have been restricted or locked
    limits: tuple[Limit, ...]
    days: tuple[Day, ...]
    changed: tuple[tuple[str, str, int], ...]  # recorded action, action now, messages


def report_on(replay: Replay, rulebook: Rulebook, source: Source, *, top: int, has_origins: bool) -> Report:
    """`top` bounds lists of identities."""
    tally, seen = replay.tally, replay.seen
    hindered = [(name, one) for name, one in tally.identities.items() if _is_hindered(one)]
    suspects = {name for name, one in tally.identities.items() if one.step >= Step.RESTRICT}
    hindered.sort(key=lambda pair: (-_weight(pair[1]), pair[0]))
    return Report(
        source=source,
        rulebook=rulebook.digest,
        first_at=seen.first_at,
        last_at=seen.last_at,
        judged_from=replay.judged_from,
        learnt=seen.learnt,
        judged=seen.judged,
        arrived=seen.arrived,
        known_recipients=seen.known_recipients,
        domains=tuple(sorted(replay.domains)),
        taken_back_after_s=replay.taken_back_after_s,
        has_origins=has_origins,
        messages=_fates(sum((one.fates for one in tally.identities.values()), Counter())),
        identities=len(tally.identities),
        hindered=len(hindered),
        rules=tuple(_rules(tally.rules, rulebook, {name: len(who) for name, who in tally.rule_identities.items()})),
        people=tuple(_person(name, one, rulebook) for name, one in hindered[:top]),
        suspects=tuple(sorted(suspects)),
        limits=tuple(_limits(replay.peaks.all(), suspects, top)),
        days=tuple(Day(at=day * DAY_S, messages=_fates(fates)) for day, fates in sorted(tally.days.items())),
        changed=tuple((*pair, number) for pair, number in sorted(tally.changed.items())),
    )


def moment(seconds: float | None) -> str:
    """UTC, as people read it; empty where there was none."""
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def span(seconds: float) -> str:
    """`an hour`, `10 minutes`; empty for 0."""
    for length, name in _SPANS:
        if seconds >= length:
            number = seconds / length
            return f"{'an' if name == 'hour' else 'a'} {name}" if number == 1 else f"{number:g} {name}s"
    return f"{seconds:g} seconds" if seconds else ""


def _is_hindered(one: IdentityTally) -> bool:
    return bool(one.rules) or one.step > Step.FREE


def _weight(one: IdentityTally) -> int:
    return sum(one.fates[fate] for fate in STOPPED)


def _fates(counted: Mapping[Fate, int]) -> Fates:
    return Fates(**{fate.value: counted.get(fate, 0) for fate in Fate})


def _rules(rules: Mapping[str, RuleTally], rulebook: Rulebook, identities: Mapping[str, int]) -> Iterator[OneRule]:
    """The busiest first."""
    for rule, one in sorted(rules.items(), key=lambda pair: (-sum(pair[1].fates.values()), pair[0])):
        if one.first is not None:
            yield OneRule(
                rule=rule,
                mode=rulebook.mode(rule),
                messages=_fates(one.fates),
                recipients=one.recipients,
                observed=one.observed,
                identities=identities.get(rule, 1),
                first=one.first,
            )


def _person(name: str, one: IdentityTally, rulebook: Rulebook) -> OneIdentity:
    return OneIdentity(
        identity=name,
        profile=one.kind,
        messages=_fates(one.fates),
        recipients=one.recipients,
        unknown_recipients=one.unknown_recipients,
        step=one.step.name.lower(),
        step_at=one.step_at,
        rules=tuple(_rules(one.rules, rulebook, {})),
        signals=tuple(
            FoundSignal(kind=kind.value, count=found.count, first_at=found.first.at, evidence=found.first.evidence)
            for kind, found in sorted(one.signals.items())
        ),
    )


def _limits(peaks: Iterable[Peak], suspects: Set[str], top: int) -> Iterator[Limit]:
    """The nearest first."""
    groups = dict[tuple[str, str, float], list[Peak]]()
    for peak in peaks:
        groups.setdefault((peak.rule, peak.kind, peak.seconds), []).append(peak)
    made = [
        _limit(sorted(group, key=lambda one: (-one.highest, one.identity)), suspects, top) for group in groups.values()
    ]
    yield from sorted(made, key=lambda one: (-one.share, one.rule, one.profile, one.limit))


def _limit(group: Sequence[Peak], suspects: Set[str], top: int) -> Limit:
    """`group` is of one limit, the highest first."""
    first = group[0]
    honest = next((one for one in group if one.identity not in suspects), None)
    # Of the domain and of the host nobody knows what it would be without them.
    is_shared = first.identity == EVERYBODY
    return Limit(
        rule=first.rule,
        profile=first.kind,
        window=span(first.seconds),
        limit=first.limit,
        highest=first.highest,
        highest_of_others=honest.highest if honest else 0,
        at=first.at,
        needed=honest.highest if honest and honest.is_over and not (is_shared and suspects) else None,
        needed_by_all=first.highest if first.is_over else None,
        over=sum(one.is_over for one in group if not is_shared),
        identities=tuple((one.identity, one.highest) for one in group if not is_shared)[:top],
    )

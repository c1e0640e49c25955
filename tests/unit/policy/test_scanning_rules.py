"""What follows from the scanner's answer: the table, on the shipped policy and on others."""

from dataclasses import replace

import pytest
from engine_parts import AT_HOME, SETTLED, T, facts_of, internal, known, new, profile_of, strange

from policy.budgets.driving import run_here
from policy.budgets.memory import MemoryBudgets
from policy.contract import Action, Reason, Scan, ScanResult
from policy.engine.judging import Decision, judge
from policy.engine.ladder import FREE, Signal, SignalKind, Standing, Step
from policy.engine.profile import Place, Recipient
from policy.engine.rulebook import Mode, Rulebook, WhenSilent
from policy.engine.scanning import in_words, verdict_on
from policy.rulebook import parse, shipped

BOOK = shipped()
CLEAN, SUSPICIOUS, SPAM, MALWARE, SILENT = (
    Scan(result=result, score=score, symbols=("ONE", "TWO"))
    for result, score in zip(ScanResult, (0.0, 7.0, 20.0, 9.0, 0.0), strict=True)
)
BOTH = (*new(1), *known(2))


def handed_in(
    scan: Scan | None,
    recipients: tuple[Recipient, ...] = BOTH,
    place: Place = AT_HOME,
    book: Rulebook = BOOK,
    **more: object,
) -> Decision:
    profile = profile_of(recipients, place, **more)
    facts = facts_of(profile).model_copy(update={"scan": scan})
    return run_here(judge(facts, profile, book, T), MemoryBudgets(), "m1", T)


ACCEPTED = (Action.ACCEPT, None)
DEFERRED = (Action.DEFER, Reason.SCANNER_SILENT)
HELD = (Action.HOLD, Reason.HELD)
CASES = [
    # what it shows, the scan, recipients, place, expected
    ("no scanner", None, BOTH, strange(), ACCEPTED),
    ("clean", CLEAN, BOTH, strange(), ACCEPTED),
    ("malware, from home and to colleagues", MALWARE, internal(1), AT_HOME, (Action.REJECT, Reason.MALWARE)),
    ("spam, from home and to colleagues", SPAM, internal(1), AT_HOME, (Action.REJECT, Reason.SPAM)),
    ("suspicious, from home", SUSPICIOUS, BOTH, AT_HOME, ACCEPTED),
    ("suspicious, from a settled network", SUSPICIOUS, BOTH, SETTLED, ACCEPTED),
    ("suspicious, from a strange network", SUSPICIOUS, BOTH, strange(), HELD),
    ("suspicious, from a strange network, to known ones", SUSPICIOUS, known(1, 2), strange(), HELD),
    ("silent, to somebody new", SILENT, BOTH, AT_HOME, DEFERRED),
    ("silent, to known ones and colleagues", SILENT, (*known(1), *internal(2)), AT_HOME, ACCEPTED),
    ("silent, to known ones from a strange network", SILENT, known(1), strange(), ACCEPTED),
    ("silent, to somebody new from a strange network", SILENT, new(1), strange(), DEFERRED),
]


@pytest.mark.parametrize(
    ("scan", "recipients", "place", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_follows(
    scan: Scan | None, recipients: tuple[Recipient, ...], place: Place, expected: tuple[Action, Reason | None]
) -> None:
    decision = handed_in(scan, recipients, place)
    assert (decision.action, decision.reason) == expected


WHEN_SILENT = [
    # the policy, recipients, expected
    (WhenSilent.KNOWN, new(1), DEFERRED),
    (WhenSilent.KNOWN, known(1), ACCEPTED),
    (WhenSilent.PASS, new(1), ACCEPTED),
    (WhenSilent.DEFER, new(1), DEFERRED),
    (WhenSilent.DEFER, internal(1), DEFERRED),
]


@pytest.mark.parametrize(("when", "recipients", "expected"), WHEN_SILENT)
def test_what_goes_while_the_scanner_is_silent(
    when: WhenSilent, recipients: tuple[Recipient, ...], expected: tuple[Action, Reason | None]
) -> None:
    """As the policy file says."""
    book = parse(f'[scan]\nwhen-silent = "{when}"', "test")
    decision = handed_in(SILENT, recipients, book=book)
    assert (decision.action, decision.reason) == expected


@pytest.mark.parametrize(
    ("rule", "scan"), [("malware", MALWARE), ("spam", SPAM), ("suspicious", SUSPICIOUS), ("scanner-silent", SILENT)]
)
def test_each_rule_has_its_mode(rule: str, scan: Scan) -> None:
    """Observed, it is written down; off, nothing is."""
    enforced = handed_in(scan, place=strange())
    assert (enforced.rule, enforced.observed) == (rule, ())
    observed = handed_in(scan, place=strange(), book=parse(f'[modes]\n{rule} = "observe"', "test"))
    assert (observed.action, observed.observed) == (Action.ACCEPT, (rule,))
    off = handed_in(scan, place=strange(), book=parse(f'[modes]\n{rule} = "off"', "test"))
    assert (off.action, off.observed) == (Action.ACCEPT, ())
    assert not {one.kind for one in (*observed.signals, *off.signals)} & {SignalKind.SPAM}


def test_spam_alone_holds_and_with_another_signal_locks() -> None:
    """A scanner's word is no proof that a login was stolen."""
    decision = handed_in(SPAM, place=strange())
    (signal,) = decision.signals
    assert (signal.kind, signal.evidence) == (SignalKind.SPAM, "spam, 20.0: ONE, TWO")
    assert decision.standing.step is Step.HOLD
    earlier = Signal(kind=SignalKind.SPREAD, at=T - 60)
    standing = Standing(Step.RESTRICT, Step.FREE, T - 60)
    later = handed_in(SPAM, place=strange(), signals=(earlier,), standing=standing)
    assert later.standing.step is Step.LOCK


def test_the_test_line_of_scanners_is_refused_and_speaks_against_nobody() -> None:
    """Anybody can write it into a letter, and whoever answers quotes it."""
    decision = handed_in(Scan(result=ScanResult.SPAM, score=15.0, symbols=("GTUBE",)))
    assert (decision.action, decision.reason) == (Action.REJECT, Reason.SPAM)
    assert (decision.signals, decision.standing) == ((), FREE)


def test_what_was_seen_abroad_does_not_hold_at_home() -> None:
    assert handed_in(SPAM, place=strange()).standing.home is Step.FREE
    assert handed_in(SPAM, place=AT_HOME).standing.home is Step.HOLD


def test_a_suspicious_message_is_held_whole_whatever_else_is() -> None:
    """The ladder would hold the new recipients alone."""
    standing = Standing(Step.HOLD, Step.FREE, T)
    earlier = Signal(kind=SignalKind.UNSEEN, at=T)
    decision = handed_in(SUSPICIOUS, place=strange(), standing=standing, signals=(earlier,))
    assert decision.action is Action.HOLD


def test_the_evidence_names_what_weighed_most() -> None:
    """In the record of a message that went, too; where there was no scanner, nothing is said."""
    seen = [handed_in(SUSPICIOUS).seen, handed_in(SILENT, known(1)).seen, handed_in(None).seen]
    assert [one.scan for one in seen if one] == [
        (ScanResult.SUSPICIOUS, 7.0, ("ONE", "TWO")),
        (ScanResult.SILENT, 0.0, ("ONE", "TWO")),
        None,
    ]
    assert in_words(Scan(result=ScanResult.CLEAN, score=-0.1)) == "clean, -0.1"


def test_a_locked_login_is_locked_whatever_the_scanner_says() -> None:
    standing = Standing(Step.LOCK, Step.LOCK, T)
    assert handed_in(CLEAN, known(1), standing=standing).reason is Reason.LOCKED


@pytest.mark.parametrize("result", ScanResult)
@pytest.mark.parametrize("mode", Mode)
def test_every_answer_has_an_end(result: ScanResult, mode: Mode) -> None:
    """With every mode."""
    book = replace(BOOK, modes=dict.fromkeys(("malware", "spam", "suspicious", "scanner-silent"), mode))
    profile = profile_of(BOTH, strange())
    found = verdict_on(Scan(result=result), profile, book)
    assert (found is None) == (mode is Mode.OFF or result is ScanResult.CLEAN)

"""What follows from the scanner's answer about a message. Pure; judging.py asks before anything is charged.

    malware      rejected
    spam         rejected, and a signal on the ladder
    suspicious   held from a network on probation; elsewhere it goes, and its record says so
    silent       as the policy's [scan] says
    no scan      there is no scanner, or nobody asked one: nothing follows

Each is a rule with a mode. What a sender is called by a scanner at home is no proof that he is a thief, so that spam
alone holds and no more.
"""

from dataclasses import dataclass

from policy.contract import Action, Reason, Scan, ScanResult
from policy.engine.evidence import Evidence
from policy.engine.ladder import SignalKind
from policy.engine.profile import Profile
from policy.engine.rulebook import Mode, Rulebook, WhenSilent
from service.sentence import Sentence

SYMBOLS_SHOWN = 5
_TEST = "GTUBE"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the scanner's answer makes of a message, by which rule. `signal` is raised beside it."""

    action: Action
    reason: Reason
    rule: str
    signal: SignalKind | None = None


def verdict_on(scan: Scan | None, profile: Profile, rulebook: Rulebook) -> Verdict | None:
    """None where nothing follows from it, whatever its rule's mode is."""
    found = _found(scan, profile, rulebook) if scan else None
    return found if found and rulebook.mode(found.rule) is not Mode.OFF else None


def _found(scan: Scan, profile: Profile, rulebook: Rulebook) -> Verdict | None:
    if scan.result is ScanResult.MALWARE:
        return Verdict(Action.REJECT, Reason.MALWARE, "malware")
    if scan.result is ScanResult.SPAM:
        # No thief writes the test line that every scanner knows; a stranger does, whose letter is answered and quoted.
        return Verdict(Action.REJECT, Reason.SPAM, "spam", None if _TEST in scan.symbols else SignalKind.SPAM)
    if scan.result is ScanResult.SUSPICIOUS and not profile.place.is_settled:
        return Verdict(Action.HOLD, Reason.HELD, "suspicious")
    if scan.result is ScanResult.SILENT and _waits(profile, rulebook.when_silent):
        return Verdict(Action.DEFER, Reason.SCANNER_SILENT, "scanner-silent")
    return None


def _waits(profile: Profile, when_silent: WhenSilent) -> bool:
    """Whether the message is one that does not go without having been scanned."""
    if when_silent is WhenSilent.KNOWN:
        return any(one.is_new for one in profile.recipients)
    return when_silent is WhenSilent.DEFER


def in_words(scan: Scan) -> Sentence:
    """`spam, 15.2: GTUBE, R_MIXED_CHARSET`; names of checks alone, nothing of the message."""
    if scan.result is ScanResult.SILENT:
        return Evidence.SCAN_WITHOUT_ANSWER.of()
    result, score = scan.result.value, round(scan.score, 1)
    if symbols := scan.symbols[:SYMBOLS_SHOWN]:
        return Evidence.SCANNED_FOR.of(result=result, score=score, symbols=symbols)
    return Evidence.SCANNED.of(result=result, score=score)

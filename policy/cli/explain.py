"""`sallyport explain`: why a submission was accepted, slowed, held, deferred or refused. For three in the morning."""

import json as documents
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from policy.cli.output import JSON, plain, printed_width, when
from policy.contract import Action, Reason
from policy.engine.charges import QUARTERS
from policy.engine.ladder import Step
from policy.engine.suspicion import Stood
from policy.location import open_existing
from policy.settings import Settings
from policy.store.areas import beside_network
from policy.store.errors import StoreError
from policy.store.evidence import Evidence, evidence_of, is_taken, rounds
from policy.store.records import Record, find_submission
from policy.visible import visible
from service.settings import load

_OVER = "OVER"
_SPANS = ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute"))
_VERDICTS: Mapping[str, str] = {
    Action.ACCEPT: "ACCEPTED",
    Action.HOLD: "HELD",
    Action.DEFER: "DEFERRED: the client was told to try again later",
    Action.REJECT: "REFUSED",
}
WHY: Mapping[Reason, str] = {
    Reason.CREDENTIAL_REVOKED: "The login was revoked or has expired, or its identity is suspended.",
    Reason.SENDER_NOT_OWNED: "The reverse-path is not an address that the identity may send as.",
    Reason.AUTHOR_NOT_OWNED: "An address in From is not one that the identity may send as.",
    Reason.AUTHOR_MISSING: "The message has no author: no address in From.",
    Reason.SENDER_FIELD_NOT_OWNED: "An address in Sender or in a Resent field is not one of the identity's.",
    Reason.SECRET_IN_MESSAGE: "The message contains the secret of a login.",
    Reason.MALWARE: "The scanner found malware in it.",
    Reason.SPAM: "The scanner took it for spam.",
    Reason.SCANNER_SILENT: "The scanner did not answer, and such mail does not pass without it.",
    Reason.NAME_SHOWS_ADDRESS: "The name beside an address looks like somebody else's address.",
    Reason.TOO_MANY_RECIPIENTS: "The message has more recipients than one message may have.",
    Reason.BUDGET_TOO_SMALL: "The message alone costs more than the limit: no waiting helps.",
    Reason.BUDGET_SPENT: "The identity has sent as much as it may in this time.",
    Reason.SENDING_DELAY: "Mail to new recipients waits a while here, so that it can still be stopped.",
    Reason.NEW_RECIPIENTS: "It reached more new recipients than the identity may; those beyond that number are held.",
    Reason.PROBATION: "It came from a network that is strange to the identity, and went beyond the small budget there.",
    Reason.HELD: "The identity stands on the ladder: mail to new recipients is held. Or this one is suspicious.",
    Reason.HOLD_FULL: "It would have been held, but no more of this identity is.",
    Reason.RESTRICTED: "The identity stands on the ladder: it may write only to recipients that it knows.",
    Reason.LOCKED: "The identity is locked, but for its owner at home.",
    Reason.SERVER_BUDGET_SPENT: "The whole domain, or the whole server, has sent as much as it may in this time.",
}


def explain(
    submission: Annotated[
        str, typer.Argument(metavar="SUBMISSION", help="The id in its Received field and in the logs.")
    ],
    json: JSON = False,
) -> None:
    """Explain what became of a submission: which facts met which rule, and where each budget stood.

    Example: sallyport explain 3f9c0a7d52e14b68
    """
    settings = load(Settings)
    found = find_submission(open_existing(settings), submission)
    if not found:
        raise StoreError(
            f"there is no submission {submission!r}; they are kept for {settings.submissions_kept_days} days "
            "(POLICY_SUBMISSIONS_KEPT_DAYS), and of one identity's refusals no more than a thousand a day"
        )
    evidence = evidence_of(found.evidence)
    if json:
        shown = _plain_evidence(found, evidence) if evidence else None
        print(documents.dumps(plain(found.shown) | {"evidence": shown}))
        return
    console = Console(width=printed_width(), emoji=False)
    for line in words(found, evidence):
        console.print(visible(line), markup=False, highlight=False, soft_wrap=True)
    for title, stood in _rounds(found, evidence.stood if evidence else ()):
        console.print(f"\n{title}", markup=False)
        console.print(_table(stood), markup=False, highlight=False)
    for line in _what_next(found, evidence):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _plain_evidence(found: Record, evidence: Evidence) -> dict[str, object]:
    stood = [one._asdict() | {"is_taken": is_taken(found.action, one)} for one in evidence.stood]
    return plain(evidence) | {"step": evidence.step.name.lower(), "stood": stood}


def words(found: Record, evidence: Evidence | None) -> Iterator[str]:
    where = beside_network(found.origin)
    yield f"{found.id}, {when(found.at)}"
    yield f"{found.identity or 'nobody'} (login {found.login or 'unknown'}) from {found.client_address}, {where}"
    yield f"{counted(found.recipients)}, {found.message_bytes:,} octets, reverse-path <{found.reverse_path}>"
    yield ""
    yield _verdict(found)
    if found.reason in WHY:
        yield f"  {WHY[Reason(found.reason)]}"
    if found.rule:
        yield f"  The rule was {found.rule}."
    if found.outcome:
        held = f", its held part {found.held_queue_id}" if found.held_queue_id else ""
        yield f"  The next hop: {found.outcome} {found.queue_id}{held}".rstrip()
    if evidence is None:
        yield "  Nothing else was written down."
        return
    yield from _section("What was looked at", [(one.name, one.value) for one in evidence.facts])
    yield from _section("What was suspicious about it", [(one.kind, one.evidence) for one in evidence.signals])
    yield from _section("What rules would have stopped it, that only observe", [(one, "") for one in evidence.observed])


def counted(recipients: int) -> str:
    """`1 recipient`."""
    return f"{recipients:,} recipient" if recipients == 1 else f"{recipients:,} recipients"


def _verdict(found: Record) -> str:
    said = _VERDICTS.get(found.action, found.action)
    if found.action == Action.ACCEPT and found.held:
        said = f"ACCEPTED for {counted(found.recipients - found.held)}, HELD for {found.held}"
    return f"{said}{f' ({found.reason})' if found.reason else ''}"


def _section(title: str, lines: Sequence[tuple[str, str]]) -> Iterator[str]:
    if lines:
        width = max(len(name) for name, _ in lines)
        yield ""
        yield title
        yield from (f"  {name:<{width}}  {value}".rstrip() for name, value in lines)


def _rounds(found: Record, stood: Sequence[Stood]) -> Iterator[tuple[str, Sequence[Stood]]]:
    """What was asked for and did not fit, and what was taken in the end: the same window may be in both."""
    refused, taken = rounds(found.action, stood)
    if refused and taken:
        yield "What did not fit, with all of the message", refused
        yield "What was counted in the end", taken
    elif stood:
        yield "Where the budgets stood", refused or taken


def _table(stood: Sequence[Stood]) -> Table:
    table = Table("rule", "in", "before", "with it", "limit", "", box=None, pad_edge=False)
    for one in stood:
        scale = QUARTERS if one.rule == "messages" else 1
        note = _OVER if one.is_over else ""
        table.add_row(
            one.rule,
            _span(one.seconds),
            *(f"{number / scale:,.10g}" for number in (one.before, one.after, one.limit)),
            note if one.is_enforced else f"{note} (observed)".strip(),
        )
    return table


def _what_next(found: Record, evidence: Evidence | None) -> Iterator[str]:
    yield ""
    if evidence:
        if evidence.step > Step.FREE:
            yield f"Then {found.identity} stood at {evidence.step.name.lower()}, at home {evidence.home.name.lower()}."
        if evidence.signals or evidence.step > Step.FREE:
            yield f"Where it stands now: sallyport standing show {found.identity}"
        if evidence.is_settled is False and evidence.network:
            yield f"If the network is the owner's: sallyport network confirm {found.identity} {evidence.network}"
    if found.rulebook:
        yield f"The policy that decided: sallyport policy show {found.rulebook}"


def _span(seconds: float) -> str:
    for length, name in _SPANS:
        if seconds >= length:
            number = seconds / length
            return name if number == 1 else f"{number:g} {name}s"
    return f"{seconds:g} seconds"

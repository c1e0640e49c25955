"""RULES: for each stage the conditions that must hold, in the order in which they are asked.

A rule is a pure function of facts and profile that returns a Reason, or None where its condition holds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from policy.contract import Action, MessageFacts, Reason, canonical_address


class Stage(StrEnum):
    """The points of a session at which a verdict is asked."""

    MESSAGE = "message"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is known of the credential that hands the message in."""

    identity: str
    login: str
    addresses: frozenset[str]  # canonical
    active: bool
    recipients_per_message: int


@dataclass(frozen=True, slots=True)
class Ruling:
    """A refusal with the rule that made it, or an acceptance (`reason` is None)."""

    action: Action
    reason: Reason | None = None
    rule: str = ""


Rule = Callable[[MessageFacts, Profile], Reason | None]


def credential_is_active(facts: MessageFacts, profile: Profile) -> Reason | None:  # noqa: ARG001 - the shape of a rule
    """Asked for each message, not only at login: a session may be open when its credential is revoked."""
    return None if profile.active else Reason.CREDENTIAL_REVOKED


def sender_is_owned(facts: MessageFacts, profile: Profile) -> Reason | None:
    """Refuse a reverse-path that the identity does not own.

    The null reverse-path is let through: RFC 5321 section 4.5.5 reserves it for notifications, and mail clients send
    read receipts with it.
    """
    if not facts.reverse_path or canonical_address(facts.reverse_path) in profile.addresses:
        return None
    return Reason.SENDER_NOT_OWNED


def author_is_named(facts: MessageFacts, profile: Profile) -> Reason | None:  # noqa: ARG001 - the shape of a rule
    """RFC 5322 section 3.6.2 requires an author; without one, readers' clients make one up."""
    return None if facts.authors else Reason.AUTHOR_MISSING


def author_is_owned(facts: MessageFacts, profile: Profile) -> Reason | None:
    """The author is what people see; each address in From must be the identity's own."""
    if all(canonical_address(author) in profile.addresses for author in facts.authors):
        return None
    return Reason.AUTHOR_NOT_OWNED


def recipients_are_few(facts: MessageFacts, profile: Profile) -> Reason | None:
    """The gateway holds this limit at RCPT, too; a gateway that was broken into would not."""
    return None if len(facts.recipients) <= profile.recipients_per_message else Reason.TOO_MANY_RECIPIENTS


RULES: Mapping[Stage, tuple[Rule, ...]] = {
    Stage.MESSAGE: (
        credential_is_active,
        sender_is_owned,
        author_is_named,
        author_is_owned,
        recipients_are_few,
    ),
}

ACCEPTED = Ruling(Action.ACCEPT)


def decide(stage: Stage, facts: MessageFacts, profile: Profile) -> Ruling:
    """The first rule that does not hold decides; each of these is permanent, waiting does not change it."""
    for rule in RULES[stage]:
        if reason := rule(facts, profile):
            return Ruling(Action.REJECT, reason, rule.__name__)
    return ACCEPTED

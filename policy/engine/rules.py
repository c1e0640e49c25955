"""RULES: for each stage the conditions that must hold, in the order in which they are asked.

A rule is a pure function of facts and profile that returns a Reason, or None where its condition holds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from policy.contract import Action, MessageFacts, Reason
from policy.engine.imitation import shows_foreign_address
from policy.engine.profile import Profile


class Stage(StrEnum):
    """The points of a session at which a verdict is asked."""

    MESSAGE = "message"
    DELEGATED = "delegated"  # of a front that has looked at senders and authors itself


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


def message_has_no_secret(facts: MessageFacts, profile: Profile) -> Reason | None:  # noqa: ARG001 - the shape of a rule
    """Whoever reads somebody's secret could send as he does. Before all else: not even the held part goes out."""
    return Reason.SECRET_IN_MESSAGE if profile.gives_secret_away else None


def sender_is_owned(facts: MessageFacts, profile: Profile) -> Reason | None:
    """Refuse a reverse-path that the identity does not own.

    The null reverse-path is let through: RFC 5321 section 4.5.5 reserves it for notifications, and mail clients send
    read receipts with it.
    """
    if not facts.reverse_path or profile.owned.covers(facts.reverse_path):
        return None
    return Reason.SENDER_NOT_OWNED


def author_is_named(facts: MessageFacts, profile: Profile) -> Reason | None:  # noqa: ARG001 - the shape of a rule
    """RFC 5322 section 3.6.2 requires an author; without one, readers' clients make one up."""
    return None if facts.authors else Reason.AUTHOR_MISSING


def author_is_owned(facts: MessageFacts, profile: Profile) -> Reason | None:
    """The author is what people see; each address in From must be the identity's own."""
    if all(profile.owned.covers(author) for author in facts.authors):
        return None
    return Reason.AUTHOR_NOT_OWNED


def sender_fields_are_owned(facts: MessageFacts, profile: Profile) -> Reason | None:
    """Sender is shown as `on behalf of`, and a Resent field says who sends it again: the same as the author's holds."""
    if all(profile.owned.covers(sender) for sender in facts.senders):
        return None
    return Reason.SENDER_FIELD_NOT_OWNED


def names_show_no_foreign_address(facts: MessageFacts, profile: Profile) -> Reason | None:
    """Where a mail program shows a name and no address, a name that is an address is taken for it."""
    if any(shows_foreign_address(name, profile.owned) for name in facts.names):
        return Reason.NAME_SHOWS_ADDRESS
    return None


def recipients_are_few(facts: MessageFacts, profile: Profile) -> Reason | None:
    """The gateway holds this limit at RCPT, too; a gateway that was broken into would not."""
    return None if len(facts.recipients) <= profile.recipients_per_message else Reason.TOO_MANY_RECIPIENTS


RULES: Mapping[Stage, tuple[Rule, ...]] = {
    Stage.MESSAGE: (
        credential_is_active,
        message_has_no_secret,
        sender_is_owned,
        author_is_named,
        author_is_owned,
        sender_fields_are_owned,
        names_show_no_foreign_address,
        recipients_are_few,
    ),
    Stage.DELEGATED: (credential_is_active, recipients_are_few),
}

ACCEPTED = Ruling(Action.ACCEPT)


def decide(stage: Stage, facts: MessageFacts, profile: Profile) -> Ruling:
    """The first rule that does not hold decides; each of these is permanent, waiting does not change it."""
    for rule in RULES[stage]:
        if reason := rule(facts, profile):
            return Ruling(Action.REJECT, reason, rule.__name__)
    return ACCEPTED

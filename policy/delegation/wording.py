"""What Postfix is told for each reason: an action of access(5), and a text for the client. Pure.

The words are those of the gateway (docs/replies.md), so that people find one remedy. The answer to a yes is DUNNO and
never OK: other restrictions still have their say. To hold is of the whole message, whoever of its recipients is meant.
"""

from collections.abc import Mapping

from policy.arrivals import Stop
from policy.contract import Action, Reason
from policy.engine.judging import Decision

YES = "DUNNO"

NOBODY_HERE = "550 5.7.1 This login is not known here, ask your administrator"
NOT_FROM_THERE = "554 5.7.1 No mail is taken from where you are, use another network or ask your administrator"
LATER = "421 4.7.0 Nothing is taken from your network at the moment, try again in an hour"
# While recipients are still told, a client can go on: to these now, to the others afterwards (RFC 5321 4.5.3.1.10).
REST_IN_ANOTHER = "452 4.5.3 Too many recipients in one message, send the rest in another one"

FOR_REASON: Mapping[Reason, str] = {
    Reason.CREDENTIAL_REVOKED: "550 5.7.1 This login may not send any more, set the device up anew",
    Reason.SENDER_NOT_OWNED: "553 5.7.1 Sender address not owned by this login",
    Reason.AUTHOR_NOT_OWNED: "550 5.7.1 Address in the From header field not owned by this login",
    Reason.AUTHOR_MISSING: "554 5.6.0 Message has no From header field",
    Reason.SENDER_FIELD_NOT_OWNED: "550 5.7.1 Address in the Sender or a Resent field not owned by this login",
    Reason.SECRET_IN_MESSAGE: (
        "550 5.7.1 The message contains the secret of a login; remove it, and set the device up anew"
    ),
    Reason.MALWARE: "554 5.7.1 The message contains malware, remove the attachment and check your computer",
    Reason.SPAM: "554 5.7.1 The message looks like spam, ask your administrator if it is none",
    Reason.SCANNER_SILENT: "451 4.7.1 The message cannot be scanned at the moment, try again later",
    Reason.NAME_SHOWS_ADDRESS: "550 5.7.1 The sender's name shows an address not owned by this login",
    Reason.TOO_MANY_RECIPIENTS: "550 5.5.3 Too many recipients in one message, send it in several",
    Reason.BUDGET_TOO_SMALL: "550 5.5.3 More recipients than this login may reach at all, send to fewer",
    Reason.BUDGET_SPENT: "451 4.7.1 Too many recipients in a short time, try again later",
    Reason.SENDING_DELAY: "451 4.7.1 Mail to new recipients waits a moment here, try again later",
    Reason.NEW_RECIPIENTS: "451 4.7.1 Too many new recipients at once, send to some of them later",
    Reason.PROBATION: "451 4.7.1 More than may be sent from here yet, try again tomorrow or ask your administrator",
    Reason.HELD: "451 4.7.1 Mail of this login waits for a decision, ask your administrator",
    Reason.HOLD_FULL: "451 4.7.1 Too much mail of this login waits for a decision, ask your administrator",
    Reason.RESTRICTED: "550 5.7.1 This login may write to known recipients only, ask your administrator",
    Reason.LOCKED: "550 5.7.1 This login is locked, ask your administrator",
    Reason.SERVER_BUDGET_SPENT: "451 4.3.2 Too much mail leaves this server at the moment, try again later",
}

STOPPED: Mapping[Stop, str] = {Stop.CONTAINED: FOR_REASON[Reason.LOCKED], Stop.GATE: NOT_FROM_THERE}


def action_for(decision: Decision) -> str:
    """The action on the whole message."""
    if decision.action is Action.HOLD or decision.held:
        return f"HOLD {decision.reason or Reason.HELD}"
    if decision.action is Action.ACCEPT:
        return YES
    return FOR_REASON[decision.reason or Reason.BUDGET_SPENT]


def action_on_recipient(decision: Decision) -> str:
    """The same on the recipient that is asked about: nothing is held before the message is there."""
    if decision.action not in (Action.DEFER, Action.REJECT):
        return YES
    return REST_IN_ANOTHER if decision.reason is Reason.TOO_MANY_RECIPIENTS else action_for(decision)

"""What a message costs, and the limits of each budget.

Recipients are counted, not messages: one message to 500 people is 500 chances to hurt. Every RCPT counts, the same
recipient twice as well, so that no spelling and no repetition is cheaper than another.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from policy.contract import Action, MessageFacts, Reason
from policy.engine.rules import Profile, Ruling


@dataclass(frozen=True, slots=True)
class Window:
    """At most `limit` in any span of `seconds`."""

    limit: int
    seconds: float


REFUSALS_KEPT = Window(1000, 24 * 3600.0)  # of one identity; thirty days of them are some megabytes


@dataclass(frozen=True, slots=True)
class Charge:
    """`cost` is to be taken from the budget `key`, in all of its windows or in none."""

    key: str
    cost: int
    windows: tuple[Window, ...]


def charge_for(facts: MessageFacts, profile: Profile, windows: Sequence[Window]) -> Charge:
    """The recipients of the message, on the budget of the identity: a second device is no second budget."""
    return Charge(f"recipients:{profile.identity}", len(facts.recipients), tuple(windows))


def charge_for_record(identity: str) -> Charge:
    """A refused message costs a row in the store; beyond these it is in the log alone."""
    return Charge(f"refusals:{identity}", 1, (REFUSALS_KEPT,))


def refusal_for(charge: Charge) -> Ruling:
    """How a charge without room is refused.

    A cost above the limit itself would never fit: it is rejected, or the client would try again for ever.
    """
    if any(charge.cost > window.limit for window in charge.windows):
        return Ruling(Action.REJECT, Reason.BUDGET_TOO_SMALL, "budget")
    return Ruling(Action.DEFER, Reason.BUDGET_SPENT, "budget")

"""How often what was decided, in five minutes: counted in memory, written to the store every few seconds.

What is lost with a process is the last seconds of figures; budgets and records do not hang on them. The labels are ours
alone: nothing that a stranger chooses makes a row. Prometheus' figures are the same ones (policy/metrics.py).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from policy.contract import Action, ConnectOutcome
from policy.engine.ladder import SignalKind
from policy.queue_contract import DeliveryOutcome

GRAIN_S = 300


class Stage(StrEnum):
    """Where something was decided."""

    CONNECT = "connect"
    LOGIN = "login"
    PICKUP = "pickup"  # a login at Dovecot
    MESSAGE = "message"
    DELIVERY = "delivery"  # what the world said
    SIGNAL = "signal"  # outcome: its kind; reason: the step that it led to
    OBSERVED = "observed"  # outcome: a rule that only observes, and would have met


class Login(StrEnum):
    """The outcomes of a login."""

    GRANTED = "granted"
    REFUSED = "refused"
    LATER = "later"  # nothing was looked at, or it cannot be told now
    MALFORMED = "malformed"


class LoginReason(StrEnum):
    """Why a login was not granted. The client hears one word for all that is refused."""

    SECRET = "secret"  # noqa: S105 - no such login, or the wrong secret: a guess
    PROOF = "proof"  # a certificate or a token that is nobody's, or none
    EXCHANGE = "exchange"  # the SASL exchange asks for what is not to be had
    REVOKED = "revoked"
    CONTAINED = "contained"  # suspended by an incident
    SUSPENDED = "suspended"  # the identity
    EXPIRED = "expired"
    SCOPE = "scope"  # not what the credential is for
    NETWORK = "network"  # not from where the credential is good
    GATE = "gate"  # of countries and networks
    LOCKED = "locked"  # by the ladder
    LISTED = "listed"  # on a list of the Dovecot of another server
    WALLED_NETWORK = "walled-network"
    WALLED_LOGIN = "walled-login"
    BUSY = "busy"  # too many secrets to verify
    SESSIONS = "sessions"  # of mail pickup, too many are open
    UNAVAILABLE = "unavailable"  # somebody else has to say, and does not answer


class What(NamedTuple):
    """One figure."""

    stage: Stage
    outcome: str
    reason: str = ""


# All words that there are, but for OBSERVED, which has those of policy.rulebook.model.RULES.
OUTCOMES: Mapping[Stage, tuple[str, ...]] = {
    Stage.CONNECT: tuple(ConnectOutcome),
    Stage.LOGIN: tuple(Login),
    Stage.PICKUP: tuple(Login),
    Stage.MESSAGE: tuple(Action),
    Stage.DELIVERY: tuple(DeliveryOutcome),
    Stage.SIGNAL: tuple(SignalKind),
}


class Count(NamedTuple):
    number: int
    recipients: int


@dataclass(slots=True)
class Tally:
    """One for a process; `totals` since its start."""

    totals: Counter[What] = field(default_factory=Counter)
    _waiting: dict[int, dict[What, Count]] = field(default_factory=dict)

    def note(self, what: What, now: float, recipients: int = 0) -> None:
        self.totals[what] += 1
        of_now = self._waiting.setdefault(int(now) // GRAIN_S * GRAIN_S, {})
        number, before = of_now.get(what, (0, 0))
        of_now[what] = Count(number + 1, before + recipients)

    def take(self) -> Mapping[int, Mapping[What, Count]]:
        """What is not written yet, by the first second of the five minutes. It is the caller's from now on."""
        taken, self._waiting = self._waiting, {}
        return taken

    def give_back(self, taken: Mapping[int, Mapping[What, Count]]) -> None:
        """It could not be written."""
        for at, counts in taken.items():
            of_then = self._waiting.setdefault(at, {})
            for what, count in counts.items():
                number, recipients = of_then.get(what, (0, 0))
                of_then[what] = Count(number + count.number, recipients + count.recipients)

"""What has happened, whatever it was read from. `at` is seconds since the epoch; they come in the order of time."""

from dataclasses import dataclass
from typing import TypeAlias

from policy.queue_contract import DeliveryOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class BecameOf:
    """What the world said of one recipient."""

    at: float
    submission: str
    recipient: str
    outcome: DeliveryOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedIn:
    """A message of somebody who has logged in. `login` is empty for nobody: such a message is not handed in."""

    at: float
    submission: str  # names it: queue id and host, or the submission's id
    login: str
    client_address: str
    reverse_path: str
    recipients: tuple[str, ...]
    message_bytes: int
    became: tuple[BecameOf, ...] = ()
    kind: str = ""  # its profile, where that was recorded
    area: str = ""  # Origin.area, where that was recorded
    recorded: str = ""  # the action that was taken, where it was recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A message that came in: its recipients know who wrote to them."""

    at: float
    reverse_path: str
    recipients: tuple[str, ...]


Happening: TypeAlias = HandedIn | BecameOf | Arrived

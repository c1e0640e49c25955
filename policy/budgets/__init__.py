"""Budgets: exact sliding windows, charged by reserve, then commit or release.

    engine/budget.py   what is asked and answered
    moments.py         when a charge counts as made: what all back ends agree on
    memory.py          in this process alone: simulation, replay
    stored.py          in the database, in the transaction that writes the decision down; stored_sql.py has the text
    valkey.py          in Valkey or Redis, one script for each decision; valkey_line.py the connection
    location.py        which of these the settings name
    driving.py         asks them what a decision wants to know
    looking.py         where those of one identity stand, for a page

A reservation counts from the moment at which it is made. Reserving is one atomic step, so no number of sessions in
parallel can overshoot a limit. `release` gives back what was certainly not sent; everything else stays counted:
a gateway that died between the verdict and its report may have sent the message, and a limit that forgets what may
have been sent is no limit. One test-suite runs against all three back ends.
"""

from typing import Protocol

from policy.engine.budget import Charge, Take, Taken


class Budgets(Protocol):
    """What the back ends offer that answer at once. `now` is seconds since the epoch and comes from the caller.

    Where the clock was set back, time stands still for a key: it never counts less because of that.
    """

    def reserve(self, reservation: str, take: Take, now: float) -> Taken:
        """Take the charges if they fit. A reservation without any charge is none, and is not open afterwards."""

    def commit(self, reservation: str, now: float) -> bool:
        """The message was relayed, or may have been. False if there is no such open reservation."""

    def release(self, reservation: str, now: float) -> bool:
        """The message was certainly not relayed: give the charges back. False if there is no such open reservation."""

    def peek(self, charges: tuple[Charge, ...], now: float) -> Taken:
        """What a reserve of these charges would answer; nothing is changed."""

"""Budgets: exact sliding windows, charged by reserve, then commit or release.

A reservation counts from the moment at which it is made. Reserving is one atomic step, so no number of sessions in
parallel can overshoot a limit. `release` gives back what was certainly not sent; everything else stays counted:
a gateway that died between the verdict and its report may have sent the message, and a limit that forgets what may
have been sent is no limit.
"""

from typing import Protocol

from policy.engine.charges import Charge


class Budgets(Protocol):
    """What a back end offers, within a transaction that the caller has begun (store/writer.py) and that other writers
    wait for. `now` is seconds since the epoch and comes from the caller.
    """

    def reserve(self, reservation: str, charge: Charge, now: float) -> bool:
        """Take the charge if every window has room for all of it; False, and nothing taken, otherwise."""

    def commit(self, reservation: str) -> bool:
        """The message was relayed, or may have been. False if there is no such open reservation."""

    def release(self, reservation: str) -> bool:
        """The message was certainly not relayed: give the charge back. False if there is no such open reservation."""

    def spent(self, charge: Charge, now: float) -> list[int]:
        """What is counted now in each window of the charge, in their order."""

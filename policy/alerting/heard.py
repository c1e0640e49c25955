"""What the questions say by themselves about who asks them: whether a gateway is there, and its scanner answers.

Kept in memory, a few numbers; watching.py looks at them from time to time.
"""

from dataclasses import dataclass

from policy.contract import Scan, ScanResult


@dataclass(slots=True)
class Heard:
    """Of this process, since it was last looked at."""

    gateway_at: float | None = None  # a gateway asks for revocations twice a second, whether anybody sends or not
    scanned: int = 0
    unscanned: int = 0

    def note_gateway(self, now: float) -> None:
        self.gateway_at = now

    def note_scan(self, scan: Scan | None) -> None:
        if scan:
            self.scanned += 1
            self.unscanned += scan.result is ScanResult.SILENT

    def take_scans(self) -> tuple[int, int]:
        """How many there were, and how many of them without an answer; counted anew from now on."""
        found = self.scanned, self.unscanned
        self.scanned = self.unscanned = 0
        return found

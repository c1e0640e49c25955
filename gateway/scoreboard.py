"""What the gateway counts, over all worker processes: a row of numbers for each worker, in memory that they share.

A worker writes its own row and nobody else's, so no lock is needed. COUNTERS is the table of what there is;
docs/metrics.md has an entry for each, and a test holds the two together. A worker that is replaced goes on with the row
of its predecessor, so that no counter goes backwards.
"""

import mmap
from collections.abc import Iterator
from itertools import count

# Name and labels as Prometheus shows them, and what is counted.
COUNTERS: tuple[tuple[str, dict[str, str], str], ...] = (
    ("connections_total", {"outcome": "accepted"}, "Connections, by what became of them at the door"),
    ("connections_total", {"outcome": "capped"}, ""),
    ("connections_total", {"outcome": "shed"}, ""),
    ("connections_total", {"outcome": "untrusted-proxy"}, ""),
    ("connections_total", {"outcome": "talked-first"}, ""),
    ("admissions_total", {"outcome": "accepted"}, "Connections, by what policy said of where they come from"),
    ("admissions_total", {"outcome": "refused"}, ""),
    ("admissions_total", {"outcome": "later"}, ""),
    ("admissions_total", {"outcome": "unanswered"}, ""),
    ("handshakes_total", {"outcome": "done"}, "TLS handshakes"),
    ("handshakes_total", {"outcome": "failed"}, ""),
    ("logins_total", {"outcome": "granted"}, "Finished SASL exchanges"),
    ("logins_total", {"outcome": "refused"}, ""),
    ("logins_total", {"outcome": "malformed"}, ""),
    ("logins_total", {"outcome": "deferred"}, ""),
    ("logins_total", {"outcome": "unavailable"}, ""),
    ("messages_total", {"outcome": "relayed"}, "Messages that were read to their end"),
    ("messages_total", {"outcome": "refused"}, ""),
    ("messages_total", {"outcome": "deferred"}, ""),
    ("messages_held_total", {}, "Relayed messages that the next hop keeps on hold, whole or for some recipients"),
    ("message_octets_total", {}, "Octets of relayed messages"),
    ("spooled_octets_total", {}, "Octets that were spooled to a file because a message exceeded the memory part"),
    ("sessions_expired_total", {}, "Sessions that ran into a deadline"),
    ("policy_failures_total", {}, "Questions to policy that got no answer"),
    ("relay_failures_total", {}, "Relays that failed for a reason of the next hop"),
    ("scans_total", {"outcome": "clean"}, "Messages that the scanner was to look at, by what it said"),
    ("scans_total", {"outcome": "suspicious"}, ""),
    ("scans_total", {"outcome": "spam"}, ""),
    ("scans_total", {"outcome": "malware"}, ""),
    ("scans_total", {"outcome": "silent"}, ""),
    ("scan_microseconds_total", {}, "Time that messages waited for the scanner"),
    ("messages_signed_total", {}, "Messages that got a DKIM signature"),
)
# Written by each worker for itself; the largest of all workers is shown.
GAUGES: tuple[tuple[str, str], ...] = (
    ("loop_lag_milliseconds", "How late the slowest worker's event loop is"),
    ("certificate_reload_failed", "1 while a certificate on disk cannot be loaded and the old one still serves"),
    ("scanner_silent", "1 while the scanner gave no answer that can be read to the last message of some worker"),
    ("certificate_expires_at_seconds", "When the first of the served certificates expires, seconds since the epoch"),
)
_PLACES = {(name, tuple(labels.items())): place for place, (name, labels, _) in enumerate(COUNTERS)}
_GAUGE_PLACES = {name: place for place, (name, _) in zip(count(len(COUNTERS)), GAUGES, strict=False)}
_WIDTH = len(COUNTERS) + len(GAUGES)


class Scoreboard:
    """Made once, before the workers are forked. `worker` is set in each of them, 1 to `workers`."""

    def __init__(self, workers: int) -> None:
        self.worker = 1
        self._workers = workers
        self._memory = memoryview(mmap.mmap(-1, 8 * _WIDTH * workers)).cast("q")

    def count(self, name: str, outcome: str = "", by: int = 1) -> None:
        labels = (("outcome", outcome),) if outcome else ()
        self._memory[(self.worker - 1) * _WIDTH + _PLACES[name, labels]] += by

    def set(self, name: str, value: float) -> None:
        self._memory[(self.worker - 1) * _WIDTH + _GAUGE_PLACES[name]] = int(value)

    def totals(self) -> Iterator[tuple[str, dict[str, str], str, int]]:
        """Each counter: name, labels, help, and its sum over the workers."""
        for place, (name, labels, what) in enumerate(COUNTERS):
            yield name, labels, what, sum(self._column(place))

    def gauges(self) -> Iterator[tuple[str, str, int]]:
        """Each gauge: name, help, and the largest of the workers."""
        for name, what in GAUGES:
            yield name, what, max(self._column(_GAUGE_PLACES[name]))

    def _column(self, place: int) -> list[int]:
        return [self._memory[row * _WIDTH + place] for row in range(self._workers)]

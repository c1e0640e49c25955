"""What the gateway counts, over all worker processes: a row of numbers for each worker, in memory that they share.

    scoreboard.py   (you are here) what is counted, and where
    metrics.py      how Prometheus is told

A worker writes its own row and nobody else's, so no lock is needed. COUNTERS, GAUGES and DURATIONS are the tables of
what there is; docs/metrics.md has an entry for each, and a test holds the two together. A worker that is replaced goes
on with the row of its predecessor, so that no counter goes backwards.
"""

import mmap
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

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
    ("message_bytes_total", {}, "Of relayed messages"),
    ("spooled_bytes_total", {}, "Of relayed messages, what was spooled to a file because it exceeded the memory part"),
    ("sessions_expired_total", {}, "Sessions that ran into a deadline"),
    ("policy_failures_total", {}, "Questions to policy that got no answer"),
    ("relay_failures_total", {}, "Relays that failed for a reason of the next hop"),
    ("scans_total", {"outcome": "clean"}, "Messages that the scanner was to look at, by what it said"),
    ("scans_total", {"outcome": "suspicious"}, ""),
    ("scans_total", {"outcome": "spam"}, ""),
    ("scans_total", {"outcome": "malware"}, ""),
    ("scans_total", {"outcome": "silent"}, ""),
    ("messages_signed_total", {}, "Messages that got a DKIM signature"),
)
# Written by each worker for itself; the largest of all workers is shown.
GAUGES: tuple[tuple[str, str], ...] = (
    ("loop_lag_seconds", "How late the slowest worker's event loop is"),
    ("certificate_reload_failed", "1 while a certificate on disk cannot be loaded and the old one still serves"),
    ("scanner_silent", "1 while the scanner gave no answer that can be read to the last message of some worker"),
    ("policy_silent", "1 while policy has not answered some worker for seconds"),
    ("policy_contract", "The newest contract of a policy that does not speak the gateway's own; 0 while it does"),
    ("next_hop_silent", "1 while some worker does not reach the next hop"),
    ("hold_relay_silent", "1 while some worker does not reach the listener for mail that is held"),
    ("certificate_expires_timestamp_seconds", "When the first of the served certificates expires, since the epoch"),
)
# How long something took, sorted into BOUNDS_S.
DURATIONS: tuple[tuple[str, str], ...] = (
    ("decision_duration_seconds", "From the question about a message to policy's answer"),
    ("scan_duration_seconds", "How long messages waited for the scanner"),
    ("relay_duration_seconds", "From the verdict until the next hop has all of a message on disk, or has failed"),
)
BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 75.0)
_BUCKETS = len(BOUNDS_S) + 1  # the last one is what took longer than all bounds
_MILLIONTHS = 1_000_000  # a row has whole numbers

_PLACES = {(name, tuple(labels.items())): place for place, (name, labels, _) in enumerate(COUNTERS)}
_GAUGE_PLACES = {name: len(COUNTERS) + place for place, (name, _) in enumerate(GAUGES)}
# The buckets of each, then the sum.
_DURATION_PLACES = {
    name: len(COUNTERS) + len(GAUGES) + place * (_BUCKETS + 1) for place, (name, _) in enumerate(DURATIONS)
}
_LOOKS_AT = len(COUNTERS) + len(GAUGES) + len(DURATIONS) * (_BUCKETS + 1)
_WIDTH = _LOOKS_AT + 1


@dataclass(frozen=True, slots=True)
class Durations:
    """`counts` has one number for each of BOUNDS_S and one for what took longer; each duration is in one of them."""

    name: str
    what: str
    counts: tuple[int, ...]
    sum_s: float


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
        self._memory[(self.worker - 1) * _WIDTH + _GAUGE_PLACES[name]] = round(value * _MILLIONTHS)

    def looks_again(self, at: float) -> float:
        """Tell when this worker looks again how late it is, on the loop's clock, which is one for all workers.

        The earliest such moment of all: a worker that hangs is late since then, and cannot say so itself.
        """
        self._memory[(self.worker - 1) * _WIDTH + _LOOKS_AT] = round(at * _MILLIONTHS)
        return min(one for one in self._column(_LOOKS_AT) if one) / _MILLIONTHS

    def turned(self, worker: int) -> int:
        """What is another number as soon as the event loop of `worker` has turned."""
        return self._memory[(worker - 1) * _WIDTH + _LOOKS_AT]

    def time(self, name: str, seconds: float) -> None:
        """Something took so long."""
        first = (self.worker - 1) * _WIDTH + _DURATION_PLACES[name]
        self._memory[first + bisect_left(BOUNDS_S, seconds)] += 1
        self._memory[first + _BUCKETS] += round(seconds * _MILLIONTHS)

    def totals(self) -> Iterator[tuple[str, dict[str, str], str, int]]:
        """Each counter: name, labels, help, and its sum over the workers."""
        for place, (name, labels, what) in enumerate(COUNTERS):
            yield name, labels, what, sum(self._column(place))

    def gauges(self) -> Iterator[tuple[str, str, float]]:
        """Each gauge: name, help, and the largest of the workers."""
        for name, what in GAUGES:
            yield name, what, max(self._column(_GAUGE_PLACES[name])) / _MILLIONTHS

    def durations(self) -> Iterator[Durations]:
        """Summed over the workers."""
        for name, what in DURATIONS:
            first = _DURATION_PLACES[name]
            counts = tuple(sum(self._column(first + bucket)) for bucket in range(_BUCKETS))
            yield Durations(name, what, counts, sum(self._column(first + _BUCKETS)) / _MILLIONTHS)

    def _column(self, place: int) -> list[int]:
        return [self._memory[row * _WIDTH + place] for row in range(self._workers)]

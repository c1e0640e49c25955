"""What keeps the agent from its work, as those who do it last saw it; /health/ready says it (service/health.py).

watch.py       whether Postfix's log can be followed
reporting.py   whether policy takes reports
app.py         whether Postfix does what it is told
"""

from dataclasses import dataclass

from service.health import Health

_QUEUE = "the queue cannot be read"
_LOG = "Postfix's log cannot be followed: nobody learns what becomes of mail; the log has log-not-followed"


@dataclass(slots=True)
class Condition:
    """Of one process."""

    is_log_followed: bool = True
    is_policy_taking: bool = True
    failed_order: str = ""  # hold, release, ...: the last one came to nothing

    def health(self, *, is_queue_read: bool, unreported: int) -> Health:
        faults = [] if is_queue_read else [_QUEUE]
        if not self.is_log_followed:
            faults.append(_LOG)
        if self.failed_order:
            faults.append(f"the last order ({self.failed_order}) could not be carried out; the log has postfix-failed")
        taken = "policy does not take reports of what became of mail"
        warnings = [] if self.is_policy_taking else [f"{taken}: {unreported} wait"]
        return Health(tuple(faults), tuple(warnings))

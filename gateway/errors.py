"""Errors that carry their reply: `reply` is for the client, str(self) for the log, and the two never mix."""

from gateway import replies
from gateway.replies import Reply


class TransactionFailed(Exception):
    """The transaction cannot go on."""

    reply: Reply = replies.INTERNAL_ERROR


class PolicyUnavailable(TransactionFailed):
    """Policy gave no sensible answer in time. To fail closed costs a delay; to fail open, an open spam outlet."""

    reply = replies.POLICY_UNAVAILABLE


class RelayFailed(TransactionFailed):
    """The next hop did not take the message. `is_certain` is False where it may have taken it all the same."""

    def __init__(self, detail: str, reply: Reply, *, is_certain: bool = True) -> None:
        super().__init__(detail)
        self.reply = reply
        self.is_certain = is_certain


class SessionOver(Exception):
    """The session ends here; `reply` is the last line that the client gets, if it is still there to get one."""

    def __init__(self, reply: Reply | None = None) -> None:
        super().__init__(str(reply or "closed by the client"))
        self.reply = reply

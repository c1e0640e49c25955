"""Logs of Postfix as recipient history: whom each login has written to, as far as it was delivered.

What another server took (status=sent, dsn=2.x) says that the recipient exists and that nobody minded; what bounced, or
was deferred for days, says nothing good of who wrote it.
"""

from collections.abc import Iterator

from maillog.events import LoggedDelivery, LoggedMessage, LoggedRecipient
from maillog.files import Log
from maillog.outcomes import outcome_of
from policy.learning.found import Found, Item, PassedOver
from policy.queue_contract import DeliveryOutcome


def deliveries(log: Log) -> Iterator[Item]:
    """Of everybody who has a login. `log` says in the end what of it was broken."""
    for told in log.told():
        if isinstance(told, LoggedMessage) and not told.sasl_username:
            yield PassedOver("not handed in with a login")
        elif isinstance(told, LoggedMessage | LoggedDelivery) and told.sasl_username:
            recipients = told.recipients if isinstance(told, LoggedMessage) else (told.recipient,)
            if delivered := [one for one in recipients if _is_delivered(one)]:
                addresses = tuple(one.address for one in delivered)
                yield Found(told.sasl_username, addresses, max(one.at for one in delivered))


def _is_delivered(one: LoggedRecipient) -> bool:
    return outcome_of(one.status, one.dsn, one.text) is DeliveryOutcome.DELIVERED

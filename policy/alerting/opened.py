"""The channels that the settings name, opened: in policy's own process, and in the sender's.

Policy mails. Webhooks and Apprise go out from whoever has their settings: the sender, where policy has no way out.
"""

import base64
import random
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from policy.alerting.apprises import open_apprises
from policy.alerting.courier import Courier, Means
from policy.alerting.heard import Heard
from policy.alerting.mails import ToAdministrator, ToOwner, mailing_of
from policy.alerting.parcels import Carrier
from policy.alerting.watching import Watched, Watching
from policy.alerting.webhooks import Webhook, hooks, read_secrets
from policy.containment.queues import Queues
from policy.doveadm import Doveadm
from policy.geo.atlas import Atlas
from policy.secret_files import create_file
from policy.settings import Settings
from policy.store.notice_desk import NoticeDesk
from policy.store.notices import ADMINISTRATOR, OWNER, NoticeBook
from policy.store.reader import Reader
from policy.store.transactions import Transactions
from policy.store.writer import Writer

_KEY_SETTING = "POLICY_ALERT_WEBHOOK_SECRET_FILE"


def mail_carriers(
    settings: Settings, reader: Reader, clock: Callable[[], float], doveadm: Doveadm | None
) -> dict[str, Carrier]:
    """To the administrator and to owners."""
    mailing = mailing_of(settings, doveadm)
    return {
        ADMINISTRATOR: ToAdministrator(mailing, clock, settings.console_origin),
        OWNER: ToOwner(mailing, clock, reader, settings.console_origin),
    }


def program_carriers(settings: Settings, clock: Callable[[], float]) -> dict[str, Carrier]:
    """To whatever else the settings name; SettingError where that cannot be."""
    return dict(_program_carriers(settings, clock))


@dataclass(frozen=True, slots=True)
class LookedAt:
    """What watching.py measures, beside files. `held_s` is for how long held mail waits for a decision."""

    atlas: Atlas
    queue: Queues | None
    held_s: Callable[[], float]


def alerting(
    settings: Settings,
    reader: Reader,
    transactions: Transactions,
    looked_at: LookedAt,
    clock: Callable[[], float],
    doveadm: Doveadm | None,
) -> Callable[[Writer, Heard], Sequence[Courier | Watching]]:
    """What policy has beside its questions; SettingError at once where a channel cannot be."""
    carriers = mail_carriers(settings, reader, clock, doveadm) | program_carriers(settings, clock)

    def made(writer: Writer, heard: Heard) -> Sequence[Courier | Watching]:
        watched = Watched(
            reader=reader,
            writer=writer,
            notices=NoticeBook(transactions),
            desk=NoticeDesk(transactions),
            heard=heard,
            certificate=settings.tls_cert,
            atlas=looked_at.atlas,
            queue=looked_at.queue,
            held_s=looked_at.held_s,
            clock=clock,
        )
        means = Means(
            reader=reader,
            writer=writer,
            desk=NoticeDesk(transactions),
            carriers=carriers,
            clock=clock,
            jitter=random.random,
        )
        return (Courier(means), Watching(watched))

    return made


def make_secret(path: Path) -> bool:
    """The secret of webhooks, unless it is there."""
    content = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}\n"
    return create_file(_KEY_SETTING, path, content.encode())


def _program_carriers(settings: Settings, clock: Callable[[], float]) -> Iterator[tuple[str, Carrier]]:
    if settings.alert_webhooks:
        make_secret(settings.alert_webhook_secret)
        keys = read_secrets(_KEY_SETTING, settings.alert_webhook_secret)
        for hook in hooks(settings.alert_webhooks):
            yield hook.channel, Webhook(hook.url, keys, settings.hostname, clock)
    if settings.alert_apprise_file:
        yield from open_apprises(settings.alert_apprise_file, settings.console_origin)

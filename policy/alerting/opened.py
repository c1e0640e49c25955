"""The channels that the settings name, opened: in policy's own process, and in the sender's.

Policy mails. Webhooks and Apprise go out from whoever has their settings: the sender, where policy has no way out.
"""

import base64
import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from policy.alerting.apprises import open_apprises
from policy.alerting.courier import Courier, Means
from policy.alerting.mails import ToAdministrator, ToOwner, mailing_of
from policy.alerting.parcels import Carrier
from policy.alerting.webhooks import Webhook, hooks, read_secrets
from policy.secret_files import create_file
from policy.settings import Settings
from policy.store.notice_desk import NoticeDesk
from policy.store.notices import ADMINISTRATOR, OWNER
from policy.store.reader import Reader
from policy.store.transactions import Transactions
from policy.store.writer import Writer

_KEY_SETTING = "POLICY_ALERT_WEBHOOK_SECRET_FILE"


def mail_carriers(settings: Settings, reader: Reader, clock: Callable[[], float]) -> dict[str, Carrier]:
    """To the administrator and to owners."""
    mailing = mailing_of(settings)
    return {
        ADMINISTRATOR: ToAdministrator(mailing, clock),
        OWNER: ToOwner(mailing, clock, reader, settings.console_origin),
    }


def program_carriers(settings: Settings, clock: Callable[[], float]) -> dict[str, Carrier]:
    """To whatever else the settings name; SettingError where that cannot be."""
    return dict(_program_carriers(settings, clock))


def courier(
    reader: Reader,
    transactions: Transactions,
    writer: Writer,
    carriers: Mapping[str, Carrier],
    beat: Callable[[], None] = lambda: None,
) -> Courier:
    """On the clock of this machine."""
    means = Means(
        reader=reader,
        writer=writer,
        desk=NoticeDesk(transactions),
        carriers=carriers,
        clock=time.time,
        jitter=random.random,
        beat=beat,
    )
    return Courier(means)


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
        yield from open_apprises(settings.alert_apprise_file)

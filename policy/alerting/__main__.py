"""The sender alone: webhooks and Apprise, where policy itself has no way out. `--check` only reads the settings.

It works on the store of policy, listens nowhere and asks policy nothing. Exit code 2 with one sentence for a wrong
setting.
"""

import asyncio
import random
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from policy import log
from policy.alerting.courier import Courier, Means
from policy.alerting.opened import program_carriers
from policy.alerting.parcels import Carrier
from policy.location import location, named_location
from policy.settings import Settings
from policy.store.notice_desk import NoticeDesk
from policy.store.reader import open_reader
from policy.store.transactions import open_transactions
from policy.store.writer import Writer
from service import log as service_log
from service.settings import SettingError, load, stop

# Written in each round: whoever watches over the container looks how old it is.
ALIVE = Path(tempfile.gettempdir()) / "alerting.alive"


def main() -> None:
    try:
        settings = load(Settings)
        named_location(settings)
        carriers = _carriers(settings)
        if sys.argv[1:] == ["--check"]:
            return
        service_log.configure(settings.log_format)
        asyncio.run(_run(settings, carriers))
    except SettingError as error:
        stop(error, "alerting")


def _carriers(settings: Settings) -> Mapping[str, Carrier]:
    if found := program_carriers(settings, time.time):
        return found
    remedy = "set it, or POLICY_ALERT_APPRISE_FILE, or do not run the sender"
    raise SettingError("POLICY_ALERT_WEBHOOKS", "there is nothing to send by", remedy)


async def _run(settings: Settings, carriers: Mapping[str, Carrier]) -> None:
    ended = asyncio.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(one, ended.set)
    where = location(settings)
    reader, transactions = open_reader(where), open_transactions(where)
    writer = Writer(transactions)
    means = Means(
        reader=reader,
        writer=writer,
        desk=NoticeDesk(transactions),
        carriers=carriers,
        clock=time.time,
        jitter=random.random,
        beat=ALIVE.touch,
    )
    sender = Courier(means)
    sender.start()
    log.alerting_started(sorted(carriers))
    await ended.wait()
    await sender.close()
    await writer.close()
    await reader.close()


if __name__ == "__main__":
    main()

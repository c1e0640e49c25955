"""Run the mail sink: settings, ports, and then serve until SIGTERM.

    python -m sink            serve
    python -m sink --check    only read the settings

Exit code 2 with one sentence for a wrong setting or a port in use; 0 after SIGTERM or SIGINT.
"""

import asyncio
import logging
import signal
import sys
import time

from service import log as service_log
from service.settings import SettingError, load, stop
from sink import log
from sink.service import bound_sink
from sink.settings import Settings


def main() -> None:
    try:
        settings = load(Settings)
        if sys.argv[1:] == ["--check"]:
            return
        service_log.configure(settings.log_format)
        logging.getLogger("mail.log").disabled = True  # aiosmtpd's own log names peers and commands
        asyncio.run(_serve(settings))
    except SettingError as error:
        stop(error, "sink")


async def _serve(settings: Settings) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    sink = bound_sink(settings, time.time)
    await sink.start()
    log.started(str(settings.bind), sink.smtp_port, sink.http_port)
    await stopping.wait()
    await sink.stop()


if __name__ == "__main__":
    main()

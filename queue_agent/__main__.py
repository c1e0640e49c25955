"""Run the queue agent: settings, store, port, and what goes on beside the questions.

    python -m queue_agent            serve until SIGTERM
    python -m queue_agent --check    only read the settings

Exit code 2 with one sentence for a wrong setting; nothing is half started.
"""

import asyncio
import logging
import socket
import sys
import time

import uvicorn

from queue_agent import log
from queue_agent.app import App
from queue_agent.commands import Commands, Postfix, postfix_of
from queue_agent.condition import Condition
from queue_agent.following import Log
from queue_agent.ledger import Ledger
from queue_agent.outside import Outside
from queue_agent.queue import Queue
from queue_agent.reporting import PolicySays, Reporting
from queue_agent.settings import Settings
from queue_agent.trail import Trail
from queue_agent.watch import Watch
from service import log as service_log
from service.listening import listen
from service.settings import SettingError, load, stop
from service.shared_token import SharedToken


def main() -> None:
    try:
        settings = load(Settings)
        if sys.argv[1:] == ["--check"]:
            return
        service_log.configure(settings.log_format)
        # It would print the traceback of an error of ours with its text; app.py logs it.
        logging.getLogger("uvicorn.error").disabled = True
        token = SharedToken.from_file("QUEUE_AGENT_TOKEN_FILE", settings.token_file, log)
        postfix = postfix_of(settings.postfix_config)
        asyncio.run(_serve(settings, token, postfix, listen("QUEUE_AGENT_PORT", settings.bind, settings.port)))
    except SettingError as error:
        stop(error, "queue agent")


async def _serve(settings: Settings, token: SharedToken, postfix: Postfix, listening: socket.socket) -> None:
    ledger, condition = _ledger(settings), Condition()
    queue = Queue(commands=Commands(postfix), ledger=ledger)
    watch = Watch(
        log=Log(postfix.log),
        ledger=ledger,
        queue=queue,
        clock=time.time,
        log_bytes=settings.log_bytes,
        logs_kept=settings.logs_kept,
        condition=condition,
    )
    policy = PolicySays(settings.policy_url, token)
    beside = [asyncio.create_task(one.run()) for one in (watch, Reporting(ledger, policy, condition))]
    config = uvicorn.Config(
        App(queue, Outside(time_server=settings.time_server), Trail(postfix.log), token, condition),
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="off",
    )
    log.started(settings.bind, settings.port, str(postfix.log))
    await uvicorn.Server(config).serve(sockets=[listening])
    for one in beside:
        one.cancel()
    await asyncio.gather(*beside, return_exceptions=True)
    await ledger.close()
    log.stopped()


def _ledger(settings: Settings) -> Ledger:
    try:
        return Ledger(settings.state_dir / "queue.db", time.time())
    except OSError as error:
        raise SettingError(
            "QUEUE_AGENT_STATE_DIR", f"{settings.state_dir} cannot be written ({error.strerror})", "check its owner"
        ) from None


if __name__ == "__main__":
    main()

"""Run policy: settings, store, HTTP service. `python -m policy --check` only reads the settings.

Exit code 2 with one sentence for a wrong setting; nothing is half started.
"""

import logging
import socket
import sys
import time

import uvicorn

from policy import log
from policy.app import Brain, make_app
from policy.budgets.sqlite import SqliteBudgets
from policy.settings import Settings
from policy.setup import open_store
from policy.store.database import open_database
from service import log as service_log
from service.settings import SettingError, load, read_secret, stop


def main() -> None:
    try:
        settings = load(Settings)
        if sys.argv[1:] == ["--check"]:
            return
        _run(settings)
    except SettingError as error:
        stop(error, "policy")


def _run(settings: Settings) -> None:
    service_log.configure(settings.log_format)
    # It would print the traceback of an error of ours with its text, which may hold what was asked; app.py logs it.
    logging.getLogger("uvicorn.error").disabled = True
    engine = open_database(settings.database)
    brain = Brain(
        store=open_store(settings, engine),
        budgets=SqliteBudgets(engine),
        recipient_windows=settings.recipient_windows,
        clock=time.time,
        gateway_token=read_secret("POLICY_GATEWAY_TOKEN_FILE", settings.gateway_token_file),
        dovecot_token=read_secret("POLICY_DOVECOT_TOKEN_FILE", settings.dovecot_token_file),
    )
    listening = _listen(settings)
    log.started(settings.bind, settings.port)
    server = uvicorn.Server(uvicorn.Config(make_app(brain), log_config=None, access_log=False, server_header=False))
    server.run(sockets=[listening])


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.bind else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.bind, settings.port))
    except OSError as error:
        raise SettingError(
            "POLICY_PORT",
            f"{settings.bind}:{settings.port} cannot be bound ({error.strerror})",
            "choose another port, or stop what holds it",
        ) from None
    return listening


if __name__ == "__main__":
    main()

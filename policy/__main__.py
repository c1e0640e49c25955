"""Run policy: settings, store, HTTP service. `python -m policy --check` only reads the settings.

Exit code 2 with one sentence for a wrong setting; nothing is half started.
"""

import gc
import logging
import secrets
import sys
import time

import uvicorn

from policy import log
from policy.alerts import Alerts, mailing_of
from policy.app import App, Tokens
from policy.brain import Brain
from policy.bridges.opened import open_bridges
from policy.budgets.stored import StoredBudgets
from policy.engine.guessing import Walls
from policy.foreign import ForeignSecrets
from policy.listening import listen
from policy.location import location, named_location
from policy.logins import Logins
from policy.pickup import Pickup
from policy.proofs import Prover
from policy.settings import DAY_S, Settings
from policy.setup import digest_key
from policy.store.directory import Directory
from policy.store.reader import open_reader
from policy.store.records import Records
from policy.store.revocations import Feed
from policy.store.transactions import open_transactions
from policy.store.traps import TrapRecords, Traps
from policy.store.uses import Uses
from policy.store.writer import Writer
from service import log as service_log
from service.settings import SettingError, load, read_secret, stop

_KEEP_ALIVE_S = (
    75  # longer than the gateway keeps a connection unused: it closes first, and no question meets a closed one
)


def main() -> None:
    try:
        settings = load(Settings)
        named_location(settings)
        if sys.argv[1:] == ["--check"]:
            return
        _run(settings)
    except SettingError as error:
        stop(error, "policy")


def _run(settings: Settings) -> None:
    service_log.configure(settings.log_format)
    # It would print the traceback of an error of ours with its text, which may hold what was asked; app.py logs it.
    logging.getLogger("uvicorn.error").disabled = True
    tokens = Tokens(
        gateway=read_secret("POLICY_GATEWAY_TOKEN_FILE", settings.gateway_token_file),
        dovecot=read_secret("POLICY_DOVECOT_TOKEN_FILE", settings.dovecot_token_file),
    )
    app = App(_brain(settings, tokens.dovecot), tokens)
    listening = listen("POLICY_PORT", settings.bind, settings.port)
    log.started(settings.bind, settings.port)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
    # What was made until now stays: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    uvicorn.Server(config).run(sockets=[listening])


def _brain(settings: Settings, dovecot_token: str) -> Brain:
    """Reads on connections of their own, writes on another one. None of them waits for a database that is not there."""
    key, where = digest_key(settings), location(settings)
    reader, transactions = open_reader(where), open_transactions(where)
    directory, writer = Directory(reader, key, settings.recipients_per_message), Writer(transactions)
    alerts = Alerts(mailing_of(settings), time.time)
    logins = Logins(
        prover=Prover(directory=directory, bridges=open_bridges(settings), foreign=ForeignSecrets()),
        walls=Walls(secrets.token_bytes(32)),
        traps=Traps(reader),
        trap_records=TrapRecords(transactions),
        uses=Uses(transactions),
        writer=writer,
        unwalled=settings.unwalled_networks,
        tell=alerts.tell,
    )
    feed = Feed(reader)
    return Brain(
        directory=directory,
        logins=logins,
        alerts=alerts,
        feed=feed,
        pickup=Pickup(settings.doveadm_url, dovecot_token, feed, time.time) if settings.doveadm_url else None,
        budgets=StoredBudgets(transactions),
        records=Records(transactions, settings.submissions_kept_days * DAY_S),
        writer=writer,
        recipient_windows=settings.recipient_windows,
        clock=time.time,
    )


if __name__ == "__main__":
    main()

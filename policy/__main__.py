"""Run policy: settings, store, HTTP service. `python -m policy --check` only reads the settings.

Exit code 2 with one sentence for a wrong setting; nothing is half started.
"""

import gc
import logging
import socket
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import uvicorn

from policy import log
from policy.alerting.opened import LookedAt, alerting
from policy.app import App, Tokens
from policy.assembly import Parts, assemble
from policy.brain import Beside, Brain
from policy.bridges.opened import open_bridges
from policy.budgets.location import remote_budgets, server_of
from policy.common_clock import CommonClock, database_time
from policy.complaints.mailbox import ComplaintMailbox
from policy.condition import Condition
from policy.containment.queues import Queues, open_queues
from policy.delegation.listening import bind_all
from policy.delegation.listening import check as check_places
from policy.dkim.domains import key_book, make_missing, our_domains
from policy.dkim.seen import KeyWatch
from policy.doveadm import Doveadm
from policy.fronts import Wanted
from policy.gateway_line import Line
from policy.geo.opened import Watch, open_atlas, require_database
from policy.location import location, named_location
from policy.neighbours import Mailboxes, Neighbours
from policy.opening import ITSELF, digest_key, open_store
from policy.pickup import Pickup
from policy.pickup_sessions import PickupSessions
from policy.reporting import Means, Reporting
from policy.rulebook.in_force import InForce
from policy.settings import Settings
from policy.store.complaints import ComplaintNotes
from policy.store.database import open_database
from policy.store.health_reports import HealthNotes
from policy.store.reader import open_reader
from policy.store.rulebooks import RulebookRecords, last_in_force
from policy.store.transactions import open_transactions
from policy.store.writer import Writer
from service import log as service_log
from service import tracing
from service.listening import listen
from service.settings import SettingError, load, stop
from service.shared_token import SharedToken
from service.spans import DAY_S

# Longer than the gateway keeps a connection unused: it closes first, and no question meets a closed one.
_KEEP_ALIVE_S = 75

Clock = Callable[[], float]


def main() -> None:
    try:
        settings = load(Settings)
        named_location(settings)
        server_of(settings.budgets_url, None)
        check_places(settings.delegation_listen)
        require_database("POLICY_GEO_COUNTRY_DB", settings.geo_country_db)
        require_database("POLICY_GEO_ASN_DB", settings.geo_asn_db)
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
        gateway=SharedToken.from_file("POLICY_GATEWAY_TOKEN_FILE", settings.gateway_token_file, log),
        dovecot=SharedToken.from_file("POLICY_DOVECOT_TOKEN_FILE", settings.dovecot_token_file, log),
        queue=SharedToken.from_file("POLICY_QUEUE_TOKEN_FILE", settings.queue_token, log),
        auth_policy=SharedToken.from_file("POLICY_AUTH_POLICY_TOKEN_FILE", settings.auth_policy_token, log),
    )
    tracing.check("POLICY_OTLP_URL", settings.otlp_url)
    app = App(_brain(settings, tokens), tokens)
    listening = listen("POLICY_PORT", settings.bind, settings.port)
    log.started(settings.bind, settings.port)
    config = uvicorn.Config(
        app,
        http=Line,
        loop="service.names:Loop",
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        proxy_headers=False,  # nobody asks for the asker's address
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
    # What was made until now stays: the collector need not look at it again. A question leaves no cycles behind.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    tracing.start("policy", settings.otlp_url)
    uvicorn.Server(config).run(sockets=[listening])


def _brain(settings: Settings, tokens: Tokens) -> Brain:
    """Reads on connections of their own, writes on another one. None of them waits for a database that is not there."""
    where = location(settings)
    transactions, reader = open_transactions(where), open_reader(where)
    common = None if isinstance(where, Path) else CommonClock(time.time, database_time(reader))
    clock = common or time.time
    records = RulebookRecords(transactions)
    atlas = open_atlas(settings.geo_country_db, settings.geo_asn_db)

    async def keep(digest: str, content: str) -> None:
        await brain.writer.make(partial(records.keep, digest, content, clock()), is_urgent=False)

    in_force = InForce(settings.policy_file, partial(last_in_force, where), keep)
    in_force.follow(lambda rulebook: atlas.extend(rulebook.sources))
    doveadm = Doveadm(settings.doveadm_url, tokens.dovecot)
    dovecot = doveadm if settings.doveadm_url else None  # where there is one to ask
    queue = open_queues(settings.queue_url, tokens.queue)
    looked_at = LookedAt(atlas, queue, lambda: in_force.rulebook.containment.held_s)

    brain = assemble(
        Parts(
            reader=reader,
            transactions=transactions,
            key=digest_key(settings),
            rulebook=lambda: in_force.rulebook,
            atlas=atlas,
            alerting=alerting(settings, reader, transactions, looked_at, clock, dovecot),
            clock=clock,
            domains=settings.domains,
            unwalled=settings.unwalled_networks,
            bridges=open_bridges(settings),
            pickup=lambda feed: Pickup(dovecot, feed, clock) if dovecot else None,
            pickup_sessions=PickupSessions(Mailboxes(dovecot), clock) if dovecot else None,
            complaints=partial(_complaints, settings, doveadm, clock),
            queue=queue,
            beside=(*([common] if common else []), Watch(atlas), in_force, _keys(settings, tokens.queue, clock)),
            fronts=_fronts(settings),
            submissions_kept_s=settings.submissions_kept_days * DAY_S,
            client_addresses_kept_s=settings.client_addresses_kept_days * DAY_S,
            counts=remote_budgets(settings),
            policy_file_fault=lambda: in_force.fault_line,
            reporting=partial(_reporting, open_queues(settings.queue_url, tokens.queue), dovecot, clock),
        )
    )
    return brain


def _reporting(
    queues: Queues | None,
    dovecot: Doveadm | None,
    clock: Clock,
    writer: Writer,
    notes: HealthNotes,
    condition: Condition,
) -> Sequence[Beside]:
    """What the parts of the installation say of themselves."""
    neighbours = Neighbours(
        queues=queues.by_name if queues else {},
        mailboxes=Mailboxes(dovecot) if dovecot else None,
        away=condition.away,
    )
    means = Means(
        instance=socket.gethostname(),
        condition=condition,
        neighbours=neighbours,
        notes=notes,
        writer=writer,
        clock=clock,
        ticks=time.monotonic,
    )
    return (Reporting(means),)


def _complaints(
    settings: Settings, doveadm: Doveadm, clock: Clock, notes: ComplaintNotes, writer: Writer
) -> Sequence[ComplaintMailbox]:
    """Read where there is a mailbox for them."""
    if not settings.complaints_mailbox:
        return ()
    return (
        ComplaintMailbox(
            doveadm=doveadm,
            mailbox=settings.complaints_mailbox,
            hostname=settings.hostname,
            notes=notes,
            writer=writer,
            clock=clock,
        ),
    )


def _keys(settings: Settings, queue_token: SharedToken, clock: Clock) -> KeyWatch:
    """Looks after the DKIM keys."""
    engine = open_database(location(settings))
    book = key_book(settings, engine, ITSELF)
    agent = open_queues(settings.queue_url, queue_token)
    return KeyWatch(book, agent, partial(make_missing, book, our_domains(settings), engine), clock)


def _fronts(settings: Settings) -> Wanted:
    """Who else asks us, and whether his logins become identities."""
    is_wanted = bool(settings.delegation_listen) and settings.delegation_unknown == "add"
    store = open_store(settings, open_database(location(settings))) if is_wanted else None
    return Wanted(sockets=bind_all(settings.delegation_listen), newcomers=store)


if __name__ == "__main__":
    main()

"""The questions of `sallyport doctor` about the world and about what runs beside policy; checkup.py has the others.

policy has no way out, so that the world is asked by the queue agent. Where that is away, what cannot be known is said.
"""

import shutil
from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Connection, case, func, select
from sqlalchemy.exc import SQLAlchemyError

from policy.alerting.mails import mailing_of
from policy.containment.ask_queue import ask_queue
from policy.contract import Reason, canonical_address
from policy.dkim.domains import our_domains
from policy.dkim.folder import KeyFolder, key_file, map_lines
from policy.dkim.keys import Algorithm
from policy.dkim.rotation import State as Stage
from policy.finding import Finding, State
from policy.location import open_existing
from policy.marks import Marks
from policy.opening import ADMINISTRATOR, digest_key
from policy.publishing.asking import look, looked, publishing
from policy.publishing.compared import findings
from policy.publishing.reached import clock, dane, host_name, validation, way_out
from policy.queue_contract import QueueName, Statistics
from policy.settings import Settings
from policy.store.errors import StoreError
from policy.store.fates import Fate
from policy.store.health_reports import SILENT_S, HealthReport, Service, health_reports
from policy.store.incident_models import Notices
from policy.store.models import Addresses, Fates, Identities, Submissions
from policy.store.notices import FORGOTTEN
from service.sentence import unpacked
from service.settings import SettingError
from service.spans import DAY_S, HOUR_S

_DISK_WARNING, _DISK_WRONG = 0.10, 0.03  # of the disk, free
_OLDEST_S = 4 * HOUR_S  # in the queue: most other servers are back by then
_MANY_DEFERRED, _MANY_UNREPORTED = 1000, 1000
_NOTICE_S = HOUR_S
_OTHERS = 0o007  # the folder's group is rspamd's, where that has a user of its own


def keys(settings: Settings) -> Iterator[Finding]:
    """The files of DKIM: what signs is there, and nobody else's to read."""
    folder, what = settings.dkim_folder, "DKIM keys"
    try:
        pairs = KeyFolder(folder).pairs()
        mapped = (folder / "keys.map").read_text().splitlines() if pairs else []
    except (SettingError, OSError) as error:
        yield Finding(what, State.WRONG, str(error), "run `sallyport init`")
        return
    files = [key_file(pair, kind) for pair in pairs if pair.state is not Stage.RETIRED for kind in Algorithm]
    missing = [name for name in files if not (folder / name).exists()]
    opened = [name for name in files if name not in missing and (folder / name).stat().st_mode & _OTHERS]
    if missing:
        todo = "restore them, or `sallyport dkim rotate DOMAIN` and `sallyport dkim activate DOMAIN`"
        yield Finding(what, State.WRONG, f"{folder}: not there: {', '.join(missing)}", todo)
    for name in opened:
        yield Finding(what, State.WRONG, f"{folder / name} can be read by others", f"chmod 600 {folder / name}")
    if mapped != list(map_lines(pairs)):
        yield Finding(what, State.WRONG, f"{folder}/keys.map is not what it should be", "run `sallyport init`")
    elif not missing and not opened:
        yield Finding(what, State.FINE, f"there for {len(mapped)} domain{'s' if len(mapped) != 1 else ''}")


def disk(settings: Settings) -> Iterator[Finding]:
    """Of the database; the queue has a check of its own in Postfix (queue_minfree)."""
    try:
        usage = shutil.disk_usage(settings.state_dir)
    except OSError:
        return  # whose absence is told by the database
    share = usage.free / usage.total
    state = State.WRONG if share < _DISK_WRONG else State.WARNING if share < _DISK_WARNING else State.FINE
    says = f"{usage.free / 1e9:.1f} GB free ({share:.0%}) at {settings.state_dir}"
    yield Finding("disk", state, says, "" if state is State.FINE else "make room; a full disk stops all mail")


def notices(settings: Settings, now: float) -> Iterator[Finding]:
    """Whether those who should be told were told, whether the scanner answers those who ask it, full mailboxes."""
    try:
        engine = open_existing(settings)
        with engine.connect() as connection:
            yield _undelivered(connection, now)
            yield from _told_to_nobody(settings, connection)
            yield from _unscanned(connection, now)
            yield from scanner([one for one in health_reports(engine) if one.service is Service.SCANNER], now)
            yield from _full(settings, connection, now)
        engine.dispose()
    except (SettingError, SQLAlchemyError):
        return  # told by the database


def world(settings: Settings, now: float) -> Iterator[Finding]:
    """Records, names, port 25, the time; and the queue."""
    try:
        pairs = KeyFolder(settings.dkim_folder).pairs()
        domains, nobodys = _sending(settings, dict.fromkeys(one.domain for one in pairs))
        given = publishing(settings, pairs)
        retired = tuple(one for one in pairs if one.state is Stage.RETIRED)
        seen = ask_queue(settings, lambda agent: look(agent, domains, given, retired, is_host_asked=True))
    except SQLAlchemyError:
        return  # told by the database
    except (StoreError, SettingError) as error:
        says = f"not known: the DNS, port 25, the time, the queue ({error})"
        yield Finding("outside", State.UNKNOWN, says, "start the queue agent")
        return
    for domain in domains:
        yield from findings(looked(domain, given, pairs, seen))
    for domain in nobodys:
        says = "none of ours any more, and nobody sends from it: the DNS is not asked"
        yield Finding(f"domain {domain}", State.FINE, says)
    yield from host_name(given, seen.world)
    yield from dane(given, seen.world)
    yield from validation(seen.world)
    yield from way_out(given, seen.world, seen.rest.ports)
    yield from clock(seen.rest)
    yield from _asked_queue(settings, now)


def queue(found: Statistics, now: float) -> Iterator[Finding]:
    """How much waits, how long, and whether the agent keeps up with Postfix's log."""
    what, deferred = "queue", found.messages.get(QueueName.DEFERRED, 0)
    counted = ", ".join(f"{count} {name}" for name, count in found.messages.items() if count) or "empty"
    oldest_s = now - found.oldest_at if found.oldest_at else 0.0
    todo = "`sallyport explain` and the log of Postfix say why"
    if deferred > _MANY_DEFERRED:
        yield Finding(what, State.WARNING, f"{counted}: many receivers do not take our mail", todo)
    elif oldest_s > _OLDEST_S:
        yield Finding(what, State.WARNING, f"{counted}; the oldest waits for {oldest_s / HOUR_S:.0f} hours", todo)
    else:
        yield Finding(what, State.FINE, counted)
    if found.unreported > _MANY_UNREPORTED:
        says = f"{found.unreported} deliveries are not reported to policy yet"
        yield Finding(what, State.WARNING, says, "look at the log of the queue agent")


def scanner(reports: Sequence[HealthReport], now: float) -> Iterator[Finding]:
    """policy cannot reach it: what the gateways that ask it told last."""
    what = "scanner"
    if not reports:
        says = "no gateway has told of one; without one mail is neither scanned nor signed"
        yield Finding(
            what, State.UNKNOWN, says, "start the gateway (GATEWAY_SCAN_URL), or install rspamd, then `make up`"
        )
    for one in reports:
        age_s, scans = now - one.at, one.figures.get("scans", 0)
        if age_s >= SILENT_S:
            says = f"the gateway {one.instance} has told nothing of it for {age_s / 60:.0f} minutes"
            yield Finding(what, State.UNKNOWN, says, "start the gateway, or wait until its report is forgotten")
        elif one.faults:
            yield Finding(what, State.WRONG, "; ".join(one.faults), "start rspamd; look at its log")
        else:
            took = f", in {one.figures['scan_ms']:g} ms on average" if "scan_ms" in one.figures else ""
            yield Finding(what, State.FINE, f"it answers the gateway {one.instance}: {scans:g} messages{took}")


def _sending(settings: Settings, with_keys: Iterable[str]) -> tuple[list[str], list[str]]:
    """Domains from which somebody may send, and those that only have keys from a time when they were ours.

    The postmaster that the first start gave the administrator is nobody.
    """
    ours = our_domains(settings)
    others = [one for one in with_keys if one not in ours]
    in_use = _domains_of_people(settings) if others else set()
    return [*ours, *(one for one in others if one in in_use)], [one for one in others if one not in in_use]


def _domains_of_people(settings: Settings) -> set[str]:
    engine = open_existing(settings)
    with engine.connect() as connection:
        rows = connection.execute(select(Addresses.address, Identities.name).join(Identities)).all()
    engine.dispose()
    parted = ((*address.rpartition("@")[::2], name) for address, name in rows)
    return {domain for local_part, domain, name in parted if (local_part, name) != ("postmaster", ADMINISTRATOR)}


def _asked_queue(settings: Settings, now: float) -> Iterator[Finding]:
    try:
        yield from queue(ask_queue(settings, lambda agent: agent.statistics()), now)
    except StoreError as error:
        yield Finding("queue", State.WRONG, str(error), "look at the log of the queue agent")


def _undelivered(connection: Connection, now: float) -> Finding:
    waiting = (Notices.sent_at.is_(None), Notices.given_up_at.is_(None), Notices.at < now - _NOTICE_S)
    late = connection.scalar(select(func.count()).where(*waiting)) or 0
    gone = (Notices.given_up_at > now - 7 * DAY_S, Notices.problem != FORGOTTEN)
    lost = connection.scalar(select(func.count()).where(*gone)) or 0
    if lost or late:
        why = connection.scalar(
            select(Notices.problem).where(Notices.problem != "").order_by(Notices.id.desc()).limit(1)
        )
        reason = unpacked(why) if why else "no reason is known"
        says = f"{late} wait for more than an hour, {lost} were given up within a week ({reason})"
        return Finding("notices", State.WRONG, says, "correct where they go; `sallyport alert test` tries it")
    return Finding("notices", State.FINE, "all were sent")


def _told_to_nobody(settings: Settings, connection: Connection) -> Iterator[Finding]:
    """Mail for an address that nobody here has is taken by the next hop, comes back, and has nobody to come back to.

    Another server's mailboxes are not known here; ours are those of the Dovecot that policy can ask.
    """
    recipient = mailing_of(settings).recipient
    ours = {canonical_address(f"postmaster@{one}").partition("@")[2] for one in settings.domains}
    address = canonical_address(recipient)
    if not (settings.alert_relay and settings.doveadm_url) or address.rpartition("@")[2] not in ours:
        return
    if connection.scalar(select(func.count()).where(Addresses.address == address)):
        return
    says = f"they go to {recipient}, and nobody here has that address"
    yield Finding(
        "notices", State.WRONG, says, "set POLICY_ALERT_TO (SALLYPORT_ALERT_TO), or give somebody that address"
    )


def _full(settings: Settings, connection: Connection, now: float) -> Iterator[Finding]:
    """Mailboxes of ours that are too full for the newest message to them. Its sender had a bounce, and nobody else.

    Dovecot is not asked how full each is: its quota is of IMAP and LMTP alone (dovecot/render).
    """
    full_at, taken_at = (
        func.max(case((Fates.fate == one, Fates.at), else_=0.0)) for one in (Fate.FULL, Fate.DELIVERED)
    )
    lately = select(Fates.mark).where(Fates.at > now - 7 * DAY_S).group_by(Fates.mark)
    full = set(connection.scalars(lately.having(full_at > taken_at)))
    marks, ours = Marks(digest_key(settings)), connection.scalars(select(Addresses.address))
    names = sorted(one for one in ours if marks.recipient(one) in full)
    if names:
        todo = "their owners make room, or set SALLYPORT_MAILBOX_QUOTA, see docs/operating.md, Full mailboxes"
        yield Finding("mailboxes", State.WARNING, f"mail to {', '.join(names)} comes back: full (552 5.2.2)", todo)


def _unscanned(connection: Connection, now: float) -> Iterator[Finding]:
    """What was asked shows that nobody scanned, also where the scanner is there again."""
    silent = (Submissions.reason == Reason.SCANNER_SILENT, Submissions.at > now - HOUR_S)
    count = connection.scalar(select(func.count()).where(*silent)) or 0
    if count:
        says = f"it did not answer for {count} messages of the last hour, which were deferred"
        yield Finding("scanner", State.WRONG, says, "start rspamd; look at its log")

"""What is wrong with this installation: `sallyport doctor` asks each of these questions, and prints what it hears.

A question looks at one thing and changes nothing. It answers with findings, each one line: what, whether that is as it
should be, and what to do where it is not. A warning is what will be wrong some day, or may be meant so. What is asked
of the world and of the services beside us is in checkup_beside.py.
"""

import asyncio
import contextlib
import ipaddress
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from sqlalchemy import Connection, func, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError

from policy import checkup_beside
from policy.budgets.location import remote_budgets
from policy.budgets.valkey import BudgetsAway
from policy.engine.rulebook import Rulebook, Treatment
from policy.engine.sources import UNKNOWN_COUNTRY
from policy.finding import Finding, State
from policy.geo.atlas import Atlas
from policy.geo.opened import atlas_at
from policy.location import location, open_existing, spelled
from policy.opening import digest_key
from policy.rulebook import PolicyFileError, shipped
from policy.rulebook.in_force import rulebook_at
from policy.service_tokens import token_places
from policy.setting_names import set_as
from policy.settings import Settings
from policy.store.migrating import newest_revision
from policy.store.models import Audit, Networks, Submissions
from service import log
from service.settings import SettingError
from service.shared_token import read_tokens
from service.spans import DAY_S

_OLD_DATABASE_S, _VERY_OLD_DATABASE_S = 180 * DAY_S, 365 * DAY_S
_CERTIFICATE_WARNING_S = 21 * DAY_S
_CLOCK_LEEWAY_S = 120.0
_NETWORKS_LOOKED_AT = 10_000
_USUAL_COVERAGE = 0.9
_MESSAGES_LOOKED_AT, _SEVERAL = 1000, 3
_OTHERS = 0o077  # the bits of a file's mode that let others read it


@dataclass(frozen=True, slots=True)
class Case:
    """Whose installation it is, and when it is looked at."""

    settings: Settings
    now: float
    atlas: Atlas


Question = Callable[[Case], Iterator[Finding]]


def examine(settings: Settings, now: float) -> Iterator[Finding]:
    """Every finding, in the order of QUESTIONS, each as soon as it is there."""
    case = Case(settings, now, atlas_at(settings.geo_country_db, settings.geo_asn_db))
    for question in QUESTIONS:
        yield from question(case)


def database(case: Case) -> Iterator[Finding]:
    """Reachable, and of this version's schema; its newest record is not in the future."""
    what, where = "database", case.settings.database_url or "POLICY_STATE_DIR"
    try:
        where = spelled(location(case.settings))
        engine = open_existing(case.settings)
        with engine.connect() as connection:
            yield _schema(connection, where)
            yield from _clock(connection, case.now)
            yield from _networks(connection, case)
            yield from _clients(connection)
        engine.dispose()
    except SettingError as error:
        yield Finding(what, State.WRONG, str(error))
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or type(error).__name__).splitlines()[0]
        yield Finding(
            what, State.WRONG, f"{where} does not answer ({reason})", "start it, or correct POLICY_DATABASE_URL"
        )


def budgets(case: Case) -> Iterator[Finding]:
    """Where they are on a server of their own: whether it answers."""
    what = "budgets"
    try:
        remote = remote_budgets(case.settings)
    except SettingError as error:
        yield Finding(what, State.WRONG, str(error))
        return
    if remote is None:
        yield Finding(what, State.FINE, "in the database")
        return

    async def ask() -> None:
        await remote.peek([], case.now)
        await remote.close()

    try:
        with log.unheard():  # it would say the same
            asyncio.run(ask())
    except BudgetsAway as error:
        yield Finding(
            what, State.WRONG, f"the server does not answer ({error})", "start it, or correct POLICY_BUDGETS_URL"
        )
    else:
        yield Finding(what, State.FINE, "the server of POLICY_BUDGETS_URL answers")


def policy_file(case: Case) -> Iterator[Finding]:
    """Valid; all that is wrong with it."""
    path = case.settings.policy_file
    try:
        book = rulebook_at(path)
    except PolicyFileError as error:
        todo = "correct it; until then the last good one is in force"
        for fault in error.faults:
            yield Finding("policy file", State.WRONG, f"{path}:{fault.line}: {fault}", todo)
        return
    says = f"the shipped policy, there is no {path}" if book == shipped() and not path.exists() else str(path)
    yield Finding("policy file", State.FINE, f"{says} ({book.digest})")


def places(case: Case) -> Iterator[Finding]:
    """Databases of addresses: age, licence; and a gate that needs one that is not there."""
    atlas = case.atlas
    for path, fault in atlas.faults:
        todo = "put a database there, or correct POLICY_GEO_COUNTRY_DB and POLICY_GEO_ASN_DB"
        yield Finding("addresses", State.WRONG, f"{path}: {fault}", todo)
    for edition in atlas.editions:
        age_s = case.now - edition.built_at
        old = State.WARNING if age_s > _OLD_DATABASE_S else State.FINE
        state = State.WRONG if age_s > _VERY_OLD_DATABASE_S else old
        licence = f"; {edition.description}" if edition.description else ""
        says = f"{edition.kind} of {_day(edition.built_at)}, {round(age_s / DAY_S)} days old{licence}"
        yield Finding(
            "addresses", state, says, "" if state is State.FINE else "put a newer one there, see docs/gates.md"
        )
    if not atlas.editions:
        yield from _without_any(case)


def certificate(case: Case) -> Iterator[Finding]:
    """There, with its key, and good for some weeks."""
    what, path = "certificate", case.settings.tls_cert
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        yield Finding(
            what, State.WRONG, f"{path} cannot be read ({_reason(error)})", "replace it, or run `sallyport init`"
        )
        return
    left_s = found.not_valid_after_utc.timestamp() - case.now
    end = _day(found.not_valid_after_utc.timestamp())
    if left_s <= 0:
        yield Finding(what, State.WRONG, f"{path} has expired on {end}", "replace it")
    elif left_s < _CERTIFICATE_WARNING_S:
        yield Finding(what, State.WARNING, f"{path} expires on {end}, in {round(left_s / DAY_S)} days", "replace it")
    else:
        yield Finding(what, State.FINE, f"{path} is good until {end}")
    yield from _names_of(found, path, case.settings.hostname.lower())
    yield from _key_of(found, case.settings.tls_key)


def secrets(case: Case) -> Iterator[Finding]:
    """Tokens and the digest key: there, and nobody else's to read."""
    settings = case.settings
    for one in token_places(settings):
        try:
            read_tokens(one.setting, one.path)
        except SettingError as error:
            yield Finding("token", State.WRONG, str(error))
        else:
            yield _mode_of("token", one.path)
    try:
        digest_key(settings)
    except SettingError as error:
        yield Finding("digest key", State.WRONG, str(error))
    else:
        yield _mode_of("digest key", settings.digest_key_file)


def beside(case: Case) -> Iterator[Finding]:
    """DKIM keys, disk, who should have been told; then all that the queue agent has to be asked for."""
    yield from checkup_beside.keys(case.settings)
    yield from checkup_beside.disk(case.settings)
    yield from checkup_beside.notices(case.settings, case.now)
    yield from checkup_beside.world(case.settings, case.now)


QUESTIONS: tuple[Question, ...] = (database, budgets, policy_file, places, certificate, secrets, beside)


def _schema(connection: Connection, where: str) -> Finding:
    newest = newest_revision()
    has_any = inspect(connection).has_table("alembic_version")
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar() if has_any else None
    if found == newest:
        return Finding("database", State.FINE, f"{where}, schema {found}")
    return Finding("database", State.WRONG, f"{where} has schema {found}, and not {newest}", "run `sallyport init`")


def _clock(connection: Connection, now: float) -> Iterator[Finding]:
    """Nothing that was written down may be in the future; a database server has a clock of its own."""
    newest = connection.scalar(select(func.max(Audit.at))) or 0.0
    server = now
    if connection.dialect.name == "postgresql":
        server = float(connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())")) or now)
    todo = "set the clock; run a time service such as chrony"
    if newest > now + _CLOCK_LEEWAY_S:
        yield Finding("clock", State.WRONG, f"it is {_moment(now)}, and a record says {_moment(newest)}", todo)
    elif abs(server - now) > _CLOCK_LEEWAY_S:
        yield Finding("clock", State.WRONG, f"it is {_moment(now)}, and at the database {_moment(server)}", todo)
    else:
        yield Finding("clock", State.FINE, _moment(now))


def _networks(connection: Connection, case: Case) -> Iterator[Finding]:
    """Of how many networks that are in use the country is known."""
    atlas = case.atlas
    for network in connection.scalars(select(Networks.network).distinct().limit(_NETWORKS_LOOKED_AT)):
        atlas.origin(network.partition("/")[0])
    coverage = atlas.coverage
    if atlas.editions and coverage.asked:
        says = f"the country of {coverage.found} of {coverage.asked} public networks in use is known"
        state = State.FINE if coverage.share >= _USUAL_COVERAGE else State.WARNING
        yield Finding("addresses", state, says, "" if state is State.FINE else "use a database that knows more")


def _clients(connection: Connection) -> Iterator[Finding]:
    """Nobody is elsewhere where all have one address: that of a container engine, or of a proxy, in front of us.

    A bridge of both families has one of each.
    """
    newest = select(Submissions.identity, Submissions.client_address).order_by(Submissions.at.desc())
    rows = connection.execute(newest.limit(_MESSAGES_LOOKED_AT)).all()
    people, given = {row.identity for row in rows}, {row.client_address.partition("/")[0] for row in rows}
    if len(people) < _SEVERAL:
        return
    with contextlib.suppress(ValueError):
        seen = sorted(map(ipaddress.ip_address, given), key=lambda one: one.version)
        if len({one.version for one in seen}) == len(seen) and all(one.is_private for one in seen):
            who = f"the last {len(rows)} messages, of {len(people)} people,"
            says = f"{who} all came from {' and '.join(map(str, seen))}: a thief looks at home"
            todo = "let what stands in front pass clients' addresses on, see docs/operating.md, Who connects"
            yield Finding("clients", State.WARNING, says, todo)


def _without_any(case: Case) -> Iterator[Finding]:
    try:
        book = rulebook_at(case.settings.policy_file)
    except PolicyFileError:
        book = shipped()
    closed = sorted(name for name in book.gates if _is_closed_to_unknown(book, name))
    if closed:
        todo = "leave POLICY_GEO_COUNTRY_DB empty for the shipped one, or open the gate"
        yield Finding("addresses", State.WRONG, f"no database, and {', '.join(closed)} lets in nobody unknown", todo)
    else:
        yield Finding("addresses", State.WARNING, "no database: every country is unknown", "see docs/gates.md")


def _is_closed_to_unknown(book: Rulebook, name: str) -> bool:
    gate = book.gate(name)
    is_on_none = bool(gate.allow_countries or gate.allow_asns) and UNKNOWN_COUNTRY not in gate.allow_countries
    return is_on_none or gate.unknown is Treatment.REFUSE or UNKNOWN_COUNTRY in gate.deny_countries


def _names_of(certificate: x509.Certificate, path: Path, hostname: str) -> Iterator[Finding]:
    """Clients compare the name that they were told with those in it (RFC 9525): one wildcard stands for one label."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        dns_names = [one.lower() for one in names.get_values_for_type(x509.DNSName)]
    except (x509.ExtensionNotFound, ValueError):
        dns_names = []
    if not {hostname, f"*.{hostname.partition('.')[2]}"} & set(dns_names):
        says = f"{path} is not for {hostname} but for {', '.join(dns_names) or 'no name'}"
        yield Finding("certificate", State.WRONG, says, f"replace it, or correct {set_as('HOSTNAME')}")


def _key_of(certificate: x509.Certificate, path: Path) -> Iterator[Finding]:
    """Where it may be read: the gateway's user may be another one than policy's."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except PermissionError:
        return
    except (OSError, ValueError, TypeError) as error:
        yield Finding("certificate", State.WRONG, f"{path} cannot be read ({_reason(error)})", "replace both files")
        return
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
        yield Finding("certificate", State.WRONG, f"{path} is the key of another certificate", "replace both files")


def _mode_of(what: str, path: Path) -> Finding:
    status = path.stat()
    mode = status.st_mode & 0o777
    # A secret of Kubernetes belongs to root, and the group that the pod's process alone is in may read it.
    is_of_pod = status.st_uid == 0 and status.st_gid == os.getegid() != 0
    if mode & (_OTHERS & ~0o040 if is_of_pod else _OTHERS):
        return Finding(what, State.WRONG, f"{path} can be read by others (mode {mode:04o})", f"chmod 600 {path}")
    return Finding(what, State.FINE, f"{path}, mode {mode:04o}")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

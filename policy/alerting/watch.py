"""What is measured from time to time, and what of it is worth a notice. Pure: a level comes of a number and a level.

    heard.py      counts what the questions show
    watching.py   measures, and asks here
    watch.py      (you are here)

Where a level was told last is in the store, so that nothing is told twice, by no process and after no restart. A level
is left at another number than it was reached at, or a number that stays at the line would be told each minute.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from policy.alerting.kinds import Kind
from service.spans import DAY_S, HOUR_S, MINUTE_S

FINE = "fine"
GATEWAY_SILENT_S = 5 * MINUTE_S
DEGRADED_S = 2 * MINUTE_S  # a restart of the next hop is over by then
SCANS_NEEDED = 10
UNSCANNED, SCANNED_AGAIN = 0.2, 0.02
CERTIFICATE_DAYS = (1, 3, 7, 21)
GEO_OLD_S, GEO_VERY_OLD_S = 180 * DAY_S, 365 * DAY_S
SILENT_S = 3 * MINUTE_S  # without a report: policy.store.health_reports.SILENT_S
QUEUE_LONG, QUEUE_SHORT = 200, 100
QUEUE_OLD_S, QUEUE_OLD_LEAST = 4 * HOUR_S, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """How it is. `level` is what the next one is compared with."""

    kind: Kind
    level: str
    subject: str
    lines: tuple[str, ...] = ()
    facts: dict[str, object] = field(default_factory=dict)


def is_news(measured: Measured, told: str) -> bool:
    """`told` is the level that was told last, empty where none ever was. That it is over is news, too."""
    return measured.level != told and (bool(told) or measured.level != FINE)


@dataclass(frozen=True, slots=True)
class Said:
    """The newest report of a gateway on itself, for how long it has been there, and for how long it has said this."""

    instance: str
    age_s: float
    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    lasting_s: float = 0.0


def gateway(silent_s: float, said: Sequence[Said] = ()) -> Measured:
    """For how long no gateway has asked anything; and what those that ask say of themselves."""
    kind = Kind.GATEWAY_DEGRADED
    if silent_s >= GATEWAY_SILENT_S:
        subject = "No gateway has asked policy anything for some minutes"
        lines = (f"The last question was {silent_s / MINUTE_S:.0f} minutes ago.",)
        return Measured(kind=kind, level="silent", subject=subject, lines=lines)
    heard = [one for one in said if one.age_s < SILENT_S]
    lasting = [one for one in heard if one.lasting_s >= DEGRADED_S]
    if faulty := [f"{one.instance}: {fault}" for one in lasting for fault in one.faults]:
        return Measured(kind=kind, level="faults", subject="The gateway cannot do its work", lines=tuple(faulty))
    if said and not heard:
        subject = "The gateway asks, and does not report how it is"
        lines = (f"The last report came {min(one.age_s for one in said) / MINUTE_S:.0f} minutes ago.",)
        return Measured(kind=kind, level="unreported", subject=subject, lines=lines)
    if missing := [one for one in said if one.age_s >= SILENT_S]:
        told = tuple(f"{one.instance}: nothing for {one.age_s / MINUTE_S:.0f} minutes" for one in missing)
        hint = "Others go on. One that is meant to be gone is forgotten within the hour."
        return Measured(kind=kind, level="missing", subject="A gateway is not heard of any more", lines=(*told, hint))
    if warned := [f"{one.instance}: {warning}" for one in lasting for warning in one.warnings]:
        return Measured(kind=kind, level="warnings", subject="The gateway wants somebody to look", lines=tuple(warned))
    return Measured(kind=kind, level=FINE, subject="The gateway is well again")


def scanner(scans: int, unscanned: int, told: str) -> Measured | None:
    """Of the messages since the last time; None where they are too few to say anything."""
    if scans < SCANS_NEEDED:
        return None
    share = unscanned / scans
    if share < (UNSCANNED if told in {"", FINE} else SCANNED_AGAIN):
        return Measured(kind=Kind.SCANNER_DEGRADED, level=FINE, subject="The scanner answers again")
    lines = (f"Without an answer: {unscanned} of the last {scans} messages.",)
    subject = "The scanner does not answer as it should"
    return Measured(kind=Kind.SCANNER_DEGRADED, level="silent", subject=subject, lines=lines)


def certificate(path: str, left_s: float | None) -> Measured:
    """`left_s` is None where it cannot be read."""
    kind = Kind.CERTIFICATE_ENDING
    if left_s is None:
        return Measured(kind=kind, level="unreadable", subject=f"The certificate {path} cannot be read")
    if left_s <= 0:
        return Measured(kind=kind, level="ended", subject=f"The certificate {path} has ended")
    for days in CERTIFICATE_DAYS:
        if left_s <= days * DAY_S:
            subject = f"The certificate {path} ends within {days} day{'s' if days > 1 else ''}"
            return Measured(kind=kind, level=str(days), subject=subject)
    return Measured(kind=kind, level=FINE, subject=f"The certificate {path} is good again")


def geo_database(built: Sequence[tuple[str, float]], now: float) -> Measured | None:
    """Each database and when it was made; None where there is none."""
    if not built:
        return None
    name, made_at = min(built, key=lambda one: one[1])
    age_s, kind = now - made_at, Kind.GEO_DATABASE_OLD
    if age_s <= GEO_OLD_S:
        return Measured(kind=kind, level=FINE, subject="The databases of addresses are new again")
    months = 12 if age_s > GEO_VERY_OLD_S else 6
    subject = f"The database of addresses {name} is more than {months} months old"
    return Measured(kind=kind, level=f"{months}-months", subject=subject)


def queue(waiting: int, oldest_s: float, told: str) -> Measured:
    """`waiting` are messages that are not on hold, the oldest of them for so long."""
    is_told = told not in {"", FINE}
    is_long = waiting >= (QUEUE_SHORT if is_told else QUEUE_LONG)
    is_old = waiting >= QUEUE_OLD_LEAST and oldest_s >= QUEUE_OLD_S
    facts: dict[str, object] = {"waiting": waiting, "oldest_s": round(oldest_s)}
    if not is_long and not is_old:
        subject = f"The queue is short again: {waiting} messages"
        return Measured(kind=Kind.QUEUE_GROWING, level=FINE, subject=subject, facts=facts)
    lines = (f"Waiting: {waiting} messages, the oldest for {oldest_s / HOUR_S:.1f} hours.",)
    subject = f"{waiting} messages wait in the queue"
    return Measured(kind=Kind.QUEUE_GROWING, level="long", subject=subject, lines=lines, facts=facts)

"""How the gateway is, over all of its workers: what /health/ready says, and what policy is told every ten seconds.

    scoreboard.py   where the workers write what they see
    condition.py    (you are here) what of it is a fault, what a warning; policy is told
    status.py       says it to whoever asks

Of all workers the first one tells policy; where that one hangs nobody does, and policy misses it.
"""

import asyncio
import contextlib
import re
import shutil
import socket

from gateway.edge import Edge
from gateway.errors import PolicyUnavailable
from gateway.settings import Settings
from policy.contract import CONTRACT, HealthTold, PartTold
from service import VERSION
from service.ailments import Ailment
from service.health import Health
from service.sentence import Part, parts_of
from service.spans import DAY_S

_PERIOD_S = 10.0
_NEAR_END_S = 2 * DAY_S  # of a certificate; policy's alerts begin weeks before
_NO_HOST_NAME = re.compile(r"[^A-Za-z0-9._-]")


def health(edge: Edge) -> Health:
    """With what is seen of the scanner."""
    own, scanner = _own(edge), _scanner(edge)
    return Health(own.faults, own.warnings + (scanner.faults if scanner else ()))


def told(edge: Edge, up_s: float = 0.0) -> HealthTold:
    """`up_s` is how long the worker that tells has run: one that was killed and replaced says less than before."""
    own, scanner = _own(edge), _scanner(edge)
    return HealthTold(
        instance=_instance(),
        version=VERSION,
        faults=own.faults,
        warnings=tuple(one[:400] for one in own.warnings),
        made_of=_made_of(own),
        figures={"up_s": round(up_s), **_figures(edge)},
        scanner=_told_of(edge, scanner) if scanner else None,
    )


async def tell(edge: Edge) -> None:
    """Policy, until cancelled; what it does not take is old in ten seconds."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while edge.scoreboard.worker == 1:
        with contextlib.suppress(PolicyUnavailable):
            await edge.policy.tell(told(edge, loop.time() - begun))
        await asyncio.sleep(_PERIOD_S)


async def take_leave(edge: Edge) -> None:
    """The last thing that policy hears."""
    if edge.scoreboard.worker == 1:
        with contextlib.suppress(PolicyUnavailable):
            await edge.policy.tell(HealthTold(instance=_instance(), version=VERSION, is_leaving=True))


def _own(edge: Edge) -> Health:
    gauges = {name: value for name, _, value in edge.scoreboard.gauges()}
    faults = [
        ailment.of()
        for name, ailment in (("policy_silent", Ailment.POLICY_SILENT), ("next_hop_silent", Ailment.NEXT_HOP_SILENT))
        if gauges[name]
    ]
    if theirs := round(gauges["policy_contract"]):  # it does answer, and that is what is wrong
        faults = [one for one in faults if one != Ailment.POLICY_SILENT.of()]
        other = Ailment.POLICY_OLDER if theirs < CONTRACT else Ailment.POLICY_NEWER
        faults.insert(0, other.of(ours=CONTRACT, theirs=theirs))
    failure = edge.certificates.failure
    warnings = [Ailment.CERTIFICATE_REFUSED.instead_of(failure)] if failure else []
    left_s = edge.certificates.expires_at - edge.clock()
    if left_s <= 0:
        warnings.append(Ailment.CERTIFICATE_EXPIRED.of())
    elif left_s < _NEAR_END_S:
        warnings.append(Ailment.CERTIFICATE_ENDS.of(hours=max(1, round(left_s / 3600))))
    if gauges["hold_relay_silent"]:
        warnings.append(Ailment.HOLD_RELAY_SILENT.of())
    if (lag_s := gauges["loop_lag_seconds"]) > edge.settings.shed_lag_s:
        warnings.append(Ailment.WORKER_LATE.of(seconds=round(lag_s, 1)))
    if (sessions := edge.caps.open()) >= edge.caps.in_all:
        warnings.append(Ailment.PLACES_TAKEN.of(sessions=sessions))
    if not _has_room(edge.settings):
        warnings.append(Ailment.NO_ROOM_FOR_LARGE.of())
    return Health(tuple(faults), tuple(warnings))


def _has_room(settings: Settings) -> bool:
    """For a message of the largest size."""
    try:
        return shutil.disk_usage(settings.spool_dir).free >= settings.max_message_bytes
    except OSError:  # a folder that is gone
        return False


def _scanner(edge: Edge) -> Health | None:
    """What is seen of it; None where nobody asks one."""
    if not edge.scanner:
        return None
    is_silent = any(name == "scanner_silent" and value for name, _, value in edge.scoreboard.gauges())
    return Health((Ailment.SCANNER_SILENT.of(),) if is_silent else ())


def _told_of(edge: Edge, scanner: Health) -> PartTold:
    counted = {labels["outcome"]: total for name, labels, _, total in edge.scoreboard.totals() if name == "scans_total"}
    (took,) = [one for one in edge.scoreboard.durations() if one.name == "scan_duration_seconds"]
    scans = sum(counted.values())
    figures: dict[str, float] = {"scans": scans, **{name: counted[name] for name in ("spam", "malware", "silent")}}
    if scans:
        figures["scan_ms"] = round(took.sum_s / scans * 1000, 1)
    return PartTold(faults=scanner.faults, made_of=_made_of(scanner), figures=figures)


def _made_of(health: Health) -> tuple[tuple[Part, ...], ...]:
    return tuple(parts_of(one) for one in (*health.faults, *health.warnings))


def _figures(edge: Edge) -> dict[str, float]:
    counted = {
        f"{name.removesuffix('_total')}_{labels['outcome']}": total
        for name, labels, _, total in edge.scoreboard.totals()
        if name in {"messages_total", "logins_total"}
    }
    lag_s = next(value for name, _, value in edge.scoreboard.gauges() if name == "loop_lag_seconds")
    wanted = ("messages_relayed", "messages_refused", "messages_deferred", "logins_granted", "logins_refused")
    return {
        "sessions": edge.caps.open(),
        "sessions_most": edge.caps.in_all,
        "loop_lag_ms": round(lag_s * 1000, 1),
        "certificate_days": round((edge.certificates.expires_at - edge.clock()) / DAY_S, 1),
        **{name: counted[name] for name in wanted},
    }


def _instance() -> str:
    return _NO_HOST_NAME.sub("-", socket.gethostname())[:64] or "gateway"

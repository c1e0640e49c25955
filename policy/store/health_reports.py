"""What each part of the installation said of itself last: `sallyport status`, the console's overview, alerts.

Parts that policy can ask are asked by it; the gateway and the console, which it cannot reach, tell. A report that is
old says that nobody has told anything since. Where another of its kind has come since, that one has its place: an
update gives each container another name, and a gateway takes no leave of a policy that is replaced at the same time.

One that ends in order takes its report with it. One that is there again with its name, has run for less time than
before (`up_s`) and took no leave has fallen: the kernel has killed it for want of memory, as a rule.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, delete, insert, select

from policy.store.operation_models import HealthReports
from policy.store.reader import Reader
from policy.store.statements import prepared
from policy.store.transactions import Statements
from service.sentence import all_heard, told

PERIOD_S = 10.0  # between two reports
SILENT_S = 180.0  # without one it is not heard of
LATE_S = 3 * PERIOD_S  # whoever has told nothing for so long may have been replaced
KEPT_S = 3600.0  # then it is forgotten: the name of a container that was replaced never comes back
_MOST = 50  # instances of a part: a gateway that was broken into can say any name

_PUT = prepared(
    "INSERT INTO health_report (service, instance, at, content)"  # noqa: S608 - a number
    " SELECT CAST(:service AS VARCHAR), CAST(:instance AS VARCHAR), CAST(:at AS DOUBLE PRECISION),"
    " CAST(:content AS VARCHAR)"
    " WHERE (SELECT count(*) FROM health_report WHERE service = :service AND instance <> :instance)"
    f" < {_MOST}"
    " ON CONFLICT (service, instance) DO UPDATE SET at = excluded.at, content = excluded.content"
)
_MAKE_ROOM = prepared(  # of those who are not heard of, where there are too many
    "DELETE FROM health_report WHERE service = :service AND instance <> :instance AND at < :edge"  # noqa: S608 - a number
    f" AND (SELECT count(*) FROM health_report WHERE service = :service AND instance <> :instance) >= {_MOST}"
)
_WHAT = prepared("SELECT content FROM health_report WHERE service = :service AND instance = :instance")
_LEAVE = prepared("DELETE FROM health_report WHERE service = :service AND instance = :instance")
_OF = prepared("SELECT service, instance, at, content FROM health_report WHERE service = :service ORDER BY instance")
_FORGET = prepared("DELETE FROM health_report WHERE at < :edge")


class Service(StrEnum):
    """The parts, in the order in which a message meets them."""

    GATEWAY = "gateway"
    POLICY = "policy"
    SCANNER = "scanner"
    POSTFIX = "postfix"
    QUEUE_AGENT = "queue-agent"
    DOVECOT = "dovecot"
    CONSOLE = "console"


@dataclass(frozen=True, slots=True)
class HealthReport:
    """`faults` keep it from its work, `warnings` want somebody to look: Sentences. `figures` are for people, too."""

    service: Service
    instance: str
    at: float
    version: str = ""
    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    figures: dict[str, float] = field(default_factory=dict)
    since: float = field(default=0.0, compare=False)  # when it was heard of first
    fell_at: float = field(default=0.0, compare=False)  # when it was found to have fallen; 0 where it never did


@dataclass(frozen=True, slots=True)
class HealthNotes:
    """Runs in the transactions of a writer (store/writer.py)."""

    statements: Statements

    def put(self, report: HealthReport) -> None:
        content = {key: value for key, value in asdict(report).items() if key not in {"service", "instance", "at"}}
        content["made_of"] = [told(one) for one in (*report.faults, *report.warnings)]
        who = {"service": report.service.value, "instance": report.instance}
        known = self.statements.execute(_WHAT, who).fetchall()
        before: dict[str, Any] = json.loads(str(known[0][0])) if known else {"since": report.at}
        content["since"] = before.get("since", 0.0)
        has_fallen = report.figures.get("up_s", math.inf) < before.get("figures", {}).get("up_s", 0.0)
        content["fell_at"] = report.at if has_fallen else before.get("fell_at", 0.0)
        self.statements.execute(_MAKE_ROOM, {**who, "edge": report.at - SILENT_S})
        self.statements.execute(_PUT, {**who, "at": report.at, "content": json.dumps(content)})

    def leave(self, service: Service, instance: str) -> None:
        """It ends in order: nobody has to miss it."""
        self.statements.execute(_LEAVE, {"service": service.value, "instance": instance})

    def forget(self, now: float) -> None:
        """Those of instances that are gone."""
        self.statements.execute(_FORGET, {"edge": now - KEPT_S})


def health_reports(engine: Engine) -> list[HealthReport]:
    """The newest of each that was not replaced, in the order of Service."""
    row, order = HealthReports, list(Service)
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        found = connection.execute(select(row.service, row.instance, row.at, row.content)).all()
    reports = [_report(*one) for one in found if one.service in order]
    standing = [one for service in order for one in not_replaced([one for one in reports if one.service is service])]
    return sorted(standing, key=lambda one: (order.index(one.service), one.instance))


def try_to_write(engine: Engine) -> None:
    """Raises where nothing can be written: a full disk still answers questions. Nothing is left of what is tried."""
    row = HealthReports
    with engine.begin() as connection:
        connection.execute(insert(row).values(service="", instance="", at=0.0, content=""))
        connection.execute(delete(row).where(row.service == ""))


async def reports_of(reader: Reader, service: Service) -> list[HealthReport]:
    """The newest of each of its instances that was not replaced, for who asks beside the questions."""
    return [*not_replaced([_report(*row) for row in await reader.rows(_OF, {"service": service.value})])]


def not_replaced(reports: Sequence[HealthReport]) -> Iterator[HealthReport]:
    """Of one part. Each that came later has the place of one that is not heard of any more, and of no other."""
    newest = max((one.at for one in reports), default=0.0)
    late = sorted((one for one in reports if one.at < newest - LATE_S), key=lambda one: one.at)
    came = sorted(one.since for one in reports)
    replaced = set[str]()
    for one in late:
        came = [since for since in came if since > one.at]  # the others came before those that are next, too
        if came:
            replaced.add(one.instance)
            del came[0]
    yield from (one for one in reports if one.instance not in replaced)


def _report(service: str, instance: str, at: float, content: str) -> HealthReport:
    said = json.loads(content)
    faults, warnings = said["faults"], said["warnings"]
    whole = all_heard((*faults, *warnings), said.get("made_of", ()))
    return HealthReport(
        service=Service(service),
        instance=instance,
        at=at,
        version=said["version"],
        faults=whole[: len(faults)],
        warnings=whole[len(faults) :],
        figures=said["figures"],
        since=said.get("since", 0.0),
        fell_at=said.get("fell_at", 0.0),
    )

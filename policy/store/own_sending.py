"""What one identity has sent, for its owner: message by message, and how much of it lately. Nobody else's rows."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Engine, func, literal, select, tuple_

from policy.contract import Action
from policy.store.fates import Fared, fared
from policy.store.held import HeldState
from policy.store.incident_models import HeldMessages
from policy.store.models import Credentials, Submissions


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One message. `held_state` is where its part on hold is now; empty where nothing of it ever was."""

    id: str
    at: float
    device: str  # its label; empty where it is gone
    client_address: str
    client_name: str
    area: str
    recipients: int
    held: int
    action: str
    reason: str
    outcome: str
    held_state: str = ""
    fared: Fared = field(default_factory=Fared)


@dataclass(frozen=True, slots=True)
class Used:
    """How much was sent in some span; what was held is in it, what was refused is not."""

    messages: int
    recipients: int
    new_recipients: int


def own_sending(engine: Engine, identity: str, before: str, most: int) -> list[Sent]:
    """The newest first; of the next page those before the last one of this page, of its id."""
    row = Submissions
    wanted = (
        select(
            row.id, row.at, func.coalesce(Credentials.label, ""), row.client_address, row.client_name, row.origin,
            row.recipients, row.held, row.action, row.reason, row.outcome,
        )
        .outerjoin(Credentials, Credentials.login == row.login)
        .where(row.identity == identity)
        .order_by(row.at.desc(), row.id.desc())
        .limit(most)
    )  # fmt: skip
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        if before:
            at = connection.scalar(select(row.at).where(row.id == before, row.identity == identity))
            if at is None:  # another one's, or forgotten since
                return []
            wanted = wanted.where(tuple_(row.at, row.id) < tuple_(literal(at), literal(before)))
        rows = connection.execute(wanted).all()
        held, ids = HeldMessages, [found[0] for found in rows]
        became = fared(connection, ids)
        asked = select(held.submission, held.state).where(held.submission.in_(ids))
        states = {one.submission: one.state for one in connection.execute(asked.order_by(held.id))}
    names = ("id", "at", "device", "client_address", "client_name", "area", "recipients", "held", "action")
    fields = (*names, "reason", "outcome")
    return [
        Sent(**dict(zip(fields, row, strict=True)), held_state=states.get(row[0], ""), fared=became[row[0]])
        for row in map(tuple, rows)
    ]


def used_since(engine: Engine, identity: str, moments: Iterable[float]) -> dict[float, Used]:
    """By the moment since when."""
    row = Submissions
    numbers = func.count(), func.coalesce(func.sum(row.recipients), 0), func.coalesce(func.sum(row.new_recipients), 0)
    found = dict[float, Used]()
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        for since in moments:
            taken = row.action.in_((Action.ACCEPT, Action.HOLD))
            wanted = select(*numbers).where(row.identity == identity, row.at > since, taken)
            found[since] = Used(*map(int, connection.execute(wanted).one()))
    return found


def held_number(engine: Engine, identity: str) -> int:
    """Messages that are on hold at this moment."""
    row = HeldMessages
    wanted = select(func.count()).where(row.identity == identity, row.state == HeldState.HELD)
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        return connection.scalar(wanted) or 0

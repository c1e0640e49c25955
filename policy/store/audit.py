"""The audit log: who changed what, from where, and how it was before and after.

A row is written in the transaction of the change itself, so that there is never one without the other. Rows are
never changed and never deleted: triggers in the database refuse it (policy/migrations). They name what they are about
by its name and not by its row, because they outlive it. No secret, digest or hash is ever among their values.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, Engine, Select, insert, or_, select

from policy.people.roles import Role
from policy.store.models import Audit

Values = Mapping[str, object]  # of a row, as far as they say what happened; JSON can hold them

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: `name` is cli:USER, api:TOKEN, console:IDENTITY or sallyport; `source` an address or a host's name.

    `roles` are those, by the name of whose they are, because of which he may: changes.py looks whether they still are.
    """

    name: str
    source: str
    roles: Mapping[str, Role] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Act:
    """One administrative act. Moments in `before` and `after` are ISO 8601, UTC."""

    id: int
    at: float
    actor: str
    source: str
    action: str
    subject: str
    before: dict[str, object]
    after: dict[str, object]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which acts to list; empty is all."""

    subject: str = ""  # an identity's name, an address or a login; acts on the logins of an identity are its own, too
    actor: str = ""
    since: float | None = None
    before_id: int | None = None  # the last one of the page before


def record(
    connection: Connection, actor: Actor, now: float, action: str, subject: str, before: Values, after: Values
) -> None:
    """Write down one act, in the transaction that `connection` is in."""
    connection.execute(
        insert(Audit).values(
            at=now,
            actor=actor.name,
            source=actor.source,
            action=action,
            subject=subject,
            before=_text(before),
            after=_text(after),
        )
    )


def newest(engine: Engine, wanted: Wanted, limit: int = _PAGE) -> list[Act]:
    """Newest first; the next page begins before the last id of this one."""
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        return [
            Act(
                id=row.id,
                at=row.at,
                actor=row.actor,
                source=row.source,
                action=row.action,
                subject=row.subject,
                before=_values(row.before),
                after=_values(row.after),
            )
            for row in connection.execute(_question(wanted).limit(limit))
        ]


def is_about(subject: str) -> ColumnElement[bool]:
    """Acts on it, and on what is an identity's of that name."""
    its_own = _text({"identity": subject}).strip("{}")
    return or_(
        Audit.subject == subject,
        Audit.before.contains(its_own, autoescape=True),
        Audit.after.contains(its_own, autoescape=True),
    )


def _question(wanted: Wanted) -> Select[int, float, str, str, str, str, str, str]:
    question = select(
        Audit.id, Audit.at, Audit.actor, Audit.source, Audit.action, Audit.subject, Audit.before, Audit.after
    ).order_by(Audit.id.desc())
    if wanted.subject:
        question = question.where(is_about(wanted.subject))
    if wanted.actor:
        question = question.where(Audit.actor == wanted.actor)
    if wanted.since is not None:
        question = question.where(Audit.at >= wanted.since)
    if wanted.before_id is not None:
        question = question.where(Audit.id < wanted.before_id)
    return question


def _values(stored: str) -> dict[str, object]:
    """As people and programs read them. Rows have seconds since the epoch, and cannot be changed."""
    return {name: _value(name, value) for name, value in json.loads(stored).items()}


def _value(name: str, value: object) -> object:
    if name.endswith("_at") and isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value


def _text(values: Values) -> str:
    return json.dumps(values, ensure_ascii=False)

"""What a console shows of identities beside what the identity store lists: read alone, by name, a page at a time.

    listed        identities by search and filter
    steps_of      where the identities of such a page stand
    sign_in_of    whether a person can sign in to the console, and with what
    days_of       what an identity did on each day
    areas_of      from which areas it logs in

What is changed goes through identities.py and people.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, Engine, Select, func, select

from policy.engine.ladder import Step
from policy.engine.places import History
from policy.people.roles import Role
from policy.people.second_factors import FactorKind
from policy.store.console_sessions import IDLE_S
from policy.store.identities import found_by
from policy.store.listing import read_identities
from policy.store.models import (
    Areas,
    ConsoleSessions,
    Credentials,
    Days,
    Identities,
    Invites,
    Passwords,
    SecondFactors,
    Standings,
)
from policy.store.rows import Identity, Profile
from policy.store.standings import standing_of


class State(StrEnum):
    """By what a list of identities can be narrowed."""

    SUSPENDED = "suspended"
    STOPPED = "stopped"  # held, restricted or locked
    NOT_ENROLLED = "not-enrolled"  # a person who has no password yet


@dataclass(frozen=True, slots=True)
class SignInState:
    """How a person signs in to the console. An invitation is one that is open still."""

    password_since: float | None
    factors: int
    codes_left: int
    sessions: int
    invite: int | None
    invite_until: float | None


@dataclass(frozen=True, slots=True)
class DayDone:
    """What an identity did on one day, in days since the epoch (UTC)."""

    day: int
    messages: int = 0
    recipients: int = 0
    new_recipients: int = 0
    held: int = 0  # recipients
    refused: int = 0  # messages
    unknown: int = 0  # recipients that do not exist


def listed(
    engine: Engine, *, search: str = "", role: Role | None = None, state: State | None = None, after: str, limit: int
) -> list[Identity]:
    """By name; the page after the name `after`."""
    wanted: list[ColumnElement[bool]] = [Identities.name > after]
    if search:
        wanted.append(found_by(search))
    if role is not None:
        wanted.append(Identities.role == role)
    if state is not None:
        wanted.extend(_in_state(state))
    with _reading(engine) as connection:
        return read_identities(connection, *wanted, limit=limit)


def steps_of(engine: Engine, names: Sequence[str], now: float) -> dict[str, Step]:
    """Of those who are not free."""
    wanted = (
        select(Identities.name, Standings.step, Standings.home_step, Standings.since)
        .join(Standings, Standings.identity_id == Identities.id)
        .where(Identities.name.in_(names), Standings.step > Step.FREE)
    )
    with _reading(engine) as connection:
        rows = connection.execute(wanted).all()
    stand = {name: standing_of(step, home, since).at(now).step for name, step, home, since in rows}
    return {name: step for name, step in stand.items() if step > Step.FREE}


def sign_in_of(engine: Engine, name: str, now: float) -> SignInState:
    """Nothing of it for a name that is nobody's."""
    with _reading(engine) as connection:
        number = connection.scalar(select(Identities.id).where(Identities.name == name)) or 0
        factor = SecondFactors
        kinds = connection.scalars(
            select(factor.kind).where(factor.identity_id == number, factor.used_up_at.is_(None))
        ).all()
        is_live = (ConsoleSessions.expires_at > now) & (ConsoleSessions.seen_at > now - IDLE_S)
        invite = connection.execute(_open_invite(number, now)).first()
        return SignInState(
            password_since=connection.scalar(select(Passwords.changed_at).where(Passwords.identity_id == number)),
            factors=sum(kind != FactorKind.RECOVERY for kind in kinds),
            codes_left=kinds.count(FactorKind.RECOVERY),
            sessions=connection.scalar(select(func.count()).where(ConsoleSessions.identity_id == number, is_live)) or 0,
            invite=invite[0] if invite else None,
            invite_until=invite[1] if invite else None,
        )


def days_of(engine: Engine, name: str, first: int, last: int) -> list[DayDone]:
    """Each day from `first` to `last`, those too on which it did nothing."""
    row = Days
    wanted = (
        select(
            row.day,
            row.messages,
            row.recipients,
            row.new_recipients,
            row.held,
            row.refused,
            row.unknown_recipients,
        )
        .join(Identities, Identities.id == row.identity_id)
        .where(Identities.name == name, row.day >= first, row.day <= last)
    )
    with _reading(engine) as connection:
        known = {found[0]: DayDone(*found) for found in connection.execute(wanted)}
    return [known.get(day) or DayDone(day) for day in range(first, last + 1)]


def areas_of(engine: Engine, name: str) -> dict[str, History]:
    """By Origin.area; the one that was used last first."""
    row = Areas
    wanted = (
        select(row.area, row.first_used_at, row.last_used_at, row.days, row.confirmed_at, row.doubted_day)
        .join(Identities, Identities.id == row.identity_id)
        .where(Identities.name == name)
        .order_by(row.last_used_at.desc(), row.id)
    )
    with _reading(engine) as connection:
        rows = connection.execute(wanted).all()
    return {row.area: History(*row[1:]) for row in rows}


def devices_of(engine: Engine, name: str) -> dict[int, str]:
    """The labels of the credentials that work, by their rows: budgets are kept by these."""
    row = Credentials
    wanted = (
        select(row.id, row.label)
        .join(Identities, Identities.id == row.identity_id)
        .where(Identities.name == name, row.revoked_at.is_(None))
        .order_by(row.id)
    )
    with _reading(engine) as connection:
        return {row.id: row.label for row in connection.execute(wanted)}


def _in_state(state: State) -> tuple[ColumnElement[bool], ...]:
    if state is State.SUSPENDED:
        return (Identities.suspended_at.is_not(None),)
    if state is State.STOPPED:
        return (Identities.id.in_(select(Standings.identity_id).where(Standings.step >= Step.HOLD)),)
    has_password = Identities.id.in_(select(Passwords.identity_id))
    return Identities.profile == Profile.PERSON, ~has_password


def _open_invite(identity: int, now: float) -> Select[int, float]:
    is_open = Invites.used_at.is_(None) & Invites.revoked_at.is_(None) & (Invites.expires_at > now)
    return select(Invites.id, Invites.expires_at).where(Invites.identity_id == identity, is_open)


def _reading(engine: Engine) -> Connection:
    return engine.execution_options(isolation_level="AUTOCOMMIT").connect()

"""Second factors of people: seeds of authenticator applications (sealed), passkeys, recovery codes (digests).

Codes can be guessed, six digits of them: five wrong ones in a quarter of an hour, and the person has to wait, whatever
is typed. They are counted in the database, in the transaction that judges them, so that neither a restart nor many
requests at once give a sixth. Whoever has the password must not keep its owner out: in a network that is the owner's
beyond doubt, and in a session that is open, there are as many again; and a passkey, which cannot be guessed, is let
through meanwhile.
"""

from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, ScalarSelect, delete, func, insert, literal, select, update

from policy.alerting.kinds import Kind
from policy.people.errors import Refused, SignInRefused, Text, Wait
from policy.people.second_factors import FactorKind, recovery_digest, seal, step_of, unseal
from policy.store.audit import Actor, record
from policy.store.changes import identity_id
from policy.store.models import Identities, SecondFactors, WrongFactors
from policy.store.notices import NoticeBook
from policy.store.statements import OnConnection
from service.spans import DAY_S

MOST_WRONG = 5
WRONG_WINDOW_S = 15 * 60.0
MOST_FACTORS = 20
_MOST_LABEL = 100


@dataclass(frozen=True, slots=True)
class Factor:
    """One of a person's, as it is listed. Recovery codes are none of these: see `codes_left`."""

    id: int
    kind: FactorKind
    label: str
    created_at: float
    last_used_at: float | None


@dataclass(frozen=True, slots=True)
class NewFactor:
    """An application's seed with the step that confirmed it, or a passkey's public key with its count."""

    kind: FactorKind
    label: str
    material: bytes = field(repr=False)
    counter: int
    handle: bytes | None = None


@dataclass(frozen=True, slots=True)
class Passkey:
    """What is kept of one: its id, its public key (COSE), and how often it has signed, where it counts."""

    handle: bytes
    public_key: bytes
    count: int


class Factors:
    """All of them. `key` is the digest key."""

    def __init__(self, engine: Engine, key: bytes) -> None:
        self._engine = engine
        self._reading = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._key = key

    def of(self, identity: str) -> list[Factor]:
        """Oldest first."""
        row = SecondFactors
        wanted = (
            select(row.id, row.kind, row.label, row.created_at, row.last_used_at)
            .where(row.identity_id == _id_of(identity), row.kind != FactorKind.RECOVERY)
            .order_by(row.id)
        )
        with self._reading.connect() as connection:
            return [Factor(found[0], FactorKind(found[1]), *found[2:]) for found in connection.execute(wanted)]

    def codes_left(self, identity: str) -> int:
        row = SecondFactors
        wanted = select(func.count()).where(
            row.identity_id == _id_of(identity), row.kind == FactorKind.RECOVERY, row.used_up_at.is_(None)
        )
        with self._reading.connect() as connection:
            return connection.scalar(wanted) or 0

    def handles(self, identity: str) -> list[bytes]:
        """The ids of a person's passkeys."""
        row = SecondFactors
        wanted = select(row.handle).where(row.identity_id == _id_of(identity), row.handle.is_not(None))
        with self._reading.connect() as connection:
            return [handle for handle in connection.scalars(wanted) if handle is not None]

    def passkey(self, identity: str, handle: bytes) -> Passkey | None:
        row = SecondFactors
        wanted = select(row.material, row.counter).where(row.identity_id == _id_of(identity), row.handle == handle)
        with self._reading.connect() as connection:
            found = connection.execute(wanted).one_or_none()
        return Passkey(handle, *found) if found else None

    def take_passkey(self, passkey: Passkey, count: int, now: float) -> bool:
        """Note its use; False where it is gone, or was used at the same time with the same count."""
        row = SecondFactors
        taken = update(row).where(row.handle == passkey.handle, row.counter == passkey.count)
        with self._engine.begin() as connection:
            return bool(connection.execute(taken.values(counter=count, last_used_at=now)).rowcount)

    def take_code(self, person: int, code: str, now: float, *, is_own: bool) -> FactorKind | None:
        """What the code is of, which it is never again; None where it is wrong. Wait after too many wrong ones.

        `is_own`: it is typed where nobody but the owner is, or in a session of his.
        """
        most = MOST_WRONG * (2 if is_own else 1)
        with self._engine.begin() as connection:
            wrong = connection.scalars(
                select(WrongFactors.at)
                .where(WrongFactors.identity_id == person, WrongFactors.at > now - WRONG_WINDOW_S)
                .order_by(WrongFactors.at.desc())
                .limit(most)
            ).all()
            if len(wrong) >= most:
                raise Wait(wrong[-1] + WRONG_WINDOW_S - now)
            if self._take_step(connection, person, code, now):
                return FactorKind.TOTP
            if self._take_recovery_code(connection, person, code, now):
                return FactorKind.RECOVERY
            connection.execute(delete(WrongFactors).where(WrongFactors.at <= now - WRONG_WINDOW_S))
            there = select(Identities.id, literal(now)).where(Identities.id == person)  # nobody, if removed just now
            connection.execute(insert(WrongFactors).from_select(["identity_id", "at"], there))
            if len(wrong) + 1 == MOST_WRONG:
                _tell(connection, person, now)
        return None

    def add(self, identity: str, new: NewFactor, actor: Actor, now: float) -> Factor:
        with self._engine.begin() as connection:
            add_factor(connection, self._key, identity, new, now)
            record(connection, actor, now, "factor-added", identity, {}, {"kind": new.kind, "label": new.label})
        return self.of(identity)[-1]

    def remove(self, identity: str, factor_id: int, actor: Actor, now: float) -> None:
        """The last one stays: without it, the password alone would do."""
        row = SecondFactors
        its = (row.identity_id == _id_of(identity), row.kind != FactorKind.RECOVERY)
        with self._engine.begin() as connection:
            found = connection.execute(select(row.kind, row.label).where(row.id == factor_id, *its)).one_or_none()
            if not found:
                raise Refused(Text.NO_SUCH_FACTOR)
            if connection.scalar(select(func.count()).select_from(row).where(*its)) == 1:
                raise Refused(Text.LAST_FACTOR)
            connection.execute(delete(row).where(row.id == factor_id))
            record(connection, actor, now, "factor-removed", identity, {"kind": found[0], "label": found[1]}, {})

    def replace_codes(self, identity: str, codes: tuple[str, ...], actor: Actor, now: float) -> None:
        """The old recovery codes serve no more."""
        with self._engine.begin() as connection:
            put_recovery_codes(connection, self._key, identity, codes, now)
            record(connection, actor, now, "recovery-codes-made", identity, {}, {"codes": len(codes)})

    def _take_step(self, connection: Connection, person: int, code: str, now: float) -> bool:
        row = SecondFactors
        its = connection.execute(
            select(row.id, row.material, row.counter).where(row.identity_id == person, row.kind == FactorKind.TOTP)
        ).all()
        for factor_id, sealed, counter in its:
            seed = unseal(sealed, self._key, person)
            step = step_of(seed, code, counter, now) if seed else None
            if step is not None:
                connection.execute(update(row).where(row.id == factor_id).values(counter=step, last_used_at=now))
                return True
        return False

    def _take_recovery_code(self, connection: Connection, person: int, code: str, now: float) -> bool:
        row = SecondFactors
        taken = update(row).where(
            row.identity_id == person,
            row.kind == FactorKind.RECOVERY,
            row.material == recovery_digest(code, self._key, person),
            row.used_up_at.is_(None),
        )
        return bool(connection.execute(taken.values(used_up_at=now, last_used_at=now)).rowcount)


def _tell(connection: Connection, person: int, now: float) -> None:
    """Once a day, or it would be a way to fill the owner's mailbox."""
    notices, kind = NoticeBook(OnConnection(connection)), Kind.SECOND_FACTOR_WRONG
    identity = connection.scalar(select(Identities.name).where(Identities.id == person))
    thread = f"{kind.value}:{identity}"
    if identity and not notices.is_told(thread, now - DAY_S):
        notices.add(
            kind,
            f"{identity}: somebody knows the console's password, and no second factor",
            [f"Whose: {identity}.", f"What happened: {MOST_WRONG} wrong codes after the right password."],
            now,
            thread=thread,
            facts={"identity": identity},
            owner=identity,
        )


def add_factor(connection: Connection, key: bytes, identity: str, new: NewFactor, now: float) -> None:
    """In the transaction that it belongs to. It was proven just now, which is its first use."""
    row = SecondFactors
    label = new.label.strip()
    if not 1 <= len(label) <= _MOST_LABEL or not label.isprintable():
        raise Refused(Text.BAD_LABEL, most=_MOST_LABEL)
    number = identity_id(connection, identity)
    there = connection.scalar(select(func.count()).where(row.identity_id == number, row.kind != FactorKind.RECOVERY))
    if (there or 0) >= MOST_FACTORS:
        raise Refused(Text.TOO_MANY_FACTORS, most=MOST_FACTORS)
    if new.handle is not None and connection.scalar(select(row.id).where(row.handle == new.handle)):
        raise SignInRefused(Text.WRONG_PASSKEY)  # its id is somebody's already (WebAuthn section 7.1, step 26)
    is_seed = new.kind is FactorKind.TOTP
    connection.execute(
        insert(row).values(
            identity_id=number,
            kind=new.kind,
            label=label,
            handle=new.handle,
            material=seal(new.material, key, number) if is_seed else new.material,
            counter=new.counter,
            created_at=now,
            last_used_at=now,
        )
    )


def put_recovery_codes(connection: Connection, key: bytes, identity: str, codes: tuple[str, ...], now: float) -> None:
    """In place of those that there were, in the transaction that it belongs to."""
    row = SecondFactors
    number = identity_id(connection, identity)
    connection.execute(delete(row).where(row.identity_id == number, row.kind == FactorKind.RECOVERY))
    for code in codes:
        digest = recovery_digest(code, key, number)
        connection.execute(
            insert(row).values(
                identity_id=number, kind=FactorKind.RECOVERY, label="", material=digest, counter=0, created_at=now
            )
        )


def _id_of(identity: str) -> ScalarSelect[int]:
    return select(Identities.id).where(Identities.name == identity).scalar_subquery()

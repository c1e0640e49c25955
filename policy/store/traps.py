"""Traps: what no owner of a login has a reason to do, asked of the store, and a row for each that closed.

    address          the login is an address, the local part of an address that is known here, or an identity's name
    retired-secret   a secret that this login had before it was renewed
    revoked-secret   the right secret of a credential that was revoked (found by policy/proofs.py)
    decoy            a login that nobody has, left where a thief looks for one

Rows are added up by the hour: one for each kind, network and identity. They go with age, and the oldest of more than a
number, so that a botnet does not fill the disk.
"""

from dataclasses import dataclass, fields
from typing import NamedTuple

from sqlalchemy import Engine, select

from policy.contract import canonical_login
from policy.engine.guessing import Trap
from policy.store.models import TrapHits
from policy.store.reader import Reader
from policy.store.statements import prepared
from policy.store.transactions import Statements
from service.spans import HOUR_S

# A thief's first login with the secret made his network one of the owner's. It is that beyond doubt from the third day
# on, or when somebody vouches for it: until then it excuses nobody who has an old secret.
SETTLED_DAYS = 3
ROWS_KEPT, KEPT_S = 10_000, 90 * 86400.0
_DELETED_AT_ONCE = 3  # more than one comes in
_LAST = "\U0010ffff"  # no letter comes after it

# One question for all kinds, and whatever is asked it costs the same. The identity from whose network it comes goes
# first: then it was its owner's mistake.
_TRAPS = prepared(f"""
SELECT '{Trap.RETIRED}', identity.name, credential.label, network.id
  FROM retired_secret JOIN credential ON credential.id = retired_secret.credential_id
  JOIN identity ON identity.id = credential.identity_id
  LEFT JOIN network ON network.identity_id = identity.id AND network.network = :network
   AND (network.days >= :settled OR network.confirmed_at IS NOT NULL)
 WHERE credential.login = :login AND retired_secret.digest = :digest
UNION ALL
SELECT '{Trap.DECOY}', '', decoy.label, NULL FROM decoy WHERE decoy.login = :login
UNION ALL
SELECT '{Trap.ADDRESS}', identity.name, '', network.id
  FROM identity LEFT JOIN network ON network.identity_id = identity.id AND network.network = :network
 WHERE identity.name = :name
UNION ALL
SELECT * FROM (
SELECT '{Trap.ADDRESS}', identity.name, '', network.id
  FROM address JOIN identity ON identity.id = address.identity_id
  LEFT JOIN network ON network.identity_id = identity.id AND network.network = :network
 WHERE address.address >= :first AND address.address <= :last
 ORDER BY CASE WHEN network.id IS NULL THEN 1 ELSE 0 END LIMIT 1) AS known
""")  # noqa: S608 - the words of an enumeration
_COUNT = prepared(
    "UPDATE trap_hit SET hits = hits + 1 WHERE at >= :hour AND kind = :kind AND network = :network"
    " AND identity = :identity AND label = :label"
)
_ADD = prepared(
    "INSERT INTO trap_hit (at, kind, network, client_address, protocol, identity, label, hits)"
    " VALUES (:at, :kind, :network, :client_address, :protocol, :identity, :label, 1)"
)
_FORGET_OLD = prepared(
    "DELETE FROM trap_hit WHERE id IN (SELECT id FROM trap_hit WHERE at < :edge ORDER BY at LIMIT :most)"
)
_FORGET_MANY = prepared("DELETE FROM trap_hit WHERE id <= (SELECT max(id) FROM trap_hit) - :kept")


class Closed(NamedTuple):
    """A trap that a login has met. `identity` is whose address or secret it is, empty where it is nobody's."""

    kind: Trap
    identity: str
    label: str  # of the credential or the decoy
    has_history: bool  # the network is one of the identity's own: a mistake of its owner, or an old device


@dataclass(frozen=True, slots=True)
class TrapHit:
    """One row: the first of its hour has the time and the client's address. `id` is 0 before it is one."""

    at: float
    kind: str
    network: str
    client_address: str
    protocol: str
    identity: str
    label: str
    hits: int
    id: int = 0


class Traps:
    """What is asked of the store. `reader` is its owner's to close."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def closed_by(self, login: str, digest: bytes, network: str) -> Closed | None:
        """The trap that this login, or this secret (its keyed digest) of this login, is; the first of the table above.

        Whoever asks knows whether the login is one that somebody has: then its form is no trap. Its spelling is as free
        as where credentials are looked up, or capitals would be a way round.
        """
        asked = canonical_login(login)
        first, last = _range(asked)
        values = {"login": asked, "digest": digest, "network": network, "name": asked, "settled": SETTLED_DAYS}
        rows = await self._reader.rows(_TRAPS, values | {"first": first, "last": last})
        for kind, identity, label, seen in rows:
            return Closed(Trap(kind), identity, label, seen is not None)
        return Closed(Trap.ADDRESS, "", "", has_history=False) if "@" in login else None


class TrapRecords:
    """Runs in the transactions of whoever has `statements` (store/writer.py)."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def add(self, hit: TrapHit) -> None:
        """Count it, or begin a row."""
        values = {"kind": hit.kind, "network": hit.network, "identity": hit.identity, "label": hit.label}
        if self._statements.execute(_COUNT, {"hour": hit.at - hit.at % HOUR_S, **values}).rowcount:
            return
        self._statements.execute(_FORGET_OLD, {"edge": hit.at - KEPT_S, "most": _DELETED_AT_ONCE})
        self._statements.execute(_FORGET_MANY, {"kept": ROWS_KEPT})
        more = {"at": hit.at, "client_address": hit.client_address, "protocol": hit.protocol}
        self._statements.execute(_ADD, values | more)


def newest_traps(engine: Engine, limit: int, before: int | None = None) -> list[TrapHit]:
    """Newest first; the page after the row `before`, which may be gone by now."""
    wanted = select(*(TrapHits.__table__.c[one.name] for one in fields(TrapHit))).order_by(TrapHits.id.desc())
    if before is not None:
        wanted = wanted.where(TrapHits.id < before)
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        return [TrapHit(*found) for found in connection.execute(wanted.limit(limit))]


def _range(login: str) -> tuple[str, str]:
    """The addresses that a login may stand for: itself, or those whose local part it is."""
    if "@" in login or not login:  # before the @ of a whole domain there is nothing
        return login, login
    return f"{login}@", f"{login}@{_LAST}"

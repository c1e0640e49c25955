"""What a granted login leaves behind: when and from where the credential was used last, and the network it came from.

The network is what makes history: from then on its logins to this identity are never walled (engine/guessing.py), so
the first network that a credential is ever used from is known from that moment on. It is forgotten when it was not used
for 400 days, unless somebody has vouched for it.
"""

from sqlalchemy import bindparam, update

from policy.store.models import Credentials
from policy.store.statements import prepared
from policy.store.transactions import Statements
from service.spans import DAY_S

USE_GRAIN_S = 60.0  # a login costs no disk write more often than this
NETWORK_GRAIN_S = 3600.0
_FORGOTTEN_AFTER_S = 400 * DAY_S
_KEPT = 1000  # networks of one identity that nobody has vouched for

_USE = prepared(
    update(Credentials)
    .where(Credentials.id == bindparam("used"))
    .values(last_used_at=bindparam("now"), last_used_from=bindparam("client_address")),
    is_apart=True,
)
_FIRST_USE = prepared(
    update(Credentials)
    .where(Credentials.id == bindparam("used"), Credentials.last_used_at.is_(None))
    .values(last_used_at=bindparam("now"), last_used_from=bindparam("client_address"))
)
_NETWORK = prepared(
    "INSERT INTO network (identity_id, network, first_used_at, last_used_at, days)"
    " VALUES (:identity, :network, :now, :now, 1)"
    " ON CONFLICT (identity_id, network) DO UPDATE SET"
    " days = CASE WHEN network.last_used_at < :forgotten AND network.confirmed_at IS NULL THEN 1"
    " ELSE network.days + CASE WHEN network.last_used_at < :today THEN 1 ELSE 0 END END,"
    " first_used_at = CASE WHEN network.last_used_at < :forgotten AND network.confirmed_at IS NULL THEN :now"
    " ELSE network.first_used_at END, last_used_at = :now"
    " WHERE network.last_used_at < :now"
)
_FORGET = prepared(
    "DELETE FROM network WHERE identity_id = :identity AND last_used_at < :edge AND confirmed_at IS NULL"
)
_FORGET_MANY = prepared(
    "DELETE FROM network WHERE id IN (SELECT id FROM network WHERE identity_id = :identity AND confirmed_at IS NULL"
    " ORDER BY days DESC, last_used_at DESC LIMIT 1000 OFFSET :kept)"
)


class Uses:
    """Runs in the transactions of whoever has `statements` (store/writer.py)."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def note_credential(self, credential: int, client_address: str, now: float) -> None:
        self._statements.execute(_USE, {"used": credential, "client_address": client_address, "now": now})

    def note_first_use(self, credential: int, client_address: str, now: float) -> bool:
        """False where it was used before: of logins that come at once one is the first."""
        values = {"used": credential, "client_address": client_address, "now": now}
        return self._statements.execute(_FIRST_USE, values).rowcount == 1

    def note_network(self, identity: int, network: str, now: float, *, forgotten: float) -> None:
        """`days` counts the days (UTC) on which it was used; anew where that was not since `forgotten`."""
        self._statements.execute(_FORGET, {"identity": identity, "edge": now - _FORGOTTEN_AFTER_S})
        values = {"identity": identity, "network": network, "now": now, "today": now - now % DAY_S}
        self._statements.execute(_NETWORK, values | {"forgotten": forgotten})
        self._statements.execute(_FORGET_MANY, {"identity": identity, "kept": _KEPT})

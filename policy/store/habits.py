"""What a credential's client looks like: name (EHLO), mechanism and TLS.

Each of them proves nothing; all three, changed at once, are another program.
"""

from typing import NamedTuple

from policy.store.reader import Reader
from policy.store.statements import prepared
from policy.store.transactions import Statements

KEPT = 8  # of each kind, of one credential
_VALUE_LIMIT = 100

_ALL = prepared("SELECT kind, value, last_used_at FROM habit WHERE credential_id = :credential")
_NOTE = prepared(
    "INSERT INTO habit (credential_id, kind, value, last_used_at) VALUES (:credential, :kind, :value, :now)"
    " ON CONFLICT (credential_id, kind, value) DO UPDATE SET last_used_at = :now"
)
_FORGET = prepared(
    "DELETE FROM habit WHERE id IN (SELECT id FROM habit WHERE credential_id = :credential AND kind = :kind"
    " ORDER BY last_used_at DESC LIMIT 1000 OFFSET :kept)"
)


class Looks(NamedTuple):
    """Of one client; what is not known is empty."""

    name: str
    mechanism: str
    tls: str

    def seen(self) -> dict[str, str]:
        return {kind: value[:_VALUE_LIMIT] for kind, value in self._asdict().items() if value}


class Habits:
    """Asks; `reader` is its owner's to close."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def of(self, credential: int) -> dict[tuple[str, str], float]:
        """When each kind and value was used last."""
        rows = await self._reader.rows(_ALL, {"credential": credential})
        return {(kind, value): at for kind, value, at in rows}


class HabitBook:
    """Runs in the transactions of whoever has `statements` (store/writer.py)."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def note(self, credential: int, looks: Looks, now: float) -> None:
        for kind, value in looks.seen().items():
            values = {"credential": credential, "kind": kind}
            self._statements.execute(_NOTE, values | {"value": value, "now": now})
            self._statements.execute(_FORGET, values | {"kept": KEPT})


def strange_of(looks: Looks, habits: dict[tuple[str, str], float]) -> dict[str, str]:
    """All that is known of the client, if nothing of it was seen before; nothing for a credential without habits."""
    seen = looks.seen()
    known = {kind for kind, _ in habits}
    compared = {kind: value for kind, value in seen.items() if kind in known}
    if len(compared) < len(Looks._fields) or any(one in habits for one in compared.items()):
        return {}
    return compared

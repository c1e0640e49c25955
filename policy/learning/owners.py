"""Whose a login of the past is: a login of ours, an identity's name, or an address that it owns. Changes nothing."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Engine, text

from policy.contract import canonical_address, canonical_login

_CACHED = 100_000  # logins, of which a log has a few, or as many as somebody has guessed

# The order is that of the answer: of several identities the first one is meant.
_WHOSE = text("""
SELECT identity.id, identity.name FROM (
  SELECT 1 AS rank, identity_id FROM credential WHERE login = :asked
  UNION ALL SELECT 2, id FROM identity WHERE name = :asked
  UNION ALL SELECT 3, identity_id FROM address WHERE address = :asked
  UNION ALL SELECT 4, identity_id FROM address WHERE address = :base AND subaddresses
  UNION ALL SELECT 5, identity_id FROM address WHERE address = :domain
) AS found JOIN identity ON identity.id = found.identity_id ORDER BY found.rank LIMIT 1
""")


class Owner(NamedTuple):
    """An identity: its row and its name."""

    id: int
    name: str


class Owners:
    """`names` says whose a login is that nobody here has: an identity's name, a login or an address for each."""

    def __init__(self, engine: Engine, names: Mapping[str, str]) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._names = {canonical_login(given): meant for given, meant in names.items()}
        self._found: dict[str, Owner | None] = {}

    def owner(self, given: str) -> Owner | None:
        """None where nobody here has it."""
        asked = canonical_login(given)
        if asked not in self._found:
            if len(self._found) >= _CACHED:
                self._found.clear()
            self._found[asked] = self._ask(canonical_login(self._names.get(asked, given)))
        return self._found[asked]

    def _ask(self, asked: str) -> Owner | None:
        if "\0" in asked or not asked.isprintable():  # PostgreSQL has no such text
            return None
        local, at, domain = canonical_address(asked).rpartition("@")
        base = f"{local.partition('+')[0]}{at}{domain}"
        with self._engine.connect() as connection:
            row = connection.execute(_WHOSE, {"asked": asked, "base": base, "domain": f"{at}{domain}"}).first()
        return Owner(*row) if row else None

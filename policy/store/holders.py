"""Whose login it is, where another server has checked it: a login of ours, an identity's name, or an address.

Asked by what serves Postfix and Dovecot of others (policy/delegation/, policy/authpolicy/). Changes nothing.
"""

import hashlib
import re
from typing import NamedTuple

from policy.contract import canonical_login
from policy.store.reader import Reader
from policy.store.statements import prepared

_NAME_LIMIT = 50  # letters of a login that become a name
_NOT_OF_A_NAME = re.compile(r"[^a-z0-9._-]+")

# The order of the four is that of the answer: of several identities the first one is meant.
_HOLDER = prepared("""
SELECT found.rank, identity.id, identity.name, identity.suspended_at, found.credential_id,
  network.last_used_at, network.days, network.confirmed_at
FROM (
  SELECT 1 AS rank, identity_id, id AS credential_id FROM credential WHERE login = :asked
  UNION ALL SELECT 2, id, 0 FROM identity WHERE name = :asked
  UNION ALL SELECT 3, identity_id, 0 FROM address WHERE address = :asked
  UNION ALL SELECT 4, id, 0 FROM identity WHERE name = :derived
) AS found JOIN identity ON identity.id = found.identity_id
LEFT JOIN network ON network.identity_id = identity.id AND network.network = :network
ORDER BY found.rank LIMIT 1
""")


class Holder(NamedTuple):
    """Whose login it is, and what one network is to that identity."""

    rank: int
    identity_id: int
    identity: str
    suspended_at: float | None
    credential: int  # 0 where the login is none of ours
    network_used_at: float | None
    network_days: int | None
    network_confirmed_at: float | None

    @property
    def has_history(self) -> bool:
        """Whether an earlier login of the identity was granted from this network, or somebody vouched for it."""
        return self.network_used_at is not None


class Holders:
    """`reader` is its owner's to close."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def of(self, login: str, network: str = "") -> Holder | None:
        """In any spelling. None where nobody here has it."""
        asked = canonical_login(login)
        values = {"asked": asked, "derived": name_for(asked), "network": network}
        rows = await self._reader.rows(_HOLDER, values)
        return Holder(*rows[0]) if rows else None


def name_for(login: str) -> str:
    """The name of the identity that is added for a login which nobody has: the same for each spelling of it.

    A login that is no name has a part of its hash behind it, so that no two of them have one identity.
    """
    name = _NOT_OF_A_NAME.sub("-", login).lstrip("._-")
    if name == login and len(name) <= _NAME_LIMIT:
        return name
    return f"{name[:_NAME_LIMIT] or 'login'}-{hashlib.sha256(login.encode(errors='surrogatepass')).hexdigest()[:10]}"

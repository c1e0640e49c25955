"""Whose login it is, where another server has checked it: a login of ours, an identity's name, or an address.

Asked by what serves Postfix and Dovecot of others (policy/delegation/, policy/authpolicy/). Changes nothing.
"""

import hashlib
import re
from typing import NamedTuple

from policy.contract import canonical_login
from policy.engine.ladder import Standing
from policy.engine.places import History
from policy.store.reader import Reader
from policy.store.standings import standing_of
from policy.store.statements import prepared

_NAME_LIMIT = 50  # letters of a login that become a name
_NOT_OF_A_NAME = re.compile(r"[^a-z0-9._-]+")

# The order of the four is that of the answer: of several identities the first one is meant.
_HOLDER = prepared("""
SELECT identity.id, identity.name, identity.profile, identity.suspended_at, found.credential_id,
  network.first_used_at, network.last_used_at, network.days, network.confirmed_at,
  EXISTS (SELECT 1 FROM network AS other WHERE other.identity_id = identity.id),
  standing.step, standing.home_step, standing.since
FROM (
  SELECT 1 AS rank, identity_id, id AS credential_id FROM credential WHERE login = :asked
  UNION ALL SELECT 2, id, 0 FROM identity WHERE name = :asked
  UNION ALL SELECT 3, identity_id, 0 FROM address WHERE address = :asked
  UNION ALL SELECT 4, id, 0 FROM identity WHERE name = :derived
) AS found JOIN identity ON identity.id = found.identity_id
LEFT JOIN network ON network.identity_id = identity.id AND network.network = :network
LEFT JOIN standing ON standing.identity_id = identity.id
ORDER BY found.rank LIMIT 1
""")


class Holder(NamedTuple):
    """Whose login it is, in the order of _HOLDER, and what one network is to that identity."""

    identity_id: int
    identity: str
    profile: str
    suspended_at: float | None
    credential: int  # 0 where the login is none of ours
    network_first_used_at: float | None
    network_used_at: float | None  # when a login from this network was last written down; None: there was none
    network_days: int | None
    network_confirmed_at: float | None
    has_networks: bool  # any at all
    step: int | None
    home_step: int | None
    step_since: float | None

    @property
    def has_history(self) -> bool:
        """Whether an earlier login of the identity was granted from this network, or somebody vouched for it."""
        return self.network_used_at is not None

    @property
    def network_history(self) -> History | None:
        if self.network_first_used_at is None or self.network_used_at is None:
            return None
        return History(
            self.network_first_used_at, self.network_used_at, self.network_days or 0, self.network_confirmed_at
        )

    @property
    def standing(self) -> Standing:
        return standing_of(self.step, self.home_step, self.step_since)


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
    """The name of the identity that is added for a canonical login which nobody has.

    A login that is no name has a part of its hash behind it, so that no two of them have one identity.
    """
    name = _NOT_OF_A_NAME.sub("-", login).lstrip("._-")
    if name == login and len(name) <= _NAME_LIMIT:
        return name
    return f"{name[:_NAME_LIMIT] or 'login'}-{hashlib.sha256(login.encode(errors='surrogatepass')).hexdigest()[:10]}"

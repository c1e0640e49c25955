"""Logins that nobody here has: POLICY_DELEGATION_UNKNOWN says whether they are refused, or become identities.

Only who has logged in at the front has a login, so that its users are all that can ever be added; where anybody can
register there, this is not for it. An identity is a person with no credential, and with the login as its address where
it is one. In the audit log `sallyport` added it.
"""

import asyncio
from collections.abc import Callable

from policy.addresses import parsed_owner_address
from policy.contract import canonical_login
from policy.store.errors import StoreError
from policy.store.holders import Holder, Holders, name_for
from policy.store.identities import IdentityStore

_LOGIN_LIMIT = 320  # letters; the longest address


class Newcomers:
    """`store` is None where they are refused."""

    def __init__(self, holders: Holders, store: IdentityStore | None, clock: Callable[[], float]) -> None:
        self._holders = holders
        self._store = store
        self._clock = clock
        self._lock = asyncio.Lock()

    async def of(self, login: str, network: str) -> Holder | None:
        """Whose login it is, now that it may have been added, and what `network` is to that identity."""
        found = await self._holders.of(login, network)
        if found or not self._store or not 0 < len(login) <= _LOGIN_LIMIT:
            return found
        async with self._lock:  # one at a time: they come once in the life of a user
            await asyncio.to_thread(self._add, self._store, canonical_login(login))
        return await self._holders.of(login, network)

    def _add(self, store: IdentityStore, login: str) -> None:
        """Another one may have been faster, and somebody else may have the address: then it is of whom it is."""
        name, address = name_for(login), parsed_owner_address(login)
        for addresses in ((address,), ()) if address else ((),):
            try:
                store.add_identity(name, addresses, self._clock())
            except StoreError:
                continue
            return

"""The identities of the store as people of a replay: whose a login is, by which limits, and as whom he may send."""

from collections.abc import Iterator

from policy.contract import Owned, canonical_address
from policy.replay.people import Person
from policy.store.identities import IdentityStore
from policy.store.listing import PAGE
from policy.store.rows import Identity


def stored_people(store: IdentityStore) -> Iterator[tuple[Person, list[str]]]:
    """Everybody with the logins; a page at a time."""
    logins = dict[str, list[str]]()
    after = ""
    while page := store.credentials(after=after, limit=PAGE):
        for one in page:
            logins.setdefault(one.identity, []).append(one.login)
        after = page[-1].login
    name = ""
    while found := store.identities(after=name, limit=PAGE):
        for identity in found:
            yield person_of(identity), logins.get(identity.name, [])
        name = found[-1].name


def person_of(identity: Identity) -> Person:
    """`owned` is None where it owns nothing: then nobody asks."""
    given = [canonical_address(one) for one in (*identity.addresses, *identity.sends_as)]
    owned = Owned(
        addresses=frozenset(one for one in given if not one.startswith("@")),
        subaddressed=frozenset(canonical_address(one) for one in identity.subaddressed),
        domains=frozenset(one.removeprefix("@") for one in given if one.startswith("@")),
    )
    return Person(
        name=identity.name,
        kind=identity.profile.value,
        owned=owned if owned.addresses or owned.domains else None,
        addresses=tuple(one for one in identity.addresses if not one.startswith("@")),
    )

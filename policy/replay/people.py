"""Whose login it was: an identity's of the store, or, where there is none, somebody's who has its name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from policy.contract import Owned, canonical_address, canonical_login


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """An identity. `owned` is None where nobody knows as whom it may send: then it is not asked."""

    name: str
    kind: str = "person"
    owned: Owned | None = None
    addresses: tuple[str, ...] = ()  # to which others write


class People:
    """By login, address or name. `kinds` says by which limits somebody is measured, in the place of the store."""

    def __init__(
        self, stored: Iterable[tuple[Person, Iterable[str]]] = (), kinds: Mapping[str, str] | None = None
    ) -> None:
        """`stored` are identities, each with its logins. Who owns nothing is not asked whether he owns it."""
        self._kinds = {canonical_login(name): kind for name, kind in (kinds or {}).items()}
        self._known: dict[str, Person] = {}
        self._by_address: dict[str, Person] = {}
        for person, logins in stored:
            for login in (person.name, *person.addresses, *logins):
                self._known[canonical_login(login)] = self._measured(person, canonical_login(login))
            for address in person.addresses:
                self._by_address[canonical_address(address)] = person

    def of_login(self, login: str, kind: str = "") -> Person:
        """Always somebody; `kind` is what a record says of him."""
        canonical = canonical_login(login)
        person = self._known.get(canonical)
        if person is None:
            addresses = (canonical,) if "@" in canonical else ()
            person = self._known[canonical] = self._measured(
                Person(name=canonical, kind=kind or "person", addresses=addresses), canonical
            )
            for address in addresses:
                self._by_address[address] = person
        return person

    def of_address(self, address: str) -> Person | None:
        """To whom mail for `address` comes."""
        return self._by_address.get(canonical_address(address))

    def _measured(self, person: Person, login: str) -> Person:
        kind = self._kinds.get(login) or self._kinds.get(person.name)
        if kind is None:
            return person
        return Person(name=person.name, kind=kind, owned=person.owned, addresses=person.addresses)

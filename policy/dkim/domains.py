"""Whose mail is signed: our own domains, and those of addresses in the store.

A domain that somebody's address is of need not be ours to publish in (an address at a large provider, say): its keys
wait until the DNS shows them, and only then sign. Those of POLICY_DOMAINS sign from the beginning, because a signature
whose key is not published yet counts as none (RFC 6376 section 6.1), so that nothing is to be done twice.
"""

from collections.abc import Sequence

from sqlalchemy import Engine, select

from policy.contract import canonical_address
from policy.dkim.book import KeyBook, checked_domain
from policy.dkim.folder import KeyFolder
from policy.dkim.rotation import State
from policy.settings import Settings
from policy.store.audit import Actor
from policy.store.errors import StoreError
from policy.store.models import Addresses


def key_book(settings: Settings, engine: Engine, actor: Actor) -> KeyBook:
    """The keys where the settings say that they are."""
    return KeyBook(KeyFolder(settings.dkim_folder), engine, actor)


def our_domains(settings: Settings) -> tuple[str, ...]:
    """Of POLICY_DOMAINS, in A-labels."""
    return tuple(dict.fromkeys(canonical_address(f"@{domain}")[1:] for domain in settings.domains))


def make_missing(book: KeyBook, ours: Sequence[str], engine: Engine, now: float) -> list[str]:
    """A first pair of keys for each domain that has none. The domains that got one."""
    with engine.connect() as connection:
        domains = {address.rpartition("@")[2] for address in connection.scalars(select(Addresses.address))}
    others = dict.fromkeys(sorted(one for one in domains if _is_domain(one)), State.WAITING)
    return book.ensure(others | dict.fromkeys(ours, State.ACTIVE), now)


def _is_domain(domain: str) -> bool:
    """An address in the store may be of something that the DNS cannot have."""
    try:
        return checked_domain(domain) == domain
    except StoreError:
        return False

"""Networks in the store: what an administrator says of them. What the services write down: test_records.py."""

import pytest

from policy.store.identities import IdentityStore, NewCredential, StoreError
from policy.store.rows import Network

T = 1_000_000.0  # any moment

GIVEN = [
    # what it shows, given, the network; None where it is refused
    ("an address", "192.0.2.77", "192.0.2.0/24"),
    ("a network", "192.0.2.0/24", "192.0.2.0/24"),
    ("an IPv6 address", "2001:db8:1:2::3", "2001:db8:1::/48"),
    ("an IPv6 network", "2001:DB8:1::/48", "2001:db8:1::/48"),
    ("IPv4 in IPv6", "::ffff:192.0.2.77", "192.0.2.0/24"),
    ("a larger one", "192.0.0.0/16", None),
    ("a smaller one", "192.0.2.0/25", None),
    ("a larger one of IPv6", "2001:db8::/32", None),
    ("a name", "office", None),
    ("empty", "", None),
]


@pytest.mark.parametrize(("given", "network"), [c[1:] for c in GIVEN], ids=[c[0] for c in GIVEN])
def test_what_stands_for_a_network(store: IdentityStore, ada: NewCredential, given: str, network: str | None) -> None:
    """The form in which the services write it down."""
    if network:
        made = store.confirm_network("ada", given, T + 5)
        assert made == Network(network, T + 5, T + 5, 0, T + 5)
        assert store.networks("ada") == [made]
        assert store.forget_network("ada", given, T) == made
    else:
        for ask in (store.confirm_network, store.forget_network):
            with pytest.raises(StoreError, match="network"):
                ask("ada", given, T)
    assert store.networks("ada") == []


def test_confirming_again(store: IdentityStore, ada: NewCredential) -> None:
    """The row stays, with the newest moment."""
    store.confirm_network("ada", "192.0.2.1", T)
    store.confirm_network("ada", "198.51.100.1", T + 1)
    assert store.confirm_network("ada", "192.0.2.2", T + 5) == Network("192.0.2.0/24", T, T, 0, T + 5)
    assert [one.network for one in store.networks("ada")] == ["198.51.100.0/24", "192.0.2.0/24"]


def test_a_network_of_another_identity(store: IdentityStore, ada: NewCredential) -> None:
    """What is known of one is not known of the other."""
    store.add_identity("bob", (), T)
    store.confirm_network("ada", "192.0.2.1", T)
    assert store.networks("bob") == []
    with pytest.raises(StoreError, match=r"'bob' has no network 192\.0\.2\.0/24; `sallyport network list bob`"):
        store.forget_network("bob", "192.0.2.1", T)

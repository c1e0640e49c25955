"""Decoys in the store. What happens to who uses one: the tests of traps."""

import pytest

from policy.store.identities import IdentityStore, StoreError
from policy.store.rows import Decoy

T = 1_000_000.0  # any moment


def test_decoys(store: IdentityStore) -> None:
    """Made, listed in their order, removed."""
    first, second = store.add_decoy("note in the wiki", T), store.add_decoy("old mail", T + 1)
    assert store.decoys() == [first, second]
    assert (second.label, second.created_at) == ("old mail", T + 1)
    assert store.remove_decoy(first.login, T) == Decoy(first.login, "note in the wiki", T)
    assert store.decoys() == [second]


def test_a_decoy_that_is_none(store: IdentityStore) -> None:
    """A misspelt one must not look like one that was removed."""
    with pytest.raises(StoreError, match="no decoy 'x'; `sallyport decoy list`"):
        store.remove_decoy("x", T)


@pytest.mark.parametrize("label", ["", "a" * 101, "line\nend"])
def test_a_label_that_a_list_cannot_show(store: IdentityStore, label: str) -> None:
    """It is all that says where the decoy lies."""
    with pytest.raises(StoreError, match="a label is"):
        store.add_decoy(label, T)
    assert store.decoys() == []


def test_a_decoy_is_no_login(store: IdentityStore) -> None:
    """It cannot be revoked or given a secret."""
    login = store.add_decoy("note", T).login
    with pytest.raises(StoreError, match="no login"):
        store.revoke(login, T)

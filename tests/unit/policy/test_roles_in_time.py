"""Whoever may act because of a role has it when he does, and so has the person whom it is done to."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from policy.people.roles import Role
from policy.rulebook.replacing import stamp_of
from policy.store.audit import Actor, Wanted, newest
from policy.store.errors import RoleChanged
from policy.store.identities import IdentityStore
from policy.store.policy_book import NewPolicy

T = 1_700_000_000.0


def hand(engine: Engine, key: bytes, **roles: Role) -> IdentityStore:
    return IdentityStore(engine, key, Actor("console:root", "198.51.100.7", roles))


def test_as_long_as_nobody_s_role_changes(engine: Engine, key: bytes, store: IdentityStore) -> None:
    store.add_identity("root", (), T, role=Role.ADMINISTRATOR)
    store.add_identity("ada", (), T)
    root = hand(engine, key, root=Role.ADMINISTRATOR, ada=Role.OWNER)
    root.suspend("ada", T)
    root.set_role("ada", Role.HELP_DESK, T)
    with pytest.raises(RoleChanged):
        root.resume("ada", T)
    assert store.identity("ada").suspended_at == T


def test_who_is_gone_has_none(engine: Engine, key: bytes, store: IdentityStore) -> None:
    store.add_identity("ada", (), T)
    with pytest.raises(RoleChanged):
        hand(engine, key, root=Role.ADMINISTRATOR).suspend("ada", T)
    hand(engine, key, gone=Role.OWNER).suspend("ada", T)


def test_nor_is_a_file_replaced(engine: Engine, key: bytes, store: IdentityStore, tmp_path: Path) -> None:
    store.add_identity("root", (), T, role=Role.HELP_DESK)
    path = tmp_path / "policy.toml"
    new = NewPolicy(path=path, text="x", before="b", after="a", changes=(), read=stamp_of(b""))
    with pytest.raises(RoleChanged):
        hand(engine, key, root=Role.ADMINISTRATOR).apply_policy(new, T)
    assert not path.exists()
    assert newest(engine, Wanted())[0].action == "identity-added"

"""What the services ask of the store: whom it lets in, as what, and where mail goes."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import Engine

from policy.brain import Brain
from policy.contract import Grants, Owned
from policy.store.database import Location
from policy.store.directory import Directory
from policy.store.identities import IdentityStore, NewCredential
from policy.store.reader import open_reader

T = 1_000_000.0  # any moment


async def let_in(brain: Brain, login: str, secret: str) -> Grants | None:
    """What a login of Dovecot's is granted."""
    return (await brain.pick_up(login, secret, "s1", "192.0.2.1", "imap")).grants


VERIFY = [
    # what it shows, change of the login, change of the secret, granted
    ("right", str, str, True),
    ("without dashes", str, lambda secret: secret.replace("-", ""), True),
    ("in capitals", str, str.upper, True),
    ("with spaces", str, lambda secret: secret.replace("-", " "), True),
    ("wrong secret", str, lambda secret: secret[:-1] + ("2" if secret[-1] != "2" else "3"), False),
    ("half a secret", str, lambda secret: secret[:14], False),
    ("the secret twice", str, lambda secret: secret * 2, False),
    ("empty secret", str, lambda _: "", False),
    ("a secret of dashes", str, lambda _: "----", False),
    ("unknown login", lambda _: "fosem-4k7q-talir", str, False),
    ("empty login", lambda _: "", str, False),
    ("login in capitals", str.upper, str, True),
    ("login with blanks around it", lambda login: f" {login} ", str, True),
    ("login with blanks in it", lambda login: login.replace("-", " "), str, False),
    ("the identity's name is no login", lambda _: "ada", str, False),
    ("the address is no login", lambda _: "ada@example.org", str, False),
    ("a wildcard is no login", lambda _: "%", str, False),
]


@pytest.mark.parametrize(("login", "secret", "granted"), [c[1:] for c in VERIFY], ids=[c[0] for c in VERIFY])
async def test_by_secret(
    brain: Brain, ada: NewCredential, login: Callable[[str], str], secret: Callable[[str], str], granted: bool
) -> None:
    """Only the credential's own login with its own secret; letter case and groups of a secret are for the eye,
    and so are letter case of a login and the blanks around it.
    """
    found = await let_in(brain, login(ada.login), secret(ada.secret))
    expected = Grants(
        credential=1,
        login=ada.login,
        identity="ada",
        owned=Owned(addresses=frozenset({"ada@example.org"})),
        recipients_per_message=50,
        sessions=5,
    )
    assert found == (expected if granted else None)


async def test_another_key_verifies_nothing(database: Location, ada: NewCredential) -> None:
    """A copy of the database is worth nothing without the digest key."""
    elsewhere = Directory(open_reader(database), bytes(32))
    found = await elsewhere.by_login(ada.login, "192.0.2.0/24")
    assert not elsewhere.is_secret_of(found, elsewhere.digest(ada.secret))
    await elsewhere.close()


async def test_a_secret_opens_one_login_only(brain: Brain, store: IdentityStore, ada: NewCredential) -> None:
    """Two devices of one identity are told apart."""
    phone = store.add_credential("ada", "phone", T)
    assert await let_in(brain, phone.login, ada.secret) is None
    assert await let_in(brain, phone.login, phone.secret)


async def test_a_revoked_credential_is_refused_and_the_others_go_on(
    brain: Brain, store: IdentityStore, ada: NewCredential
) -> None:
    """What is revoked is one device."""
    phone = store.add_credential("ada", "phone", T)
    assert await let_in(brain, ada.login, ada.secret)
    await brain.writer.make(lambda: None)  # what was to be made later is made before it: this network has history
    assert store.revoke(ada.login, T + 5).revoked_at == T + 5
    assert await let_in(brain, ada.login, ada.secret) is None
    assert await let_in(brain, phone.login, phone.secret)


async def test_last_use_is_noted_once_a_minute(brain: Brain, store: IdentityStore, ada: NewCredential) -> None:
    """A login every second must not be a disk write every second."""
    seen = []
    for now in (T, T + 59, T + 60, T + 61):
        later = replace(brain, clock=partial(float, now))
        assert await let_in(later, ada.login, ada.secret)
        await brain.writer.make(lambda: None)  # what was to be made later is made before it
        seen.append(store.credentials()[0].last_used_at)
    assert seen == [T, T, T + 60, T + 60]


async def test_a_refused_login_is_no_use(brain: Brain, store: IdentityStore, ada: NewCredential) -> None:
    """Somebody who guesses must not make a credential look alive."""
    assert await let_in(brain, ada.login, "wrong") is None
    await brain.writer.make(lambda: None)
    assert store.credentials()[0].last_used_at is None


async def test_a_credential_is_as_of_now(directory: Directory, store: IdentityStore, ada: NewCredential) -> None:
    """Addresses that are added and credentials that are revoked count in sessions that are open."""
    before = await directory.by_id(1, "192.0.2.0/24")
    assert before
    assert (before.identity, before.login, before.revoked_at) == ("ada", ada.login, None)
    assert (await directory.owned(before.identity_id)).addresses == {"ada@example.org"}
    store.add_address("ada", "countess@example.org", T)
    store.revoke(ada.login, T)
    after = await directory.by_id(1, "192.0.2.0/24")
    assert after
    assert after.revoked_at == T
    assert (await directory.owned(after.identity_id)).addresses == {"ada@example.org", "countess@example.org"}


@pytest.mark.parametrize("credential", [0, -1, 2, 10**9])
async def test_an_unknown_credential_is_not_found(directory: Directory, ada: NewCredential, credential: int) -> None:
    """Nothing is made up for it."""
    assert await directory.by_id(credential, "192.0.2.0/24") is None


async def test_the_users_of_a_domain_are_counted(
    directory: Directory, store: IdentityStore, ada: NewCredential
) -> None:
    """Identities, not addresses; again after ten minutes."""
    assert await directory.users_of("example.org", T) == 1
    store.add_address("ada", "countess@example.org", T)
    store.add_identity("bob", ("bob@example.org", "bob@example.net"), T)
    assert await directory.users_of("example.org", T + 599) == 1
    assert await directory.users_of("example.org", T + 600) == 2
    assert await directory.users_of("example.com", T) == 0


MAILBOXES = [
    # what it shows, name that is asked for, expected
    ("an address", "ada@example.org", "ada"),
    ("another address", "countess@example.org", "ada"),
    ("letter case of an address", "ADA@Example.org", "ada"),
    ("the very name", "ada", "ada"),
    ("an identity without address", "bob", "bob"),
    ("a name in other letters is another", "ADA", None),
    ("an unknown address", "bob@example.org", None),
    ("an unknown name", "eve", None),
    ("a subaddress is Dovecot's to cut off", "ada+list@example.org", None),
    ("a wildcard", "%", None),
    ("empty", "", None),
]


@pytest.mark.parametrize(("name", "expected"), [c[1:] for c in MAILBOXES], ids=[c[0] for c in MAILBOXES])
async def test_mailbox(directory: Directory, store: IdentityStore, name: str, expected: str | None) -> None:
    """Where mail to an address goes, and which mailboxes there are."""
    store.add_identity("ada", ("ada@example.org", "countess@example.org"), T)
    store.add_identity("bob", (), T)
    assert await directory.mailbox(name) == expected


async def test_a_login_is_no_mailbox(directory: Directory, ada: NewCredential) -> None:
    """Whoever sees a mailbox's name learns no login, and the other way round."""
    assert await directory.mailbox(ada.login) is None


async def test_readers_go_on_while_one_writes(
    engine: Engine, directory: Directory, store: IdentityStore, ada: NewCredential
) -> None:
    """A login must not wait for a command, a backup or a budget that holds the write lock."""
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE identity SET created_at = created_at")
        assert await directory.by_id(1, "192.0.2.0/24")
        assert await directory.mailbox("ada@example.org") == "ada"
        assert await directory.by_login(ada.login, "192.0.2.0/24")

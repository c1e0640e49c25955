"""What the services ask of the store: whom it lets in, as what, and where mail goes."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Engine

from policy.brain import Brain
from policy.contract import Grants
from policy.store.database import kept_connection, open_database
from policy.store.directory import Directory
from policy.store.identities import IdentityStore, NewCredential

T = 1_000_000.0  # any moment


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
    ("login in capitals", str.upper, str, False),
    ("the identity's name is no login", lambda _: "ada", str, False),
    ("the address is no login", lambda _: "ada@example.org", str, False),
    ("a wildcard is no login", lambda _: "%", str, False),
]


@pytest.mark.parametrize(("login", "secret", "granted"), [c[1:] for c in VERIFY], ids=[c[0] for c in VERIFY])
def test_by_secret(
    directory: Directory, ada: NewCredential, login: Callable[[str], str], secret: Callable[[str], str], granted: bool
) -> None:
    """Only the credential's own login with its own secret; groups and letter case of the secret are for the eye."""
    found = directory.by_secret(login(ada.login), secret(ada.secret))
    expected = Grants(
        credential=1,
        login=ada.login,
        identity="ada",
        addresses=frozenset({"ada@example.org"}),
        recipients_per_message=50,
    )
    assert (found and found.grants) == (expected if granted else None)


def test_another_key_verifies_nothing(engine: Engine, ada: NewCredential) -> None:
    """A copy of the database is worth nothing without the digest key."""
    kept = kept_connection(engine)
    assert Directory(kept, bytes(32), 50).by_secret(ada.login, ada.secret) is None
    kept.close()


def test_a_secret_opens_one_login_only(directory: Directory, store: IdentityStore, ada: NewCredential) -> None:
    """Two devices of one identity are told apart."""
    phone = store.add_credential("ada", "phone", T)
    assert directory.by_secret(phone.login, ada.secret) is None
    assert directory.by_secret(phone.login, phone.secret)


def test_a_revoked_credential_is_refused_and_the_others_go_on(
    directory: Directory, store: IdentityStore, ada: NewCredential
) -> None:
    """What is revoked is one device."""
    phone = store.add_credential("ada", "phone", T)
    assert store.revoke(ada.login, T + 5).revoked_at == T + 5
    assert directory.by_secret(ada.login, ada.secret) is None
    assert directory.by_secret(phone.login, phone.secret)


async def test_last_use_is_noted_once_a_minute(brain: Brain, store: IdentityStore, ada: NewCredential) -> None:
    """A login every second must not be a disk write every second."""
    seen = []
    for now in (T, T + 59, T + 60, T + 61):
        later = replace(brain, clock=partial(float, now))
        assert later.pick_up(ada.login, ada.secret, "s1", "192.0.2.1", "imap") == "ada"
        await brain.writer.make(lambda: None)  # what was to be made later is made before it
        seen.append(store.credentials()[0].last_used_at)
    assert seen == [T, T, T + 60, T + 60]


async def test_a_refused_login_is_no_use(brain: Brain, store: IdentityStore, ada: NewCredential) -> None:
    """Somebody who guesses must not make a credential look alive."""
    assert brain.pick_up(ada.login, "wrong", "s1", "192.0.2.1", "imap") is None
    await brain.writer.make(lambda: None)
    assert store.credentials()[0].last_used_at is None


def test_profile_is_as_of_now(directory: Directory, store: IdentityStore, ada: NewCredential) -> None:
    """Addresses that are added and credentials that are revoked count in sessions that are open."""
    before = directory.profile(1)
    assert before
    assert (before.identity, before.login) == ("ada", ada.login)
    assert (before.active, before.recipients_per_message) == (True, 50)
    assert before.addresses == {"ada@example.org"}
    store.add_address("ada", "countess@example.org")
    store.revoke(ada.login, T)
    after = directory.profile(1)
    assert after
    assert (after.active, after.addresses) == (False, {"ada@example.org", "countess@example.org"})


@pytest.mark.parametrize("credential", [0, -1, 2, 10**9])
def test_an_unknown_credential_has_no_profile(directory: Directory, ada: NewCredential, credential: int) -> None:
    """Nothing is made up for it."""
    assert directory.profile(credential) is None


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
def test_mailbox(directory: Directory, store: IdentityStore, name: str, expected: str | None) -> None:
    """Where mail to an address goes, and which mailboxes there are."""
    store.add_identity("ada", ("ada@example.org", "countess@example.org"), T)
    store.add_identity("bob", (), T)
    assert directory.mailbox(name) == expected


def test_a_login_is_no_mailbox(directory: Directory, ada: NewCredential) -> None:
    """Whoever sees a mailbox's name learns no login, and the other way round."""
    assert directory.mailbox(ada.login) is None


def test_readers_go_on_while_one_writes(database: Path, key: bytes, ada: NewCredential) -> None:
    """A login must not wait for a command, a backup or a budget that holds the write lock: WAL is there for that."""
    writing, reading = open_database(database), open_database(database, busy_timeout_s=0)
    kept = kept_connection(reading)
    directory = Directory(kept, key, 50)
    try:
        with writing.begin() as connection:
            connection.exec_driver_sql("UPDATE identity SET created_at = created_at")
            assert directory.profile(1)
            assert directory.mailbox("ada@example.org") == "ada"
            assert directory.by_secret(ada.login, "wrong") is None
    finally:
        kept.close()
        reading.dispose()
        writing.dispose()

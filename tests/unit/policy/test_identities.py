"""The identity store on a real SQLite file: what it refuses to add, whom it lets in, what its file must not hold."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine

from policy.contract import Grants
from policy.store.database import open_database
from policy.store.identities import IdentityStore, NewCredential, StoreError

T = 1_000_000.0  # any moment


@pytest.fixture
def ada(store: IdentityStore) -> NewCredential:
    """The credential of ada's laptop."""
    store.add_identity("ada", ("ada@example.org",), T)
    return store.add_credential("ada", "laptop", T)


NAMES = [
    # what it shows, name, may it be one
    ("letters", "ada", True),
    ("digits, dot, underscore, hyphen", "4.ada_k-l", True),
    ("63 characters", "a" * 63, True),
    ("64 characters", "a" * 64, False),
    ("empty", "", False),
    ("capitals", "Ada", False),
    ("a hyphen first", "-ada", False),
    ("a dot first", ".ada", False),
    ("an address", "ada@example.org", False),
    ("a space", "ada lovelace", False),
    ("a folder", "ada/../bob", False),
    ("a line end", "ada\n", False),
    ("beyond ASCII", "adä", False),
    ("a digit beyond ASCII", "ada٣", False),
]


@pytest.mark.parametrize(("name", "allowed"), [c[1:] for c in NAMES], ids=[c[0] for c in NAMES])
def test_names(store: IdentityStore, name: str, allowed: bool) -> None:
    """A name is a mailbox, too: nothing that a path, a shell or an address could read otherwise."""
    if allowed:
        assert store.add_identity(name, (), T).name == name
    else:
        with pytest.raises(StoreError, match="cannot be a name"):
            store.add_identity(name, (), T)
    assert [one.name for one in store.identities()] == ([name] if allowed else [])


def test_a_name_is_given_once(store: IdentityStore) -> None:
    """Two identities of one name would share a mailbox."""
    store.add_identity("ada", (), T)
    with pytest.raises(StoreError, match="'ada' already"):
        store.add_identity("ada", (), T)


def test_a_name_is_never_a_login(store: IdentityStore, ada: NewCredential) -> None:
    """A login is secret in part; a mailbox is public."""
    with pytest.raises(StoreError, match="is a login"):
        store.add_identity(ada.login, (), T)


def test_an_identity_is_added_with_all_its_addresses_or_not_at_all(store: IdentityStore) -> None:
    """One bad address leaves neither the name nor the good address behind."""
    with pytest.raises(StoreError, match="not an address"):
        store.add_identity("ada", ("ada@example.org", "nonsense"), T)
    assert store.identities() == []
    assert store.mailbox("ada@example.org") is None


ADDRESSES = [
    # what it shows, given, canonical form; None where it is refused
    ("an address", "ada@example.org", "ada@example.org"),
    ("letter case", "Ada@Example.ORG", "ada@example.org"),
    ("a trailing dot", "ada@example.org.", "ada@example.org"),
    ("a subaddress", "ada+list@example.org", "ada+list@example.org"),
    ("an apostrophe", "o'hara@example.org", "o'hara@example.org"),
    ("local part of 64", f"{'a' * 64}@example.org", f"{'a' * 64}@example.org"),
    ("local part of 65", f"{'a' * 65}@example.org", None),
    ("domain of 253", f"ada@{'a.' * 125}org", f"ada@{'a.' * 125}org"),
    ("domain of 254", f"ada@{'a.' * 125}test", None),
    ("empty", "", None),
    ("no at sign", "ada", None),
    ("two at signs", "ada@evil.test@example.org", None),
    ("no local part", "@example.org", None),
    ("no domain", "ada@", None),
    ("a domain of one label", "ada@localhost", None),
    ("an empty label", "ada@example..org", None),
    ("an address literal", "ada@[192.0.2.1]", None),
    ("a space", "ada @example.org", None),
    ("a line end", "ada@example.org\n", None),
    ("a line end before the at sign", "ada\n@example.org", None),
    ("brackets", "<ada@example.org>", None),
    ("a display name", "Ada <ada@example.org>", None),
    ("a quoted local part", '"ada"@example.org', None),
    ("two addresses", "ada@example.org,bob@example.org", None),
    ("a domain beyond ASCII", "ada@exämple.org", None),
    ("a NUL", "ada\0@example.org", None),
    ("a control character", "ada\x07@example.org", None),
    ("two dots, which the gateway refuses", "ada..k@example.org", None),
    ("a dot first, which the gateway refuses", ".ada@example.org", None),
    ("a local part beyond ASCII, which the gateway refuses", "adä@example.org", None),
    ("a letter that folds to two of another address", "stra\u00dfe@example.org", None),
    ("a label with a hyphen first", "ada@-example.org", None),
]


@pytest.mark.parametrize(("given", "canonical"), [c[1:] for c in ADDRESSES], ids=[c[0] for c in ADDRESSES])
def test_addresses(store: IdentityStore, given: str, canonical: str | None) -> None:
    """Only what the gateway would let through can be owned, and it is kept in one form."""
    store.add_identity("ada", (), T)
    if canonical is None:
        with pytest.raises(StoreError, match="is not an address"):
            store.add_address("ada", given)
    else:
        assert store.add_address("ada", given).addresses == (canonical,)


OWNED_ALREADY = [
    # what it shows, who wants it, given
    ("another identity's", "bob", "ada@example.org"),
    ("in other letters", "bob", "ADA@example.ORG"),
    ("with a trailing dot", "bob", "ada@example.org."),
    ("one's own", "ada", "ada@example.org"),
]


@pytest.mark.parametrize(("name", "given"), [c[1:] for c in OWNED_ALREADY], ids=[c[0] for c in OWNED_ALREADY])
def test_an_address_belongs_to_one_identity(store: IdentityStore, name: str, given: str) -> None:
    """Otherwise there would be no telling who sent."""
    store.add_identity("ada", ("ada@example.org",), T)
    store.add_identity("bob", (), T)
    with pytest.raises(StoreError, match=r"ada@example\.org belongs to 'ada' already"):
        store.add_address(name, given)


UNKNOWN = [
    # what it shows, what is asked
    ("address", lambda store: store.add_address("nobody", "nobody@example.org")),
    ("credential", lambda store: store.add_credential("nobody", "laptop", T)),
    ("list of credentials", lambda store: store.credentials("nobody")),
    ("identity", lambda store: store.identity("nobody")),
]


@pytest.mark.parametrize("ask", [c[1] for c in UNKNOWN], ids=[c[0] for c in UNKNOWN])
def test_an_unknown_identity_is_said_to_be_unknown(
    store: IdentityStore, ask: Callable[[IdentityStore], object]
) -> None:
    """The sentence says what to do next."""
    with pytest.raises(StoreError, match=r"no identity 'nobody'; `sallyport identity list`"):
        ask(store)


LABELS = [
    # what it shows, label, allowed
    ("a word", "laptop", True),
    ("words beyond ASCII", "Adas Büro-Drucker", True),
    ("100 characters", "l" * 100, True),
    ("101 characters", "l" * 101, False),
    ("empty", "", False),
    ("a line end", "lap\ntop", False),
    ("an escape sequence", "\x1b[2J", False),
]


@pytest.mark.parametrize(("label", "allowed"), [c[1:] for c in LABELS], ids=[c[0] for c in LABELS])
def test_labels(store: IdentityStore, label: str, allowed: bool) -> None:
    """A list of credentials shows labels on a terminal."""
    store.add_identity("ada", (), T)
    if allowed:
        assert store.add_credential("ada", label, T).label == label
    else:
        with pytest.raises(StoreError, match="a label is"):
            store.add_credential("ada", label, T)
    assert len(store.credentials()) == allowed


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
def test_verify(
    store: IdentityStore, ada: NewCredential, login: Callable[[str], str], secret: Callable[[str], str], granted: bool
) -> None:
    """Only the credential's own login with its own secret; groups and letter case of the secret are for the eye."""
    found = store.verify(login(ada.login), secret(ada.secret), T)
    expected = Grants(
        credential=1,
        login=ada.login,
        identity="ada",
        addresses=frozenset({"ada@example.org"}),
        recipients_per_message=50,
    )
    assert found == (expected if granted else None)


def test_another_key_verifies_nothing(engine: Engine, ada: NewCredential) -> None:
    """A copy of the database is worth nothing without the digest key."""
    assert IdentityStore(engine, bytes(32)).verify(ada.login, ada.secret, T) is None


def test_a_secret_opens_one_login_only(store: IdentityStore, ada: NewCredential) -> None:
    """Two devices of one identity are told apart."""
    phone = store.add_credential("ada", "phone", T)
    assert store.verify(phone.login, ada.secret, T) is None
    assert store.verify(phone.login, phone.secret, T)


def test_a_revoked_credential_is_refused_and_the_others_go_on(store: IdentityStore, ada: NewCredential) -> None:
    """What is revoked is one device."""
    phone = store.add_credential("ada", "phone", T)
    assert store.revoke(ada.login, T + 5).revoked_at == T + 5
    assert store.verify(ada.login, ada.secret, T + 6) is None
    assert store.verify(phone.login, phone.secret, T + 6)


def test_revoking_twice_says_so(store: IdentityStore, ada: NewCredential) -> None:
    """The first moment stays; it may be evidence."""
    store.revoke(ada.login, T + 5)
    with pytest.raises(StoreError, match="was revoked already"):
        store.revoke(ada.login, T + 9)
    assert store.credentials()[0].revoked_at == T + 5


def test_revoking_an_unknown_login_says_so(store: IdentityStore, ada: NewCredential) -> None:
    """A misspelt login must not look like a revoked one, and an identity's name is no login."""
    for unknown in ("nobody", "ada", "%"):
        with pytest.raises(StoreError, match=f"no login '{unknown}'"):
            store.revoke(unknown, T)
    assert store.verify(ada.login, ada.secret, T)


def test_logins_and_secrets_have_their_form(store: IdentityStore) -> None:
    """A login has no '@', so no client takes it for an address; no two of many are the same."""
    store.add_identity("ada", ("ada@example.org",), T)
    made = [store.add_credential("ada", "laptop", T) for _ in range(30)]
    assert not [one.login for one in made if "@" in one.login or not one.login.isascii()]
    assert len({one.login for one in made}) == len({one.secret for one in made}) == 30
    assert {len(one.secret.replace("-", "")) for one in made} == {27}
    assert not [one for one in made if one.secret in repr(one)]


def test_last_use_is_noted_once_a_minute(store: IdentityStore, ada: NewCredential) -> None:
    """A login every second must not be a disk write every second."""
    seen = []
    for now in (T, T + 59, T + 60, T + 61):
        assert store.verify(ada.login, ada.secret, now)
        seen.append(store.credentials()[0].last_used_at)
    assert seen == [T, T, T + 60, T + 60]


def test_a_refused_login_is_no_use(store: IdentityStore, ada: NewCredential) -> None:
    """Somebody who guesses must not make a credential look alive."""
    store.verify(ada.login, "wrong", T)
    assert store.credentials()[0].last_used_at is None


def test_profile_is_as_of_now(store: IdentityStore, ada: NewCredential) -> None:
    """Addresses that are added and credentials that are revoked count in sessions that are open."""
    grants = store.verify(ada.login, ada.secret, T)
    assert grants
    before = store.profile(grants.credential)
    assert before
    assert (before.identity, before.active, before.recipients_per_message) == ("ada", True, 50)
    assert before.addresses == {"ada@example.org"}
    store.add_address("ada", "countess@example.org")
    store.revoke(ada.login, T)
    after = store.profile(grants.credential)
    assert after
    assert (after.active, after.addresses) == (False, {"ada@example.org", "countess@example.org"})


@pytest.mark.parametrize("credential", [0, -1, 2, 10**9])
def test_an_unknown_credential_has_no_profile(store: IdentityStore, ada: NewCredential, credential: int) -> None:
    """Nothing is made up for it."""
    assert store.profile(credential) is None


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
def test_mailbox(store: IdentityStore, name: str, expected: str | None) -> None:
    """Where mail to an address goes, and which mailboxes there are."""
    store.add_identity("ada", ("ada@example.org", "countess@example.org"), T)
    store.add_identity("bob", (), T)
    assert store.mailbox(name) == expected


def test_a_login_is_no_mailbox(store: IdentityStore, ada: NewCredential) -> None:
    """Whoever sees a mailbox's name learns no login, and the other way round."""
    assert store.mailbox(ada.login) is None


def test_lists(store: IdentityStore, ada: NewCredential) -> None:
    """Identities by name; credentials oldest first, revoked ones too, of all or of one identity."""
    store.add_identity("aaron", (), T + 1)
    phone = store.add_credential("aaron", "phone", T + 2)
    store.revoke(ada.login, T + 3)
    assert [(one.name, one.addresses, one.created_at) for one in store.identities()] == [
        ("aaron", (), T + 1),
        ("ada", ("ada@example.org",), T),
    ]
    assert [(one.login, one.label, one.created_at, one.revoked_at) for one in store.credentials()] == [
        (ada.login, "laptop", T, T + 3),
        (phone.login, "phone", T + 2, None),
    ]
    assert [one.login for one in store.credentials("aaron")] == [phone.login]


def test_the_file_holds_no_secret(database: Path, store: IdentityStore, key: bytes, ada: NewCredential) -> None:
    """Neither the secret nor the key it is digested with, in no form in which it is typed, nor in the log of writes."""
    assert store.verify(ada.login, ada.secret, T)
    files = [path for path in database.parent.iterdir() if path.name.startswith(database.name)]
    assert {path.name.removeprefix(database.name) for path in files} >= {"", "-wal"}
    octets = b"".join(path.read_bytes() for path in files)
    assert ada.login.encode() in octets  # the credential is there
    for form in (ada.secret, ada.secret.replace("-", ""), ada.secret.upper(), key.hex()):
        assert form.encode() not in octets
    assert key not in octets


def test_readers_go_on_while_one_writes(database: Path, key: bytes, ada: NewCredential) -> None:
    """A login must not wait for a command, a backup or a budget that holds the write lock: WAL is there for that."""
    writing, reading = open_database(database), open_database(database, busy_timeout_s=0.05)
    store = IdentityStore(reading, key)
    try:
        with writing.begin() as connection:
            connection.exec_driver_sql("UPDATE identity SET created_at = created_at")
            assert store.profile(1)
            assert store.mailbox("ada@example.org") == "ada"
            assert store.verify(ada.login, "wrong", T) is None
    finally:
        reading.dispose()
        writing.dispose()

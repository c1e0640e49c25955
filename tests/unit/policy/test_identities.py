"""The identity store on a real SQLite file: what it refuses to add, and what its file must not hold.

Whom the directory lets in: test_directory.py.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from policy.store.handles import Kind
from policy.store.identities import IdentityStore, NewCredential, StoreError

T = 1_000_000.0  # any moment
FINGERPRINT = "ab" * 32


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
    assert [one.revoked_at for one in store.credentials()] == [None]


def test_a_certificate(store: IdentityStore, ada: NewCredential) -> None:
    """A login like any other, without a secret; the fingerprint is public."""
    added = store.add_certificate("ada", "server", FINGERPRINT, T + 1)
    assert (added.kind, added.certificate, added.identity, added.label) == (
        Kind.CERTIFICATE,
        FINGERPRINT,
        "ada",
        "server",
    )
    assert [(one.kind, one.certificate) for one in store.credentials()] == [
        (Kind.SECRET, None),
        (Kind.CERTIFICATE, FINGERPRINT),
    ]
    assert added.login != ada.login


def test_a_certificate_proves_one_login(store: IdentityStore, ada: NewCredential) -> None:
    """Also after it was revoked: a key that was lost must not come back by mistake."""
    added = store.add_certificate("ada", "server", FINGERPRINT, T)
    with pytest.raises(StoreError, match=f"belongs to the login '{added.login}'"):
        store.add_certificate("ada", "server", FINGERPRINT, T)
    store.revoke(added.login, T)
    with pytest.raises(StoreError, match="until it was revoked"):
        store.add_certificate("ada", "server", FINGERPRINT, T)


def test_logins_and_secrets_have_their_form(store: IdentityStore) -> None:
    """A login has no '@', so no client takes it for an address; no two of many are the same."""
    store.add_identity("ada", ("ada@example.org",), T)
    made = [store.add_credential("ada", "laptop", T) for _ in range(30)]
    assert not [one.login for one in made if "@" in one.login or not one.login.isascii()]
    assert len({one.login for one in made}) == len({one.secret for one in made}) == 30
    assert {len(one.secret.replace("-", "")) for one in made} == {27}
    assert not [one for one in made if one.secret in repr(one)]


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
    files = [path for path in database.parent.iterdir() if path.name.startswith(database.name)]
    assert {path.name.removeprefix(database.name) for path in files} >= {"", "-wal"}
    octets = b"".join(path.read_bytes() for path in files)
    assert ada.login.encode() in octets  # the credential is there
    for form in (ada.secret, ada.secret.replace("-", ""), ada.secret.upper(), key.hex()):
        assert form.encode() not in octets
    assert key not in octets

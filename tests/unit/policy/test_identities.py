"""The identity store on a real database: identities, what is refused, and what the file must not hold.

Addresses: test_owned_addresses.py. Credentials: test_credentials.py. Whom the directory lets in: test_directory.py.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, insert, select

from policy.store.audit import Actor
from policy.store.database import open_database
from policy.store.identities import IdentityStore, NewCredential, Profile, StoreError
from policy.store.models import ConsoleSessions, Revocations, Submissions
from policy.store.schema import METADATA

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


UNKNOWN = [
    # what it shows, what is asked
    ("address", lambda store: store.add_address("nobody", "nobody@example.org", T)),
    ("another owner", lambda store: store.change_identity("nobody", T, owner="Ada")),
    ("suspension", lambda store: store.suspend("nobody", T)),
    ("resumption", lambda store: store.resume("nobody", T)),
    ("removal", lambda store: store.remove_identity("nobody", T)),
    ("address of another", lambda store: store.allow("ada@example.org", "nobody", T)),
    ("address of another, taken back", lambda store: store.disallow("ada@example.org", "nobody", T)),
    ("credential", lambda store: store.add_credential("nobody", "laptop", T)),
    ("certificate", lambda store: store.add_certificate("nobody", "server", FINGERPRINT, T)),
    ("OIDC", lambda store: store.add_oidc("nobody", "phone", "8c1f", T)),
    ("LDAP", lambda store: store.add_ldap("nobody", "phone", "u4711", "", T)),
    ("old login", lambda store: store.add_migrated("nobody", "n@example.org", "old", "{PLAIN}x", T + 1, T)),
    ("network", lambda store: store.confirm_network("nobody", "192.0.2.1", T)),
    ("network that goes", lambda store: store.forget_network("nobody", "192.0.2.1", T)),
    ("list of networks", lambda store: store.networks("nobody")),
    ("list of credentials", lambda store: store.credentials("nobody")),
    ("identity", lambda store: store.identity("nobody")),
]


@pytest.mark.parametrize("ask", [c[1] for c in UNKNOWN], ids=[c[0] for c in UNKNOWN])
def test_an_unknown_identity_is_said_to_be_unknown(
    store: IdentityStore, ask: Callable[[IdentityStore], object]
) -> None:
    """The sentence says what to do next."""
    store.add_identity("ada", ("ada@example.org",), T)
    with pytest.raises(StoreError, match=r"no identity 'nobody'; `sallyport identity list`"):
        ask(store)


OWNERS = [
    # what it shows, owner's name, may it be one
    ("none", "", True),
    ("a name", "Ada Lovelace", True),
    ("beyond ASCII", "Žofie Šťastná", True),
    ("100 characters", "a" * 100, True),
    ("101 characters", "a" * 101, False),
    ("a line end", "Ada\nLovelace", False),
    ("an escape sequence", "\x1b[2J", False),
]


@pytest.mark.parametrize(("owner", "allowed"), [c[1:] for c in OWNERS], ids=[c[0] for c in OWNERS])
def test_owners(store: IdentityStore, owner: str, allowed: bool) -> None:
    """The same for a new identity and for one that is there."""
    store.add_identity("bob", (), T, owner="Bob")
    if allowed:
        assert store.add_identity("ada", (), T, owner=owner).owner == owner
        assert store.change_identity("bob", T, owner=owner).owner == owner
        return
    for change in (
        lambda: store.add_identity("ada", (), T, owner=owner),
        lambda: store.change_identity("bob", T, owner=owner),
    ):
        with pytest.raises(StoreError, match="an owner's name is at most 100"):
            change()
    assert [one.owner for one in store.identities()] == ["Bob"]


def test_a_change_leaves_the_rest(store: IdentityStore) -> None:
    """Owner's name and profile are changed each for itself."""
    store.add_identity("shop", ("shop@example.org",), T, owner="The shop")
    assert store.change_identity("shop", T, profile=Profile.APP).owner == "The shop"
    assert store.change_identity("shop", T, owner="The new shop").profile is Profile.APP
    with pytest.raises(StoreError, match="nothing to change"):
        store.change_identity("shop", T)


def test_a_person_has_no_whole_domain_by_way_of_a_change(store: IdentityStore) -> None:
    """Neither its own nor another one's that it was allowed."""
    for name, addresses in (("shop", ("@example.org",)), ("desk", ())):
        store.add_identity(name, addresses, T, profile=Profile.APP)
    store.allow("@example.org", "desk", T)
    for name in ("shop", "desk"):
        with pytest.raises(StoreError, match=r"@example\.org, which only an application may"):
            store.change_identity(name, T, profile=Profile.PERSON)


def ended(engine: Engine) -> list[tuple[str, int]]:
    """The feed: whose session ends, and of how many credentials."""
    with engine.connect() as connection:
        question = select(Revocations.identity, func.count()).group_by(Revocations.identity)
        return [(name, number) for name, number in connection.execute(question)]


def sign_in(engine: Engine, identity: int) -> None:
    """A browser at the console."""
    with engine.begin() as connection:
        connection.execute(
            insert(ConsoleSessions).values(
                digest=b"d" * 32,
                identity_id=identity,
                client_address="192.0.2.1",
                user_agent="browser",
                created_at=T,
                seen_at=T,
                expires_at=T + 60,
            )
        )


def rows(engine: Engine, table: str) -> int:
    """How many a table has."""
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(METADATA.tables[table])) or 0


def test_suspending_ends_every_session(store: IdentityStore, engine: Engine, ada: NewCredential) -> None:
    """Those of the console, too; what was revoked before has none, and nobody else's end."""
    store.revoke(store.add_credential("ada", "phone", T).login, T)
    store.add_identity("bob", (), T)
    store.add_credential("bob", "laptop", T)
    sign_in(engine, 1)
    assert ended(engine) == [("ada", 1)]
    assert store.suspend("ada", T + 5).suspended_at == T + 5
    assert ended(engine) == [("ada", 2)]
    assert rows(engine, "console_session") == 0
    with pytest.raises(StoreError, match="'ada' was suspended already"):
        store.suspend("ada", T + 6)
    assert store.credential(ada.login).revoked_at is None


def test_resuming(store: IdentityStore, ada: NewCredential) -> None:
    """As it was before."""
    before = store.identity("ada")
    with pytest.raises(StoreError, match="'ada' is not suspended"):
        store.resume("ada", T)
    store.suspend("ada", T)
    assert store.resume("ada", T) == before


def test_what_goes_with_an_identity_and_what_stays(store: IdentityStore, engine: Engine, ada: NewCredential) -> None:
    """Every row that refers to it goes, and no other one; what was written down by its name stays."""
    store.add_identity("bob", ("bob@example.org",), T)
    store.add_credential("bob", "laptop", T)
    store.allow("ada@example.org", "bob", T)
    store.allow("bob@example.org", "ada", T)
    store.confirm_network("ada", "192.0.2.1", T)
    store.renew(ada.login, T)
    sign_in(engine, 1)
    submission = {name: kind.type.python_type() for name, kind in Submissions.__table__.c.items()}
    with engine.begin() as connection:
        connection.execute(insert(Submissions).values(submission | {"id": "1", "identity": "ada"}))
    store.remove_identity("ada", T)
    assert [one.name for one in store.identities()] == ["bob"]
    assert store.identity("bob").sends_as == ()
    kept = {"identity": 1, "address": 1, "credential": 1, "send_as": 0, "network": 0, "retired_secret": 0,
            "console_session": 0, "submission": 1}  # fmt: skip
    assert {table: rows(engine, table) for table in kept} == kept
    assert ended(engine) == [("ada", 2)]  # of the renewal, and of the removal
    assert store.add_identity("ada", ("ada@example.org",), T).addresses == ("ada@example.org",)


def test_a_credential_that_is_gone_leaves_its_number_to_nobody(store: IdentityStore, engine: Engine) -> None:
    """An open session is known by it: it must not go on as somebody else's."""
    numbers = set()
    for _ in range(3):
        store.add_identity("ada", (), T)
        store.add_credential("ada", "laptop", T)
        with engine.connect() as connection:
            numbers.add(connection.scalar(select(METADATA.tables["credential"].c.id)))
        store.remove_identity("ada", T)
    assert len(numbers) == 3


SEARCHES = [
    # what it shows, what is looked for, who is found
    ("nothing", "", ["ada", "adam", "bob", "zoe"]),
    ("the beginning of a name", "ad", ["ada", "adam"]),
    ("capitals", "AD", ["ada", "adam"]),
    ("the beginning of an address", "count", ["ada"]),
    ("an address in Unicode", "zoe@b\u00fccher.example", ["zoe"]),
    ("a word of the owner's name", "lovelace", ["ada"]),
    ("not the middle of a name", "da", []),
    ("no wildcard", "%", []),
    ("nor the other one", "_", []),
    ("nobody", "nobody", []),
]


@pytest.mark.parametrize(("search", "found"), [c[1:] for c in SEARCHES], ids=[c[0] for c in SEARCHES])
def test_searches(store: IdentityStore, search: str, found: list[str]) -> None:
    """A name, an address, or the person's."""
    for name, address, owner in (
        ("zoe", "zoe@b\u00fccher.example", ""),
        ("bob", "bob@example.org", ""),
        ("adam", "a@example.org", ""),
        ("ada", "countess@example.org", "Augusta Lovelace"),
    ):
        store.add_identity(name, (address,), T, owner=owner)
    assert [one.name for one in store.identities(search=search)] == found
    assert [one.name for one in store.identities(search=search, limit=1)] == found[:1]
    if found:
        assert [one.name for one in store.identities(search=search, after=found[0])] == found[1:]


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
    assert store.identities(limit=1, after="aaron") == [store.identity("ada")]


def test_the_file_holds_no_secret(sqlite_database: Path, key: bytes) -> None:
    """Neither the secret nor the key it is digested with, in no form in which it is typed, nor in the log of writes."""
    engine = open_database(sqlite_database)
    store = IdentityStore(engine, key, Actor("cli:test", "localhost"))
    store.add_identity("ada", (), T)
    ada = store.add_credential("ada", "laptop", T)
    files = [path for path in sqlite_database.parent.iterdir() if path.name.startswith(sqlite_database.name)]
    assert {path.name.removeprefix(sqlite_database.name) for path in files} >= {"", "-wal"}
    octets = b"".join(path.read_bytes() for path in files)
    engine.dispose()
    assert ada.login.encode() in octets  # the credential is there
    for form in (ada.secret, ada.secret.replace("-", ""), ada.secret.upper(), key.hex()):
        assert form.encode() not in octets
    assert key not in octets

"""Nobody can find a login from what is public: tried in both directions, with texts that were made for it."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policy.store import handles, logins
from policy.store.handles import logins_in, new_login
from policy.store.identities import IdentityStore, NewCredential, Profile, StoreError

T = 1_000_000.0  # any moment
SEEN = "fosem-4k7q-talir"
FRESH = "bagel-2222-zulov"

# Where a login could stand in an address, a name or an owner's name
PUBLIC = [
    # what it shows, addresses, name, owner
    ("a local part", (f"{SEEN}@example.org",), "ada", ""),
    ("a local part in capitals", (f"{SEEN.upper()}@example.org",), "ada", ""),
    ("part of a local part", (f"x.{SEEN}.y@example.org",), "ada", ""),
    ("before a detail", (f"{SEEN}+x@example.org",), "ada", ""),
    ("a detail", (f"x+{SEEN}@example.org",), "ada", ""),
    ("a domain", (f"ada@{SEEN}.example",), "ada", ""),
    ("a label", (f"ada@mail.{SEEN}.example.org",), "ada", ""),
    ("part of a label", (f"ada@x{SEEN}x.example.org",), "ada", ""),
    ("a whole domain", (f"@{SEEN}.example",), "ada", ""),
    ("a name", (), SEEN, ""),
    ("part of a name", (), f"the.{SEEN}", ""),
    ("an owner", (), "ada", SEEN),
    ("an owner's surname", (), "ada", f"Ada {SEEN.title()}, Countess"),
    ("part of an owner's name", (), "ada", f"Ada_{SEEN}1"),
]  # fmt: skip


@pytest.fixture
def chance(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which logins come up, one after the other."""
    coming = [SEEN, SEEN, FRESH]
    following: Iterator[str] = iter(coming)
    monkeypatch.setattr(logins, "new_login", lambda: next(following))
    return coming


@pytest.mark.parametrize(("addresses", "name", "owner"), [c[1:] for c in PUBLIC], ids=[c[0] for c in PUBLIC])
def test_a_new_login_is_in_nothing_public(
    store: IdentityStore, chance: list[str], addresses: tuple[str, ...], name: str, owner: str
) -> None:
    """It is thrown away and chance asked again, as often as it takes."""
    store.add_identity(name, addresses, T, profile=Profile.APP, owner=owner)
    assert store.add_credential(name, "laptop", T).login == FRESH


@pytest.mark.parametrize(("addresses", "name", "owner"), [c[1:] for c in PUBLIC], ids=[c[0] for c in PUBLIC])
def test_a_new_decoy_is_in_nothing_public(
    store: IdentityStore, chance: list[str], addresses: tuple[str, ...], name: str, owner: str
) -> None:
    """A person with that name would be taken for a thief."""
    store.add_identity(name, addresses, T, profile=Profile.APP, owner=owner)
    assert store.add_decoy("note", T).login == FRESH


def test_logins_and_decoys_are_nobodys_twice(store: IdentityStore, chance: list[str]) -> None:
    """Neither a login a second time, nor a decoy that is one."""
    store.add_identity("ada", (), T)
    assert store.add_decoy("note", T).login == SEEN
    assert store.add_credential("ada", "laptop", T).login == FRESH
    chance.clear()


@pytest.mark.parametrize("kind", ["login", "decoy"])
@pytest.mark.parametrize(("addresses", "name", "owner"), [c[1:] for c in PUBLIC], ids=[c[0] for c in PUBLIC])
def test_no_login_becomes_public(
    store: IdentityStore, chance: list[str], kind: str, addresses: tuple[str, ...], name: str, owner: str
) -> None:
    """The other way round: a new identity, a new address of one that is there, another owner."""
    store.add_identity("zoe", (), T, profile=Profile.APP)
    if kind == "login":
        store.add_credential("zoe", "laptop", T)
    else:
        store.add_decoy("note", T)
    before = store.identities()
    with pytest.raises(StoreError, match=f"{SEEN}'.*must not be"):
        store.add_identity(name, addresses, T, profile=Profile.APP, owner=owner)
    for address in addresses:
        with pytest.raises(StoreError, match=f"{SEEN}'.*must not be public"):
            store.add_address("zoe", address, T)
    if owner:
        with pytest.raises(StoreError, match=f"{SEEN}'.*must not be public"):
            store.change_identity("zoe", T, owner=owner)
    assert store.identities() == before


TYPED = [
    # what it shows, what becomes public while u4711 is a login of LDAP, whether that is refused
    ("a name", lambda store: store.add_identity("u4711", (), T), True),
    ("a local part", lambda store: store.add_address("ada", "U4711@example.org", T), True),
    ("before a detail", lambda store: store.add_address("ada", "u4711+x@example.org", T), True),
    ("a detail", lambda store: store.add_address("ada", "x+u4711@example.org", T), False),
    ("part of a local part", lambda store: store.add_address("ada", "u47112@example.org", T), False),
    ("a domain", lambda store: store.add_address("ada", "ada@u4711.example", T), False),
    ("an owner", lambda store: store.change_identity("ada", T, owner="U4711"), False),
]  # fmt: skip


@pytest.mark.parametrize(("ask", "is_refused"), [c[1:] for c in TYPED], ids=[c[0] for c in TYPED])
def test_a_login_that_people_type_is_no_trap(store: IdentityStore, ask: object, is_refused: bool) -> None:
    """Names and local parts are traps; what an owner is called does not matter, or the office would have no Smith."""
    assert callable(ask)
    store.add_identity("ada", (), T)
    store.add_ldap("ada", "directory", "u4711", "", T)
    if is_refused:
        with pytest.raises(StoreError, match=r"'u4711', which is a login \(of LDAP\)"):
            ask(store)
    else:
        ask(store)


def test_an_old_login_is_its_owners_address_and_nobody_elses(store: IdentityStore) -> None:
    """Until it is revoked; then the address may have another owner."""
    store.add_identity("ada", (), T)
    store.add_identity("bob", (), T)
    store.add_migrated("ada", "info@example.org", "old", "{PLAIN}x", T + 9, T)
    store.add_migrated("ada", "desk", "old", "{PLAIN}x", T + 9, T)
    for ask in (lambda: store.add_address("bob", "Info@Example.org", T), lambda: store.add_identity("desk", (), T)):
        with pytest.raises(StoreError, match="is a login of another identity until that is revoked"):
            ask()
    store.add_address("bob", "desk@example.org", T)
    store.add_address("ada", "info@example.org", T)
    store.remove_address("info@example.org", T)
    store.revoke("info@example.org", T)
    assert store.add_address("bob", "info@example.org", T).addresses == ("desk@example.org", "info@example.org")


_TEXT = st.text(alphabet="abz29-.+@_ AÄß", max_size=12)


@given(before=_TEXT, after=_TEXT, is_upper=st.booleans())
def test_a_login_is_found_in_every_text(before: str, after: str, is_upper: bool) -> None:
    """Whatever stands around it."""
    login = new_login()
    assert login in logins_in(before + (login.upper() if is_upper else login) + after)


@given(st.text(alphabet=handles._CONSONANTS + handles._VOWELS + handles._DIGITS + "-", max_size=60))
def test_what_is_found_has_the_form_of_a_login(text: str) -> None:
    """So a text that has no login asks the database for nothing."""
    for found in logins_in(text):
        assert found in text
        assert len(found) == len(SEEN)
        assert found[5] == found[10] == "-"


def test_a_login_has_53_bits() -> None:
    """At least 40 are asked for; every place is drawn from the whole of its letters."""
    syllables = len(handles._CONSONANTS) ** 3 * len(handles._VOWELS) ** 2
    assert syllables**2 * len(handles._DIGITS) ** 4 > 2**53 > 2**40
    drawn = [new_login() for _ in range(2000)]
    assert len(set(drawn)) == 2000
    for place in range(len(SEEN)):
        seen = {login[place] for login in drawn}
        expected = {0: handles._CONSONANTS, 1: handles._VOWELS, 6: handles._DIGITS}
        if place in expected:
            assert seen == set(expected[place])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(before=_TEXT, after=_TEXT, where=st.sampled_from(["local", "domain", "owner"]))
def test_no_text_smuggles_a_login_in(
    store: IdentityStore, ada: NewCredential, before: str, after: str, where: str
) -> None:
    """An address or a name that has it is refused, for whatever reason."""
    text = f"{before}{ada.login}{after}"
    ways = {
        "owner": lambda: store.change_identity("ada", T, owner=text),
        "local": lambda: store.add_address("ada", f"{text}@example.org", T),
        "domain": lambda: store.add_address("ada", f"x@{text}.example", T),
    }
    with pytest.raises(StoreError):
        ways[where]()

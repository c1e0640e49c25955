"""As whom an identity may send, in the store: one owner for each address, whole domains, subaddresses, send-as.

Which text is an address, and in which form it is kept: test_addresses.py.
"""

from collections.abc import Callable

import pytest

from policy.store.identities import IdentityStore, Profile, StoreError

T = 1_000_000.0  # any moment


@pytest.fixture
def people(store: IdentityStore) -> IdentityStore:
    """ada and bob, who are persons, and a shop."""
    store.add_identity("ada", ("ada@example.org",), T)
    store.add_identity("bob", ("bob@example.org",), T)
    store.add_identity("shop", (), T, profile=Profile.APP)
    return store


GIVEN = [
    # what it shows, given, in which form it is kept; None where it is refused
    ("letter case and a trailing dot", "Countess@Example.ORG.", "countess@example.org"),
    ("a domain in Unicode", "ada@b\u00fccher.example", "ada@xn--bcher-kva.example"),
    ("a local part in Unicode", "\u7528\u6237@example.org", "\u7528\u6237@example.org"),
    ("a display name", "Ada <ada@example.org>", None),
    ("a name", "ada", None),
]


@pytest.mark.parametrize(("given", "kept"), [c[1:] for c in GIVEN], ids=[c[0] for c in GIVEN])
def test_the_form_of_an_address(people: IdentityStore, given: str, kept: str | None) -> None:
    """One form, or a sentence."""
    if kept:
        assert people.add_address("ada", given, T).addresses == ("ada@example.org", kept)
        assert people.owner_of(given) == "ada"
        return
    with pytest.raises(StoreError, match="is not an address of the form"):
        people.add_address("ada", given, T)
    assert people.identity("ada").addresses == ("ada@example.org",)


REFUSED = [
    # what it shows, what is asked, a part of the sentence
    ("another's", lambda s: s.add_address("bob", "ada@example.org", T), "ada@example.org belongs to 'ada' already"),
    ("another's in capitals", lambda s: s.add_address("bob", "ADA@example.ORG.", T), "belongs to 'ada' already"),
    ("one's own again", lambda s: s.add_address("ada", "ada@example.org", T), "belongs to 'ada' already"),
    ("a whole domain for a person", lambda s: s.add_address("ada", "@example.org", T),
     "'ada' is of profile 'person', and only an application"),
    ("a whole domain for a new person", lambda s: s.add_identity("carol", ("@example.org",), T),
     "only an application"),
    ("a whole domain for a newsletter",
     lambda s: s.add_identity("news", ("@example.org",), T, profile=Profile.NEWSLETTER), "only an application"),
    ("somebody's subaddress", lambda s: s.add_address("bob", "ada+list@example.org", T, subaddresses=False),
     "ada+list@example.org is a subaddress of ada@example.org, of which 'ada' has all"),
    ("subaddresses of which one is another's", lambda s: s.change_address("bob@example.org", True, T),
     "bob+x@example.org belongs to 'shop'"),
    ("subaddresses of a new address", lambda s: s.add_address("ada", "b@example.org", T, subaddresses=True),
     "b+x@example.org belongs to 'shop'"),
    ("subaddresses of a subaddress", lambda s: s.change_address("bob+x@example.org", True, T),
     "can have no subaddresses"),
    ("subaddresses of a whole domain", lambda s: s.add_address("shop", "@example.net", T, subaddresses=True),
     "can have no subaddresses"),
    ("a change of nobody's", lambda s: s.change_address("x@example.org", True, T), "belongs to nobody"),
    ("nobody's that goes", lambda s: s.remove_address("x@example.org", T), "belongs to nobody"),
    ("sending as nobody's", lambda s: s.allow("x@example.org", "bob", T), "belongs to nobody"),
    ("sending as oneself", lambda s: s.allow("ada@example.org", "ada", T), "ada@example.org belongs to 'ada' itself"),
    ("sending as it twice", lambda s: s.allow("ada@example.org", "bob", T) and s.allow("ada@example.org", "bob", T),
     "'bob' may send as ada@example.org already"),
    ("a person who sends as a whole domain", lambda s: s.allow("@example.com", "bob", T), "only an application"),
    ("taking back what was not given", lambda s: s.disallow("ada@example.org", "bob", T),
     "'bob' was not allowed to send as ada@example.org"),
]  # fmt: skip


@pytest.mark.parametrize(("ask", "part"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED])
def test_what_is_refused(people: IdentityStore, ask: Callable[[IdentityStore], object], part: str) -> None:
    """One sentence, and nothing has changed."""
    people.change_address("ada@example.org", subaddresses=True, now=T)
    for address in ("bob+x@example.org", "b+x@example.org", "@example.com"):
        people.add_address("shop", address, T)
    before = [one for one in people.identities() if one.name != "bob"]
    with pytest.raises(StoreError) as refused:
        ask(people)
    assert part in str(refused.value)
    assert [one for one in people.identities() if one.name != "bob"] == before


def test_a_whole_domain_for_an_application(people: IdentityStore) -> None:
    """Beside the addresses of others in that domain; a second one of it belongs to nobody else."""
    assert people.add_address("shop", "@Example.org", T).addresses == ("@example.org",)
    people.add_identity("desk", (), T, profile=Profile.APP)
    with pytest.raises(StoreError, match="belongs to 'shop' already"):
        people.add_address("desk", "@example.org", T)
    assert people.allow("@example.org", "desk", T).sends_as == ("@example.org",)


def test_subaddresses(people: IdentityStore) -> None:
    """On and off; one that is one's own is no obstacle, nor one of another local part or domain that begins alike."""
    people.add_address("ada", "ada+list@example.org", T)
    people.add_address("bob", "ada+list@example.org.example", T)
    people.add_address("bob", "adam+list@example.org", T)
    assert people.change_address("Ada@example.org", subaddresses=True, now=T).subaddressed == ("ada@example.org",)
    assert people.change_address("ada@example.org", subaddresses=False, now=T).subaddressed == ()
    assert people.add_address("ada", "a@example.org", T, subaddresses=True).subaddressed == ("a@example.org",)


def test_sending_as_another(people: IdentityStore) -> None:
    """A plain row, which goes with the address."""
    assert people.allow("Ada@Example.org", "bob", T).sends_as == ("ada@example.org",)
    assert people.identity("bob").addresses == ("bob@example.org",)
    assert people.disallow("ada@example.org", "bob", T).sends_as == ()
    people.allow("ada@example.org", "bob", T)
    assert people.remove_address("ada@example.org.", T).addresses == ()
    assert people.identity("bob").sends_as == ()
    assert people.owner_of("ada@example.org") is None
    assert people.add_address("bob", "ada@example.org", T).addresses == ("bob@example.org", "ada@example.org")

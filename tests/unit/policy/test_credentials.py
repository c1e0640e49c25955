"""Credentials in the store: kinds, terms, renewed and revoked ones. Whom the directory lets in: test_directory.py."""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, select

from policy.store.handles import Kind, Scope, digest
from policy.store.identities import IdentityStore, NewCredential, StoreError
from policy.store.models import Credentials, RetiredSecrets, Revocations
from policy.store.rows import SCOPES, Terms

T = 1_000_000.0  # any moment
FINGERPRINT = "ab" * 32
EVERY = (Scope.SUBMIT, Scope.IMAP, Scope.CONSOLE)


def ended(engine: Engine) -> int:
    """How many rows the feed has."""
    with engine.connect() as connection:
        return len(connection.execute(select(Revocations.id)).all())


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


FINGERPRINTS = [
    # what it shows, given
    ("empty", ""),
    ("with colons", ":".join(["AB"] * 32)),
    ("capitals", "AB" * 32),
    ("too short", "ab" * 31),
]


@pytest.mark.parametrize("given", [c[1] for c in FINGERPRINTS], ids=[c[0] for c in FINGERPRINTS])
def test_a_fingerprint_has_one_form(store: IdentityStore, ada: NewCredential, given: str) -> None:
    """The gateway tells it in lower case; another form would never be found."""
    with pytest.raises(StoreError, match="64 hexadecimal digits"):
        store.add_certificate("ada", "server", given, T)


def test_a_new_credential_submits_and_reads_mail_from_everywhere_for_ever(
    store: IdentityStore, ada: NewCredential
) -> None:
    """As a device does."""
    found = store.credential(ada.login)
    assert (found.scopes, found.networks, found.expires_at) == (SCOPES, (), None)
    assert SCOPES == (Scope.SUBMIT, Scope.IMAP)


NETWORKS = [
    # what it shows, given, as it is kept; None where it is refused, and a part of the sentence
    ("IPv4", ("192.0.2.0/24",), ("192.0.2.0/24",), ""),
    ("IPv6 in long form", ("2001:0DB8::/48",), ("2001:db8::/48",), ""),
    ("one address", ("192.0.2.1", "2001:db8::1"), ("192.0.2.1/32", "2001:db8::1/128"), ""),
    ("one twice", ("192.0.2.0/24", "192.0.2.0/255.255.255.0"), ("192.0.2.0/24",), ""),
    ("everywhere", ("0.0.0.0/0", "::/0"), ("0.0.0.0/0", "::/0"), ""),
    ("an address in it", ("192.0.2.1/24",), None, "did you mean 192.0.2.0/24?"),
    ("IPv4 in IPv6", ("::ffff:192.0.2.0/120",), None, "write it as IPv4"),
    ("a name", ("office",), None, "'office' is not a network"),
    ("empty", ("",), None, "'' is not a network"),
    ("too long a prefix", ("192.0.2.0/33",), None, "is not a network"),
    ("two in one", ("192.0.2.0/24 198.51.100.0/24",), None, "is not a network"),
    ("a zone", ("fe80::1%eth0",), None, "is not a network"),
    ("32", tuple(f"192.0.2.{n}" for n in range(32)), tuple(f"192.0.2.{n}/32" for n in range(32)), ""),
    ("33", tuple(f"192.0.2.{n}" for n in range(33)), None, "at most 32"),
]


@pytest.mark.parametrize(("given", "kept", "part"), [c[1:] for c in NETWORKS], ids=[c[0] for c in NETWORKS])
def test_pinned_networks(
    store: IdentityStore, ada: NewCredential, given: tuple[str, ...], kept: tuple[str, ...] | None, part: str
) -> None:
    """One form; the same for a new credential and for one that is there."""
    if kept is not None:
        made = store.add_credential("ada", "printer", T, Terms(networks=given))
        assert store.credential(made.login).networks == kept
        assert store.change_credential(ada.login, T, networks=given).networks == kept
        return
    for ask in (
        lambda: store.add_credential("ada", "printer", T, Terms(networks=given)),
        lambda: store.change_credential(ada.login, T, networks=given),
    ):
        with pytest.raises(StoreError) as refused:
            ask()
        assert part in str(refused.value)
    assert [one.networks for one in store.credentials()] == [()]


def laptop(store: IdentityStore) -> str:
    """The login of ada's laptop."""
    return store.credentials("ada", limit=1)[0].login


REFUSED = [
    # what it shows, what is asked (of ada's laptop), a part of the sentence
    ("no scope", lambda s: s.add_credential("ada", "x", T, Terms(scopes=())), "without a scope"),
    ("no scope any more", lambda s: s.change_credential(laptop(s), T, scopes=()), "without a scope"),
    ("an expiry that is past", lambda s: s.add_credential("ada", "x", T, Terms(expires_at=T)), "in the past"),
    ("an expiry that is now", lambda s: s.change_credential(laptop(s), T, expires_at=T), "in the past"),
    ("an expiry that no list writes", lambda s: s.add_credential("ada", "x", T, Terms(expires_at=2.6e11)), "year 9999"),
    ("no change", lambda s: s.change_credential(laptop(s), T), "is so already"),
    ("what it is already", lambda s: s.change_credential(laptop(s), T, label="laptop"), "is so already"),
    ("a bad label", lambda s: s.change_credential(laptop(s), T, label=""), "a label is"),
    ("an unknown login", lambda s: s.change_credential("x", T, label="y"), "no login 'x'"),
    ("an unknown login anew", lambda s: s.renew("x", T), "no login 'x'"),
    ("an unknown login shown", lambda s: s.credential("x"), "no login 'x'"),
    ("a page after none", lambda s: s.credentials(after="x"), "no login 'x'"),
    ("a change of a revoked one", lambda s: (s.revoke(laptop(s), T), s.change_credential(laptop(s), T, label="y")),
     "was revoked already"),
    ("a revoked one anew", lambda s: (s.revoke(laptop(s), T), s.renew(laptop(s), T)), "was revoked already"),
    ("a certificate anew",
     lambda s: s.renew(s.add_certificate("ada", "x", FINGERPRINT, T).login, T), "its kind is certificate"),
    ("an empty claim", lambda s: s.add_oidc("ada", "x", "", T), "the claim of a token is 1 to"),
    ("a claim that is taken", lambda s: (s.add_oidc("ada", "x", "8c1f", T), s.add_oidc("ada", "y", "8c1f", T)),
     "'8c1f' is the login "),
    ("a DN with a line end", lambda s: s.add_ldap("ada", "x", "u1", "cn=a\ncn=b", T), "a DN is 1 to"),
    ("a DN that is taken", lambda s: (s.add_ldap("ada", "x", "u1", "cn=a", T),
                                             s.add_ldap("ada", "x", "u2", "cn=a", T)), "'cn=a' is the login 'u1'"),
    ("LDAP with an address", lambda s: s.add_ldap("ada", "x", "u1@example.org", "", T), "cannot be a login"),
    ("LDAP in capitals", lambda s: s.add_ldap("ada", "x", "U1", "", T), "cannot be a login"),
    ("LDAP with a domain", lambda s: s.add_ldap("ada", "x", "corp\\u1", "", T), "cannot be a login"),
    ("LDAP, empty", lambda s: s.add_ldap("ada", "x", "", "", T), "cannot be a login"),
    ("LDAP twice", lambda s: (s.add_ldap("ada", "x", "u1", "", T), s.add_ldap("ada", "y", "u1", "", T)),
     "the login 'u1' is there already"),
    ("LDAP with a login", lambda s: s.add_ldap("ada", "x", laptop(s), "", T), "is there already"),
    ("LDAP with a name", lambda s: s.add_ldap("ada", "x", "ada", "", T), "so a trap as a login"),
    ("LDAP with a local part", lambda s: s.add_ldap("ada", "x", "countess", "", T), "so a trap as a login"),
    ("LDAP with a subaddress' base", lambda s: s.add_ldap("ada", "x", "sub", "", T), "so a trap as a login"),
    ("an old login, empty", lambda s: s.add_migrated("ada", "", "x", "{PLAIN}x", T + 9, T), "cannot be a login"),
    ("an old login with a line end", lambda s: s.add_migrated("ada", "a\nb", "x", "{PLAIN}x", T + 9, T),
     "cannot be a login"),
    ("an old login of 256", lambda s: s.add_migrated("ada", "a" * 256, "x", "{PLAIN}x", T + 9, T),
     "cannot be a login"),
    ("an old login that has ended", lambda s: s.add_migrated("ada", "a", "x", "{PLAIN}x", T, T), "in the past"),
    ("an old login twice", lambda s: (s.add_migrated("ada", "a", "x", "{PLAIN}x", T + 9, T),
                                             s.add_migrated("bob", "A", "x", "{PLAIN}x", T + 9, T)),
     "the login 'a' is there already"),
    ("another's name as old login", lambda s: s.add_migrated("ada", "bob", "x", "{PLAIN}x", T + 9, T),
     "'bob' is the name or an address of another identity"),
    ("another's address as old login",
     lambda s: s.add_migrated("ada", "Bob@Example.org", "x", "{PLAIN}x", T + 9, T),
     "'bob@example.org' is the name or an address of another identity"),
]  # fmt: skip


@pytest.mark.parametrize(("ask", "part"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED])
def test_what_is_refused(
    store: IdentityStore, ada: NewCredential, ask: Callable[[IdentityStore], object], part: str
) -> None:
    """One sentence for the administrator."""
    store.add_identity("bob", ("bob@example.org", "countess@example.org", "sub+x@example.org"), T)
    with pytest.raises(StoreError) as refused:
        ask(store)
    assert part in str(refused.value)


CHANGES = [
    # what it shows, the terms before, the change, whether open sessions end
    ("another label", Terms(), {"label": "new"}, False),
    ("one scope more", Terms(), {"scopes": EVERY}, False),
    ("one scope less", Terms(), {"scopes": (Scope.SUBMIT,)}, True),
    ("another scope", Terms(scopes=(Scope.SUBMIT,)), {"scopes": (Scope.IMAP,)}, True),
    ("a network, where there was none", Terms(), {"networks": ("192.0.2.0/24",)}, True),
    ("another network", Terms(networks=("192.0.2.0/24",)), {"networks": ("198.51.100.0/24",)}, True),
    ("everywhere", Terms(networks=("192.0.2.0/24",)), {"networks": ()}, False),
    ("an expiry", Terms(), {"expires_at": T + 5}, True),
    ("an earlier expiry", Terms(expires_at=T + 9), {"expires_at": T + 5}, True),
    ("a later expiry", Terms(expires_at=T + 5), {"expires_at": T + 9}, False),
    ("no expiry any more", Terms(expires_at=T + 5), {"expires_at": None}, False),
]


@pytest.mark.parametrize(("before", "change", "is_end"), [c[1:] for c in CHANGES], ids=[c[0] for c in CHANGES])
def test_a_narrower_credential_ends_its_sessions(
    store: IdentityStore, engine: Engine, ada: NewCredential, before: Terms, change: dict[str, object], is_end: bool
) -> None:
    """What is not named stays; a session must not go on that would no longer be let in."""
    made = store.add_credential("ada", "printer", T, before)
    was = store.credential(made.login)
    changed = store.change_credential(made.login, T, **change)  # type: ignore[arg-type]
    assert {name: getattr(changed, name) for name in change} == change
    assert ended(engine) == int(is_end)
    untouched = {"label", "scopes", "networks", "expires_at", "created_at", "identity"} - change.keys()
    assert [getattr(changed, name) for name in untouched] == [getattr(was, name) for name in untouched]


def test_an_expired_credential_can_be_changed(store: IdentityStore, ada: NewCredential) -> None:
    """Its expiry is looked at when it is set, and not when a label changes years later."""
    made = store.add_credential("ada", "printer", T, Terms(expires_at=T + 5))
    assert store.change_credential(made.login, T + 9, label="old printer").expires_at == T + 5


def test_a_renewed_secret(store: IdentityStore, engine: Engine, key: bytes, ada: NewCredential) -> None:
    """Another secret for the same login; the one before is kept as a trap, and its sessions end."""
    made = store.renew(ada.login, T + 5)
    assert (made.login, made.identity, made.label) == (ada.login, "ada", "laptop")
    assert made.secret != ada.secret
    with engine.connect() as connection:
        now = connection.scalar(select(Credentials.digest))
        retired = connection.execute(select(RetiredSecrets.digest, RetiredSecrets.retired_at)).all()
    assert now == digest(made.secret, key)
    assert [tuple(one) for one in retired] == [(digest(ada.secret, key), T + 5)]
    assert ended(engine) == 1


def test_a_revocation_is_in_the_feed_once(store: IdentityStore, engine: Engine, ada: NewCredential) -> None:
    """Whoever has its sessions ends them."""
    store.revoke(ada.login, T)
    with engine.connect() as connection:
        feed = connection.execute(select(Revocations.at, Revocations.credential_id, Revocations.identity)).all()
        number = connection.scalar(select(Credentials.id))
    assert [tuple(one) for one in feed] == [(T, number, "ada")]


def test_a_claim_is_a_person_and_may_come_back(store: IdentityStore, ada: NewCredential) -> None:
    """Otherwise than a key, which may have been lost."""
    first = store.add_oidc("ada", "phone", "8c1F", T)
    assert (first.kind, first.subject) == (Kind.OIDC, "8c1F")
    store.revoke(first.login, T)
    assert store.credential(first.login).subject == "8c1F"
    second = store.add_oidc("ada", "new phone", "8c1F", T)
    assert second.login != first.login
    assert (store.credential(first.login).subject, second.subject) == (None, "8c1F")


def test_a_name_of_the_directory_may_come_back(store: IdentityStore, ada: NewCredential) -> None:
    """The same person has the same name: the new one takes the revoked one's place, whosever that was."""
    first = store.add_ldap("ada", "directory", "u4711", "cn=Ada,dc=example", T)
    assert (first.kind, first.login, first.subject) == (Kind.LDAP, "u4711", "cn=Ada,dc=example")
    store.revoke("u4711", T)
    second = store.add_ldap("ada", "directory again", "u4711", "", T)
    assert (second.revoked_at, second.subject, second.label) == (None, None, "directory again")
    assert [one.login for one in store.credentials()] == [ada.login, "u4711"]


def test_an_old_login(store: IdentityStore, engine: Engine, ada: NewCredential) -> None:
    """It may be the person's own address or name, because that is what clients have; in the form that is looked up."""
    made = store.add_migrated("ada", "Ada@Example.ORG", "before", "{SHA512-CRYPT}$6$x", T + 9, T)
    assert (made.login, made.kind, made.expires_at, made.scopes) == ("ada@example.org", Kind.MIGRATED, T + 9, SCOPES)
    assert store.add_migrated("ada", "ada", "before", "{PLAIN}x", T + 9, T).login == "ada"
    with engine.connect() as connection:
        kept = connection.scalar(select(Credentials.password).where(Credentials.login == "ada@example.org"))
    assert kept == "{SHA512-CRYPT}$6$x"
    assert store.add_address("ada", "countess@example.org", T)


def use(engine: Engine, login: str, at: float) -> None:
    """As the services write it down."""
    with engine.begin() as connection:
        connection.execute(Credentials.__table__.update().where(Credentials.login == login).values(last_used_at=at))


def test_lists_of_what_can_go(store: IdentityStore, engine: Engine, ada: NewCredential) -> None:
    """Unused ones, whether never or not lately; expired ones. What was revoked is in neither list."""
    lately, once, never, revoked, expired = (
        store.add_credential("ada", label, T, Terms(expires_at=T + 50 if label == "expired" else None)).login
        for label in ("lately", "once", "never", "revoked", "expired")
    )
    for login, at in ((ada.login, T + 90), (lately, T + 90), (once, T + 10), (revoked, T + 10), (expired, T + 90)):
        use(engine, login, at)
    store.revoke(revoked, T + 20)
    assert [one.login for one in store.credentials(unused_since=T + 30)] == [once, never]
    assert [one.login for one in store.credentials("ada", unused_since=T)] == []
    assert [one.login for one in store.credentials(expired_at=T + 49)] == []
    assert [one.login for one in store.credentials(expired_at=T + 50)] == [expired]


def test_pages(store: IdentityStore, ada: NewCredential) -> None:
    """Oldest first, each once."""
    logins = [ada.login, *(store.add_credential("ada", "x", T).login for _ in range(4))]
    assert [one.login for one in store.credentials(limit=2)] == logins[:2]
    assert [one.login for one in store.credentials("ada", after=logins[1], limit=2)] == logins[2:4]
    assert store.credentials(after=logins[4]) == []


def test_logins_that_begin_so(store: IdentityStore, ada: NewCredential) -> None:
    """For the shell: those that still work."""
    assert store.logins(ada.login[:3], 5) == store.logins("", 5) == [ada.login]
    assert store.logins("%", 5) == []
    store.revoke(ada.login, T)
    assert store.logins("", 5) == []

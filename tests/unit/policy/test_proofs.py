"""What each kind of claim is proven with: LDAP, an issuer and another server's hashes; two stand in."""

import asyncio
import base64
import hashlib
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from policy.brain import Brain
from policy.bridges.answers import Answer, Later, Right, Wrong
from policy.bridges.ldap import Ldap
from policy.bridges.oidc import Oidc
from policy.bridges.opened import Bridges
from policy.contract import LoginAnswer, LoginStep
from policy.foreign import ForeignSecrets
from policy.people.hashing import HashingPool
from policy.store.identities import IdentityStore, NewCredential

T = 1_000_000.0
HOME = "192.0.2.1"
FAILURE = b'{"status":"invalid_token"'  # what the challenge begins with


@dataclass
class Directory:
    """LDAP: one password is right; `asked` has what it was asked."""

    answer: Answer | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)
    waits: int = 0

    async def check(self, login: str, dn: str, secret: str) -> Answer:
        self.asked.append((login, dn))
        return self.answer or (Right(dn) if secret == "right" else Wrong("the directory says 49"))

    async def wait_like_a_refusal(self) -> None:
        self.waits += 1

    async def close(self) -> None:
        pass


@dataclass
class Issuer:
    """OIDC: a token is who it is, or an answer."""

    answer: Answer | None = None

    async def check(self, token: str, _now: float) -> Answer:
        return self.answer or Right(token)

    async def close(self) -> None:
        pass


@pytest.fixture
def ldap() -> Directory:
    return Directory()


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def bridged(brain: Brain, ldap: Directory, issuer: Issuer) -> Brain:
    """All of policy, with both bridges."""
    bridges = Bridges(oidc=cast("Oidc", issuer), ldap=cast("Ldap", ldap))
    return replace(brain, logins=replace(brain.logins, prover=replace(brain.logins.prover, bridges=bridges)))


async def plain(brain: Brain, login: str, secret: str, address: str = HOME) -> LoginAnswer:
    return await asked(brain, "PLAIN", f"\0{login}\0{secret}".encode(), address=address)


async def token(brain: Brain, token: str, login: str = "", *more: bytes) -> LoginAnswer:
    header = f"n,a={login}," if login else "n,,"
    return await asked(brain, "OAUTHBEARER", f"{header}\x01auth=Bearer {token}\x01\x01".encode(), *more)


async def asked(brain: Brain, mechanism: str, *responses: bytes, address: str = HOME) -> LoginAnswer:
    facts = {"session": "s1", "exchange": "e1", "client_address": address, "listener": "submission"}
    return await brain.login(LoginStep.model_validate(facts | {"mechanism": mechanism, "responses": responses}))


# LDAP


@pytest.fixture
def employee(store: IdentityStore, ada: NewCredential) -> str:
    """A login of ada's whose secret the directory has."""
    store.add_ldap("ada", "work", "e4711", "uid=ada,dc=example,dc=org", T)
    return "e4711"


@pytest.mark.parametrize("typed", ["e4711", "E4711"])
async def test_ldap(bridged: Brain, ldap: Directory, employee: str, typed: str) -> None:
    """The directory says whether it is right; letter case of what people type does not matter."""
    assert (await plain(bridged, typed, "right")).outcome == "granted"
    assert (await plain(bridged, typed, "wrong")).outcome == "refused"
    assert (await bridged.pick_up(typed, "right", "s1", HOME, "imap")).outcome == "granted"
    assert ldap.asked == [("e4711", "uid=ada,dc=example,dc=org")] * 3


async def test_ldap_that_does_not_answer_is_no_refusal(bridged: Brain, ldap: Directory, employee: str) -> None:
    """Nobody can say, and it is no guess."""
    ldap.answer = Later("no answer in time")
    for number in range(60):
        assert (await plain(bridged, employee, f"secret {number}")).outcome == "unavailable"
    ldap.answer = None
    assert (await plain(bridged, employee, "right")).outcome == "granted"


async def test_without_ldap_its_logins_are_refused(brain: Brain, employee: str) -> None:
    """An administrator has taken it out."""
    assert (await plain(brain, employee, "right")).outcome == "refused"


async def test_strangers_cannot_have_accounts_locked(bridged: Brain, ldap: Directory, employee: str) -> None:
    """The wall stands before the directory: it sees fifty wrong secrets in a day and no more, however it is typed."""
    for number in range(80):
        await plain(bridged, employee.upper() if number % 2 else employee, f"guess {number}", f"10.0.{number}.1")
    assert len(ldap.asked) == 50


async def test_a_refusal_takes_as_long_without_ldap(
    bridged: Brain, ldap: Directory, ada: NewCredential, employee: str
) -> None:
    """Unknown logins and wrong secrets of devices wait; who was refused by the directory has waited."""
    await plain(bridged, "fosem-4k7q-talir", "x")
    await plain(bridged, ada.login, "x")
    assert ldap.waits == 2
    await plain(bridged, employee, "wrong")
    await plain(bridged, ada.login, ada.secret)
    assert ldap.waits == 2


# Tokens


@pytest.fixture
def signed_on(store: IdentityStore, ada: NewCredential) -> str:
    """A login of ada's that the issuer knows as `sub-1`."""
    return store.add_oidc("ada", "single sign-on", "sub-1", T).login


@dataclass(frozen=True)
class Shown:
    """A token, the login beside it, what the issuer's keys say (None: right), and the outcome."""

    token: str
    login: Callable[[str], str]
    answer: Answer | None
    outcome: str


TOKENS = {
    "right": Shown("sub-1", lambda _: "", None, "granted"),
    "with its login": Shown("sub-1", str, None, "granted"),
    "with another login": Shown("sub-1", lambda _: "ada@example.org", None, "challenge"),
    "of nobody here": Shown("sub-2", lambda _: "", None, "challenge"),
    "in other letters": Shown("SUB-1", lambda _: "", None, "challenge"),
    "wrong": Shown("x", lambda _: "", Wrong("the signature is wrong"), "challenge"),
    "not known now": Shown("x", lambda _: "", Later("no keys"), "unavailable"),
}


@pytest.mark.parametrize("shown", TOKENS.values(), ids=TOKENS)
async def test_tokens(
    bridged: Brain, issuer: Issuer, signed_on: str, told: Callable[[], list[tuple[str, str]]], shown: Shown
) -> None:
    """A wrong one is answered with a challenge first, RFC 7628 section 3.2.3; an address beside it is no trap."""
    issuer.answer, login = shown.answer, shown.login(signed_on)
    said = await token(bridged, shown.token, login)
    assert said.outcome == shown.outcome
    assert (said.grants is not None) == (shown.outcome == "granted")
    assert said.challenge.startswith(FAILURE) == (shown.outcome == "challenge")
    if shown.outcome == "challenge":
        assert (await token(bridged, shown.token, login, b"\x01")).outcome == "refused"
    assert told() == []


async def test_wrong_tokens_are_no_guesses(bridged: Brain, issuer: Issuer, signed_on: str) -> None:
    """A program with an old token tries on; its network is not walled."""
    issuer.answer = Wrong("expired")
    for number in range(60):
        await token(bridged, f"old {number}")
    issuer.answer = None
    assert (await token(bridged, "sub-1")).outcome == "granted"


async def test_without_an_issuer_tokens_are_refused(brain: Brain, signed_on: str) -> None:
    """As long as none is set up."""
    assert (await token(brain, "sub-1")).challenge.startswith(FAILURE)


async def test_a_revoked_token_login_is_no_trap(
    bridged: Brain, store: IdentityStore, signed_on: str, told: Callable[[], list[tuple[str, str]]]
) -> None:
    """The token is its owner's still; only the way in is closed."""
    store.revoke(signed_on, T)
    assert (await token(bridged, "sub-1")).challenge.startswith(FAILURE)
    assert told() == []


# Another server's hashes


@pytest.fixture
def migrated(store: IdentityStore, ada: NewCredential) -> str:
    """An old login of ada's, with its hash."""
    octets = hashlib.sha1(b"old secret" + b"salt", usedforsecurity=False).digest() + b"salt"
    hash_ = "{SSHA}" + base64.b64encode(octets).decode()
    store.add_migrated("ada", "ada@example.org", "old server", hash_, T + 100, T)
    return "ada@example.org"


async def test_a_migrated_secret(brain: Brain, migrated: str) -> None:
    """It opens the mailbox as before, and case of the secret matters."""
    for login, secret, outcome in (
        (migrated, "old secret", "granted"),
        (migrated.upper(), "old secret", "granted"),
        (migrated, "Old secret", "refused"),
        (migrated, "oldsecret", "refused"),
    ):
        assert (await plain(brain, login, secret)).outcome == outcome
        assert (await brain.pick_up(login, secret, "s1", HOME, "imap")).outcome == outcome


@pytest.fixture
async def busy() -> AsyncIterator[tuple[ForeignSecrets, threading.Event]]:
    """One thread and no queue, and the thread is at work until the event is set."""
    pool, over = HashingPool(parallel=1, queue=0), threading.Event()
    work = asyncio.create_task(pool.run(over.wait))
    await asyncio.sleep(0)
    yield ForeignSecrets(pool), over
    over.set()
    await work
    pool.close()


async def test_too_much_to_verify_is_no_refusal(
    brain: Brain, migrated: str, ada: NewCredential, busy: tuple[ForeignSecrets, threading.Event]
) -> None:
    """Later; devices log in meanwhile."""
    full = replace(brain, logins=replace(brain.logins, prover=replace(brain.logins.prover, foreign=busy[0])))
    assert (await plain(full, migrated, "old secret")).outcome == "later"
    assert (await plain(full, ada.login, ada.secret)).outcome == "granted"


async def test_a_refusal_takes_as_long_without_a_hash(
    brain: Brain, migrated: str, ada: NewCredential, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one of the latest that was looked up; where there was none, it does not wait."""
    slept = list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    await plain(brain, "fosem-4k7q-talir", "x")
    assert slept == []
    await plain(brain, migrated, "wrong")
    assert slept == []
    await plain(brain, "fosem-4k7q-talir", "x")
    await plain(brain, ada.login, "x")
    refusals = cast("Any", brain.logins.prover.foreign)._refusals
    assert slept == [refusals[0]] * 2

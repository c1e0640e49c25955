"""Tokens of a real issuer, over TLS: keys that change while it runs, an issuer that is bad, and tokens that lie."""

import asyncio
import base64
import hmac
import json
import ssl
import time
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator
from typing import Any

import pytest
from issuer_server import AUDIENCE, DISCOVERY, KEYS, TOKEN, Issuer, new_key
from joserfc.jwk import OctKey
from settling import connections_closed

from policy.bridges import issuer as issuer_module
from policy.bridges.answers import Answer, Later, Right, Wrong
from policy.bridges.oidc import Oidc
from policy.bridges.settings import BridgeSettings, is_safe
from service.settings import SettingError

NOW = 1_800_000_000.0
HOUR_S = 3600.0
ADA = Right("248289761001")
UNSIGNED = Wrong("token: not signed by the issuer")
NO_KEYS = Later("the issuer's keys are not to be had at the moment")
BAD = ["down", "closes", "html", "too long", "redirects", "{}", "[]", '{"keys": []}', '{"keys": [{"kty": "RSA"}]}']


@pytest.fixture
async def oidc(issuer: Issuer) -> AsyncIterator[Oidc]:
    """The bridge to that issuer, which has asked nothing yet."""
    bridge = Oidc.of(BridgeSettings(oidc_issuer=issuer.url, oidc_audience=(AUDIENCE,), oidc_ca=issuer.ca))
    yield bridge
    await bridge.close()
    issuer.released.set()
    await connections_closed()


def check(oidc: Oidc, issuer: Issuer, now: float = NOW, **claims: object) -> Any:
    """What the bridge says of a token of that moment."""
    return oidc.check(issuer.token(now, **claims), now)


async def settled() -> None:
    """What was begun behind the back of a login has ended."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others)


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
async def test_every_algorithm_of_the_list(issuer: Issuer, oidc: Oidc, algorithm: str) -> None:
    """Each with a key of its own kind."""
    issuer.rotate(algorithm, "rsa")
    assert await check(oidc, issuer) == ADA


async def test_a_token_of_the_token_endpoint(issuer: Issuer, oidc: Oidc) -> None:
    """As a mail program gets it, with the real time in it."""
    body = urllib.parse.urlencode({"grant_type": "client_credentials", "client_id": "mail-program"}).encode()
    trusting = ssl.create_default_context(cafile=issuer.ca)

    def fetched() -> str:
        with urllib.request.urlopen(issuer.url + TOKEN, body, context=trusting) as answer:  # noqa: S310 - our own
            return str(json.load(answer)["access_token"])

    assert await oidc.check(await asyncio.to_thread(fetched), time.time()) == ADA


async def test_keys_are_fetched_once(issuer: Issuer, oidc: Oidc) -> None:
    """The network is in the way of the first login alone, and of none that comes at the same time."""
    assert await asyncio.gather(*(check(oidc, issuer) for _ in range(20))) == [ADA] * 20
    assert await check(oidc, issuer, NOW + 60) == ADA
    assert issuer.asked == {DISCOVERY: 1, KEYS: 1}


async def test_the_issuer_changes_its_key(issuer: Issuer, oidc: Oidc) -> None:
    """A token with the new one makes us look; what the old one has signed is nothing any more."""
    old = issuer.keys[0]
    assert await check(oidc, issuer) == ADA
    issuer.rotate("ES256", "new")
    assert await check(oidc, issuer, NOW + 60) == ADA
    assert await oidc.check(issuer.token(NOW + 61, key=old), NOW + 61) == NO_KEYS
    assert await oidc.check(issuer.token(NOW + 90, key=old), NOW + 90) == UNSIGNED


async def test_keys_are_renewed_behind_the_back_of_a_login(issuer: Issuer, oidc: Oidc) -> None:
    """After a quarter of an hour the login does not wait; after an hour it does."""
    assert await check(oidc, issuer) == ADA
    issuer.behaviour[KEYS] = "slow"
    assert await check(oidc, issuer, NOW + 1000) == ADA
    issuer.behaviour.clear()
    issuer.released.set()
    await settled()
    assert issuer.asked[KEYS] == 2
    issuer.rotate("ES256", "new")
    assert await oidc.check(issuer.token(NOW + 3 * HOUR_S, key=new_key("RS256", "rsa")), NOW + 3 * HOUR_S) == UNSIGNED


async def test_strangers_cannot_make_us_ask_often(issuer: Issuer, oidc: Oidc) -> None:
    """A hundred tokens with invented keys are one question; the owner of a good one notices nothing."""
    assert await check(oidc, issuer) == ADA
    said = [await oidc.check(issuer.token(NOW + 100, {"kid": f"{n}"}), NOW + 100 + n / 100) for n in range(100)]
    assert said == [UNSIGNED] + [NO_KEYS] * 99
    assert issuer.asked[KEYS] == 2
    assert await check(oidc, issuer, NOW + 101) == ADA


async def test_what_is_wrong_anyway_asks_nobody(issuer: Issuer, oidc: Oidc) -> None:
    """Expired, for somebody else, no token: told without a key."""
    for claims in ({"exp": NOW - 100}, {"aud": "wiki"}, {"iss": "https://login.example.net"}):
        assert isinstance(await check(oidc, issuer, **claims), Wrong)
    assert await oidc.check("rubbish", NOW) == Wrong("no token")
    assert not issuer.asked


@pytest.mark.parametrize("path", [DISCOVERY, KEYS])
@pytest.mark.parametrize("behaviour", BAD, ids=lambda one: one[:15])
async def test_a_bad_issuer_is_later(issuer: Issuer, oidc: Oidc, behaviour: str, path: str) -> None:
    """Never a refusal: nobody knows whether the token is right. And once it is well again, so are we."""
    issuer.behaviour[path] = behaviour
    assert await check(oidc, issuer) == NO_KEYS
    issuer.behaviour.clear()
    assert await check(oidc, issuer, NOW + 1) == NO_KEYS
    assert await check(oidc, issuer, NOW + 20) == ADA


@pytest.mark.parametrize("path", [DISCOVERY, KEYS])
async def test_a_slow_issuer_is_later(issuer: Issuer, oidc: Oidc, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for ever."""
    monkeypatch.setattr(issuer_module, "_FETCH_TIMEOUT_S", 0.2)
    issuer.behaviour[path] = "slow"
    assert await check(oidc, issuer) == NO_KEYS


async def test_an_issuer_that_went_down(issuer: Issuer, oidc: Oidc) -> None:
    """Its keys go on for a day; then it is Later."""
    assert await check(oidc, issuer) == ADA
    issuer.behaviour[KEYS] = "down"
    for hours in (1, 2, 12, 24):
        assert await check(oidc, issuer, NOW + hours * HOUR_S) == ADA
    assert await check(oidc, issuer, NOW + 24 * HOUR_S + 1) == NO_KEYS
    issuer.behaviour.clear()
    assert await check(oidc, issuer, NOW + 25 * HOUR_S) == ADA


async def test_an_issuer_that_nobody_vouches_for(issuer: Issuer) -> None:
    """A certificate of no known authority: nothing is asked, and nobody is let in."""
    bridge = Oidc.of(BridgeSettings(oidc_issuer=issuer.url, oidc_audience=(AUDIENCE,)))
    assert await check(bridge, issuer) == NO_KEYS
    assert not issuer.asked
    await bridge.close()


@pytest.mark.parametrize(
    "about",
    [
        {"issuer": "https://login.example.net", "jwks_uri": "https://login.example.net/keys"},
        {"issuer": None},
        {"jwks_uri": "http://login.example.net/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": None},
    ],
    ids=["another issuer", "no issuer", "keys in the clear", "keys from a file", "no keys"],
)
async def test_a_discovery_document_that_lies(issuer: Issuer, oidc: Oidc, about: dict[str, Any]) -> None:
    """OpenID Connect Discovery section 4.3: it must be about the issuer that was asked."""
    issuer.documents[DISCOVERY] = {"issuer": issuer.url, "jwks_uri": issuer.url + KEYS} | about
    assert await check(oidc, issuer) == NO_KEYS


async def test_keys_that_are_not_for_signatures(issuer: Issuer, oidc: Oidc) -> None:
    """For encryption, a secret, a private one, and one for another algorithm: a token of none of them is taken."""
    sold, signed = new_key("RS256", "encryption"), new_key("RS256", "rsa")
    written = [sold.as_dict(private=False) | {"use": "enc"}, OctKey.import_key(b"s" * 32, {"kid": "oct"}).as_dict()]
    written += [signed.as_dict(private=True), new_key("ES256", "good").as_dict(private=False), "no key", {"kty": []}]
    issuer.documents[KEYS] = {"keys": written}
    for number, key in enumerate((sold, signed)):
        assert await oidc.check(issuer.token(NOW + 20 * number, key=key), NOW + 20 * number) == UNSIGNED
    ps256 = new_key("PS256", "rsa")
    issuer.documents[KEYS] = {"keys": [ps256.as_dict(private=False)]}
    assert await oidc.check(issuer.token(NOW + 60, key=new_key("RS256", "rsa")), NOW + 60) == UNSIGNED
    assert await oidc.check(issuer.token(NOW + 61, key=ps256), NOW + 61) == ADA


async def test_a_token_that_names_no_key(issuer: Issuer, oidc: Oidc) -> None:
    """It is verified where there is no choice."""
    assert await oidc.check(issuer.token(NOW, {"kid": None}), NOW) == ADA
    issuer.keys = [issuer.keys[0], new_key("RS256", "second")]
    later = NOW + 2 * HOUR_S
    assert await oidc.check(issuer.token(later, {"kid": None}, key=issuer.keys[0]), later) == UNSIGNED


def forged(token: str, header: dict[str, Any] | None = None, claims: dict[str, Any] | None = None) -> str:
    """The token with parts of it replaced, and the signature as it was."""
    parts = token.split(".")
    for number, changed in enumerate((header, claims)):
        if changed:
            old = json.loads(base64.urlsafe_b64decode(parts[number] + "=="))
            parts[number] = base64.urlsafe_b64encode(json.dumps(old | changed).encode()).decode().rstrip("=")
    return ".".join(parts)


def by_secret(token: str, secret: bytes) -> str:
    """The signature of whoever takes a public key for a secret."""
    signature = hmac.digest(secret, token.rpartition(".")[0].encode(), "sha256")
    return base64.urlsafe_b64encode(signature).decode().rstrip("=")


async def test_tokens_that_lie(issuer: Issuer, oidc: Oidc) -> None:
    """What attackers have tried on others; the keys are known, so each is refused at once."""
    good = issuer.token(NOW)
    assert await oidc.check(good, NOW) == ADA
    head, claims, signature = good.split(".")
    stranger = new_key("RS256", "strange")
    public = issuer.keys[0].as_pem(private=False)
    attacks: dict[str, tuple[str, Answer]] = {
        "another subject": (forged(good, claims={"sub": "1"}), UNSIGNED),
        "another signature": (f"{head}.{claims}.{signature[:-8]}AAAAAAAA", UNSIGNED),
        "no signature": (f"{head}.{claims}.", UNSIGNED),
        "alg none": (forged(good, {"alg": "none"}), Wrong("no token")),
        "alg none without a signature": (forged(good, {"alg": "none"}).rpartition(".")[0] + ".", Wrong("no token")),
        "the public key as a secret": (
            forged(good, {"alg": "HS256"}).rpartition(".")[0] + "." + by_secret(forged(good, {"alg": "HS256"}), public),
            Wrong("no token"),
        ),
        "another algorithm of the same key": (forged(good, {"alg": "PS256"}), UNSIGNED),
        "an algorithm of another kind of key": (forged(good, {"alg": "ES256"}), UNSIGNED),
        "a stranger's key under the name of ours": (issuer.token(NOW, {"kid": "rsa"}, stranger), UNSIGNED),
        "a stranger's key in the token": (
            issuer.token(NOW, {"kid": "rsa", "jwk": stranger.as_dict(private=False)}, stranger),
            UNSIGNED,
        ),
        "a stranger's keys at an address": (
            issuer.token(NOW, {"kid": "rsa", "jku": "https://login.example.net/keys"}, stranger),
            UNSIGNED,
        ),
        "a path for a key": (issuer.token(NOW, {"kid": "../../../dev/null"}, stranger), NO_KEYS),
        "huge": (good + "A" * 9216, Wrong("no token")),
        "a line end": (good + "\n", Wrong("no token")),
    }
    said = {name: await oidc.check(token, NOW + 1) for name, (token, _) in attacks.items()}
    assert said == {name: expected for name, (_, expected) in attacks.items()}
    assert issuer.asked[KEYS] == 1


SAFE = [
    # what it shows, address, may it be the issuer's
    ("https", "https://login.example.org/realms/staff", True),
    ("with a port", "https://login.example.org:8443", True),
    ("in the clear", "http://login.example.org", False),
    ("in the clear, on this machine", "http://127.0.0.1:8080/realms/staff", True),
    ("by name", "http://localhost:8080", True),
    ("by IPv6", "http://[::1]:8080", True),
    ("a name that begins like this machine's", "http://127.0.0.1.example.org", False),
    ("no host", "https:///keys", False),
    ("a file", "file:///etc/passwd", False),
    ("a word", "login", False),
]


@pytest.mark.parametrize(("url", "expected"), [c[1:] for c in SAFE], ids=[c[0] for c in SAFE])
def test_over_tls_alone(url: str, expected: bool) -> None:
    """Whoever can change the keys on their way is the issuer."""
    assert is_safe(url) is expected


def test_settings_of_an_issuer(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence for each that will not do."""
    with pytest.raises(ValueError, match="it should be the https:// address"):
        BridgeSettings(oidc_issuer="http://login.example.org")
    with pytest.raises(SettingError, match="POLICY_OIDC_AUDIENCE: is not set"):
        Oidc.of(BridgeSettings(oidc_issuer="https://login.example.org"))
    with pytest.raises(SettingError, match="POLICY_OIDC_CA: /nowhere cannot be used"):
        Oidc.of(
            BridgeSettings.model_validate(
                {"oidc_issuer": "https://login.example.org", "oidc_audience": "mail", "oidc_ca": "/nowhere"}
            )
        )

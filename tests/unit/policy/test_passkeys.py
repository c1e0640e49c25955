"""Passkeys: what a real authenticator sends is taken, and what an attacker would change in it is not."""

import json
import random
from typing import Any

import pytest
from authenticator import USER_PRESENT, Authenticator, b64, unb64

from policy.people.errors import SignInRefused
from policy.people.passkeys import RelyingParty, handle_of, user_handle
from policy.store.factors import Passkey

SITE = RelyingParty("https://mail.example.org:8443", "mail.example.org", "mail.example.org")
USER = user_handle("ada", bytes(32))


def device(**changed: Any) -> Authenticator:
    return Authenticator(**{"origin": SITE.origin, "rp_id": SITE.id} | changed)


def registered(phone: Authenticator) -> Passkey:
    ceremony = SITE.registration(USER, "ada", ())
    return SITE.registered(phone.register(ceremony.options), ceremony.challenge)


def test_options_ask_for_what_is_decided_on() -> None:
    """The browser must verify its user, for this site; a device that has a key already makes no second one."""
    ceremony = SITE.registration(USER, "ada", (b"old",))
    options = json.loads(ceremony.options)
    assert options["rp"]["id"] == "mail.example.org"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["excludeCredentials"][0]["id"] == b64(b"old")
    assert unb64(options["challenge"]) == ceremony.challenge
    assert "ada" not in options["user"]["id"]
    asked = json.loads(SITE.authentication((b"one", b"two")).options)
    assert [one["id"] for one in asked["allowCredentials"]] == [b64(b"one"), b64(b"two")]
    assert asked["userVerification"] == "required"


def test_a_passkey_signs_in_again_and_again() -> None:
    """Its count rises with each use."""
    phone = device()
    passkey = registered(phone)
    assert passkey.handle == phone.handle
    for _ in range(3):
        ceremony = SITE.authentication((passkey.handle,))
        answer = phone.sign(ceremony.options)
        assert handle_of(answer) == passkey.handle
        count = SITE.authenticated(answer, ceremony.challenge, passkey)
        assert count == passkey.count + 1
        passkey = Passkey(passkey.handle, passkey.public_key, count)


def test_a_passkey_that_does_not_count_signs_in() -> None:
    """Those that are synchronized between devices always say 0."""
    phone = device(counts=False)
    passkey = registered(phone)
    for _ in range(2):
        ceremony = SITE.authentication((passkey.handle,))
        assert SITE.authenticated(phone.sign(ceremony.options), ceremony.challenge, passkey) == 0


BAD_REGISTRATIONS = [
    # what it shows, the device, what the client data say
    ("a page elsewhere", {"origin": "https://mail.example.org.evil.test"}, {}),
    ("the site without its port", {"origin": "https://mail.example.org"}, {}),
    ("no encryption", {"origin": "http://mail.example.org:8443"}, {}),
    ("a key of another site", {"rp_id": "evil.test"}, {}),
    ("another challenge", {}, {"challenge": b64(bytes(32))}),
    ("the other ceremony", {}, {"type": "webauthn.get"}),
]


@pytest.mark.parametrize(
    ("made", "said"), [case[1:] for case in BAD_REGISTRATIONS], ids=[c[0] for c in BAD_REGISTRATIONS]
)
def test_registrations_that_are_refused(made: dict[str, Any], said: dict[str, Any]) -> None:
    """With one sentence, which says nothing of why."""
    ceremony = SITE.registration(USER, "ada", ())
    with pytest.raises(SignInRefused, match="passkey was not accepted"):
        SITE.registered(device(**made).register(ceremony.options, **said), ceremony.challenge)


def test_a_device_that_does_not_verify_its_user_is_refused() -> None:
    """A stolen one would do otherwise."""
    phone = device()
    passkey = registered(phone)
    phone.flags = USER_PRESENT
    ceremony = SITE.authentication((passkey.handle,))
    assert SITE.authenticated(phone.sign(ceremony.options), ceremony.challenge, passkey) is None
    asked = SITE.registration(USER, "ada", ())
    with pytest.raises(SignInRefused):
        SITE.registered(phone.register(asked.options), asked.challenge)


BAD_SIGN_INS = [
    # what it shows, what is different about the device, what the client data say
    ("a page elsewhere", {"origin": "https://evil.test"}, {}),
    ("another site", {"rp_id": "evil.test"}, {}),
    ("nobody there", {"flags": 0}, {}),
    ("a count that did not rise", {"count": -1}, {}),
    ("another key", {"private_key": device().private_key}, {}),
    ("another challenge", {}, {"challenge": b64(bytes(32))}),
    ("the other ceremony", {}, {"type": "webauthn.create"}),
]


@pytest.mark.parametrize(
    ("changed", "said"), [case[1:] for case in BAD_SIGN_INS], ids=[case[0] for case in BAD_SIGN_INS]
)
def test_sign_ins_that_are_refused(changed: dict[str, Any], said: dict[str, Any]) -> None:
    """Each differs in one thing from what is taken."""
    phone = device()
    passkey = registered(phone)
    first = SITE.authentication((passkey.handle,))
    count = SITE.authenticated(phone.sign(first.options), first.challenge, passkey)
    assert count == 1
    for name, value in changed.items():
        setattr(phone, name, value)
    ceremony = SITE.authentication((passkey.handle,))
    answer = phone.sign(ceremony.options, **said)
    assert SITE.authenticated(answer, ceremony.challenge, Passkey(passkey.handle, passkey.public_key, count)) is None


def test_what_is_no_answer_is_refused() -> None:
    """Whatever a stranger sends: nothing of it is an error of ours."""
    passkey = registered(device())
    for answer in ("", "null", "[]", "{}", "{" * 2000, '{"id": 1}', "\ud800", "x" * 100_000, '{"id": "\u00e4"}'):
        assert handle_of(answer) in (b"", b"\xd4")
        assert SITE.authenticated(answer, bytes(32), passkey) is None
        with pytest.raises(SignInRefused):
            SITE.registered(answer, bytes(32))


def test_damaged_answers_are_refused() -> None:
    """Two thousand answers with some octets changed, in all of their parts: refused, and never an error."""
    chance = random.Random(8)  # noqa: S311 - a test must be the same twice
    phone = device()
    passkey = registered(phone)
    asked, creating = SITE.authentication((passkey.handle,)), SITE.registration(USER, "ada", ())
    good, new = json.loads(phone.sign(asked.options)), json.loads(device().register(creating.options))
    for _ in range(1000):
        damaged = _damaged(good, chance)
        assert SITE.authenticated(damaged, asked.challenge, passkey) in (None, 1)
        try:
            SITE.registered(_damaged(new, chance), creating.challenge)
        except SignInRefused:
            continue


def _damaged(answer: dict[str, Any], chance: random.Random) -> str:
    response = dict(answer["response"])
    part = chance.choice(sorted(response))
    octets = bytearray(unb64(response[part]))
    for _ in range(chance.randint(1, 4)):
        match chance.randrange(3):
            case 0:
                octets[chance.randrange(len(octets))] = chance.randrange(256)
            case 1:
                del octets[chance.randrange(len(octets)) :]
                octets += b"\0"
            case _:
                octets.insert(chance.randrange(len(octets)), chance.randrange(256))
    return json.dumps(answer | {"response": response | {part: b64(bytes(octets))}})

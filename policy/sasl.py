"""SASL mechanisms, server side and pure: all responses so far in, what to say next out.

    sasl.py          (you are here) the mechanisms as conversations, and the table of all of them
    scram.py         the messages and the arithmetic of SCRAM
    bearer.py        the messages of OAUTHBEARER and XOAUTH2

The gateway relays the exchange (RFC 4954 section 4) and knows no mechanism. Each mechanism is a function in MECHANISMS;
it gets the step and returns a Challenge, a claim that the client makes, Refused, or Malformed. Whether a claim is true
is not decided here: store/directory.py has the credentials, bridges/ asks those who know what we do not. Malformed is
for syntax alone (501); whatever a client may say and must not be granted is Refused, in the words in which a wrong
secret is (535).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from policy import bearer, scram
from policy.contract import LoginStep

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PLUS = "SCRAM-SHA-256-PLUS"
# What a client says to our verifier: nothing (RFC 4954 section 4), or the three octets of which a line of "NOOP" is the
# base64, as PEAR's Net_SMTP does, and so Roundcube. The proof was right before.
_ACKNOWLEDGED = (b"", b"\x34\xe3\x8f")
TOKEN_REFUSED = "the token was refused"  # noqa: S105 - words for the log: the end of an exchange whose token was no good


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the server sends in its next 334."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Malformed:
    """The response is none that this mechanism allows: 501, not a wrong secret."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Well-formed, and refused whoever it is. `why` is for the log, never for the client."""

    why: str


@dataclass(frozen=True, slots=True)
class Proven:
    """The client has shown that it is `login`, and knows that we are who we say."""

    login: str


@dataclass(frozen=True, slots=True)
class SecretClaim:
    """The client says that it is `login` and proves it with `secret`."""

    login: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CertificateClaim:
    """The client has shown the key of a certificate. `login` is empty where the certificate alone is to decide."""

    fingerprint: str  # SHA-256, hexadecimal
    login: str


@dataclass(frozen=True, slots=True)
class TokenClaim:
    """The client shows a token of the issuer's, which says who it is. `login` is empty where the token is to decide.

    A token that is no good is answered with `failure` as a challenge; what the client says to that is Refused.
    """

    login: str
    token: str = field(repr=False)
    failure: bytes


@dataclass(frozen=True, slots=True)
class ScramClaim:
    """The client says that it is `login`; with the keys of that login, `answer` goes on."""

    login: str
    first: scram.First
    final: scram.Final | None = None
    is_acknowledged: bool = False  # the client has seen our verifier and goes on

    def answer(self, keys: scram.Keys, nonce: bytes) -> "Challenge | Proven | Refused":
        """A login that nobody has is answered with keys that nobody has: the same steps, the same work."""
        challenged = scram.challenge(self.first, keys, nonce)
        if not self.final:
            return Challenge(challenged)
        verifier = scram.verifier(self.first, self.final, keys, challenged)
        if self.final.nonce != self.first.nonce + nonce or verifier is None:
            return Refused("no such login or wrong secret")
        # RFC 4954 section 4: success carries no data, so the verifier is a challenge with an empty response.
        return Proven(self.login) if self.is_acknowledged else Challenge(verifier)


Claim = SecretClaim | CertificateClaim | TokenClaim | ScramClaim
Step = Challenge | Claim | Refused | Malformed


def plain(step: LoginStep) -> Step:
    """RFC 4616: [authzid] NUL authcid NUL passwd, in one response."""
    if not step.responses:
        return Challenge(b"")
    parts = step.responses[-1].split(b"\0")
    if len(step.responses) > 1 or len(parts) != 3:  # noqa: PLR2004 - the three of RFC 4616 section 2
        return Malformed()
    authzid, authcid, secret = parts
    return _as_itself(authzid, authcid) or _secret_claim(authcid, secret)


def login(step: LoginStep) -> Step:
    """LOGIN has no RFC (draft-murchison-sasl-login): two prompts, and clients compare their text."""
    prompts = (b"Username:", b"Password:")
    if len(step.responses) < len(prompts):
        return Challenge(prompts[len(step.responses)])
    if len(step.responses) > len(prompts):
        return Malformed()
    return _secret_claim(step.responses[0], step.responses[1])


def external(step: LoginStep) -> Step:
    """RFC 4422 appendix A: the certificate says who it is; an authzid, if there is one, must name the same login."""
    if not step.responses:
        return Challenge(b"")
    authzid = _text(step.responses[0])
    if len(step.responses) > 1 or authzid is None or not authzid.isprintable():
        return Malformed()
    if not step.certificate:
        return Refused("no client certificate")
    return CertificateClaim(step.certificate.lower(), authzid)


def scram_sha_256(step: LoginStep) -> Step:
    """RFC 5802 and RFC 7677, with and without channel binding."""
    if not step.responses:
        return Challenge(b"")
    first = scram.read_first(step.responses[0])
    if first is None or not first.login.isprintable():
        return Malformed()
    if refused := _first_is_refused(step, first):
        return refused
    if len(step.responses) == 1:
        return ScramClaim(first.login, first)
    final, acknowledged = scram.read_final(step.responses[1]), step.responses[2:]
    if final is None or len(acknowledged) > 1 or not set(acknowledged) <= set(_ACKNOWLEDGED):
        return Malformed()
    refused = _binding_is_refused(step, first, final)
    return refused or ScramClaim(first.login, first, final, is_acknowledged=bool(acknowledged))


def oauthbearer(step: LoginStep) -> Step:
    """RFC 7628: one message with the token. An error is a challenge (section 3.2.3), which the client answers."""
    return _token_claim(step, bearer.read_oauthbearer, bearer.OAUTHBEARER_FAILURE, bearer.OAUTHBEARER_ACKNOWLEDGED)


def xoauth2(step: LoginStep) -> Step:
    """Google's forerunner of it, without a header, and with an empty answer to the error."""
    return _token_claim(step, bearer.read_xoauth2, bearer.XOAUTH2_FAILURE, bearer.XOAUTH2_ACKNOWLEDGED)


def _token_claim(
    step: LoginStep, read: Callable[[bytes], bearer.Bearer | None], failure: bytes, acknowledged: tuple[bytes, ...]
) -> Step:
    if not step.responses:
        return Challenge(b"")
    found, answers = read(step.responses[0]), step.responses[1:]
    if found is None or len(answers) > 1 or not set(answers) <= set(acknowledged):
        return Malformed()
    # Only who was told that the token is no good has something to answer.
    return Refused(TOKEN_REFUSED) if answers else TokenClaim(found.login, found.token, failure)


def _first_is_refused(step: LoginStep, first: scram.First) -> Refused | None:
    """RFC 5802 section 6: who could bind must bind, or somebody between could have taken the offer away."""
    if first.has_mandatory:
        return Refused("a mandatory extension")
    if step.mechanism == _PLUS:
        if first.binding not in step.channel_bindings:
            return Refused("no such channel binding")
    elif first.binding or (first.wants_binding and step.is_binding_offered):
        return Refused("channel binding was taken away")
    if first.authzid not in ("", first.login):
        return Refused("another authzid")
    return None


def _binding_is_refused(step: LoginStep, first: scram.First, final: scram.Final) -> Refused | None:
    """The final message repeats the header and names the channel: ours, or somebody stands between."""
    ours = step.channel_bindings[first.binding] if first.binding else b""
    return None if final.channel == first.header + ours else Refused("another channel")


def _as_itself(authzid: bytes, authcid: bytes) -> Refused | None:
    """To act for somebody else is not offered; RFC 4616 section 2 lets authzid be empty or the same."""
    return None if authzid in (b"", authcid) else Refused("another authzid")


def _secret_claim(name: bytes, given: bytes) -> Step:
    login, secret = _text(name), _text(given)
    if not login or not secret or not login.isprintable():
        return Malformed()
    # RFC 4013 section 2.3 prohibits control characters; no secret of ours has one, whatever a digest makes of it.
    if _CONTROL.search(secret):
        return Refused("a control character in the secret")
    return SecretClaim(login, secret)


def _text(octets: bytes) -> str | None:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return None


MECHANISMS: Mapping[str, Callable[[LoginStep], Step]] = {
    "PLAIN": plain,
    "LOGIN": login,
    "SCRAM-SHA-256": scram_sha_256,
    _PLUS: scram_sha_256,
    "EXTERNAL": external,
    "OAUTHBEARER": oauthbearer,
    "XOAUTH2": xoauth2,
}


def next_step(step: LoginStep) -> Step:
    """What to do after the responses so far; a mechanism that is not in the table is Malformed."""
    known = MECHANISMS.get(step.mechanism)
    return known(step) if known else Malformed()

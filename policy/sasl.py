"""SASL mechanisms, server side and pure: the responses so far in, what to say next out.

The gateway relays the exchange (RFC 4954 section 4) and knows no mechanism. Each mechanism is a function in MECHANISMS;
it gets all responses of the exchange and returns a Challenge, the Claim that the client makes, or Malformed.
Whether a claim is true is not decided here: store/ has the credentials.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the server sends in its next 334."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """The client says that it is `login` and proves it with `secret`."""

    login: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Malformed:
    """The response is none that this mechanism allows: 501, not a wrong secret."""


Step = Challenge | Claim | Malformed


def plain(responses: Sequence[bytes]) -> Step:
    """RFC 4616: [authzid] NUL authcid NUL passwd, in one response."""
    if not responses:
        return Challenge(b"")
    parts = responses[-1].split(b"\0")
    if len(responses) > 1 or len(parts) != 3:  # noqa: PLR2004 - the three of RFC 4616 section 2
        return Malformed()
    authzid, authcid, secret = parts
    # To act for somebody else is not offered; RFC 4616 section 2 lets authzid be empty or the same.
    if authzid not in (b"", authcid):
        return Malformed()
    return _claim(authcid, secret)


def login(responses: Sequence[bytes]) -> Step:
    """LOGIN has no RFC (draft-murchison-sasl-login): two prompts, and clients compare their text."""
    prompts = (b"Username:", b"Password:")
    if len(responses) < len(prompts):
        return Challenge(prompts[len(responses)])
    if len(responses) > len(prompts):
        return Malformed()
    return _claim(responses[0], responses[1])


def _claim(name: bytes, secret: bytes) -> Step:
    try:
        claim = Claim(name.decode(), secret.decode())
    except UnicodeDecodeError:
        return Malformed()
    if not claim.login or not claim.secret or not claim.login.isprintable():
        return Malformed()
    return claim


MECHANISMS: Mapping[str, Callable[[Sequence[bytes]], Step]] = {"PLAIN": plain, "LOGIN": login}


def next_step(mechanism: str, responses: Sequence[bytes]) -> Step:
    """What to do after `responses`; a mechanism that is not in the table is Malformed."""
    known = MECHANISMS.get(mechanism)
    return known(responses) if known else Malformed()

"""The SASL exchange of AUTH, RFC 4954 section 4: octets relayed between client and policy until policy has decided.

Mechanisms live in policy. What is here is the base64 around them, and the three ways in which an exchange ends early.
"""

import base64
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from gateway import replies
from gateway.errors import PolicyUnavailable
from gateway.handshake import Secured
from gateway.policy_client import PolicyClient
from gateway.replies import Reply
from gateway.settings import ListenerSettings, Mechanism
from policy.contract import LoginAnswer, LoginOutcome, LoginStep

AUTH_LINE_LIMIT = 12288 + 2  # RFC 4954 section 4, with CRLF


@dataclass(frozen=True, slots=True)
class LoginSource:
    """Whose exchange it is, and what its TLS session proves."""

    session: str
    client_address: str
    client_name: str
    listener: ListenerSettings
    tls: Secured


def mechanisms(allowed: Sequence[Mechanism], tls: Secured) -> list[Mechanism]:
    """What EHLO names: EXTERNAL to who has shown a certificate, -PLUS where clients can bind."""
    return [
        name
        for name in allowed
        if (name != "EXTERNAL" or tls.certificate) and (name != "SCRAM-SHA-256-PLUS" or tls.offers_binding)
    ]


def may_be_tried(mechanism: str, allowed: Sequence[Mechanism], tls: Secured) -> bool:
    """What is offered; and -PLUS by a client that asks for it and binds to the certificate."""
    if mechanism == "SCRAM-SHA-256-PLUS":
        return mechanism in allowed and bool(tls.channel_bindings)
    return mechanism in mechanisms(allowed, tls)


async def exchange(
    policy: PolicyClient,
    source: LoginSource,
    mechanism: str,
    initial: str,
    respond: Callable[[str], Awaitable[bytes | None]],
) -> LoginAnswer | Reply:
    """Policy's decision, or the reply to an exchange that came to none.

    `initial` is the initial response, empty where there is none. `respond` sends a challenge and gives the client's
    line, None where that was too long.
    """
    identifier = secrets.token_hex(16)
    responses: list[bytes] = []
    given = initial
    while True:
        if given:
            response = _decoded(given)
            if response is None:
                return replies.AUTH_CANCELLED if given == "*" else replies.BAD_AUTH_SYNTAX
            responses.append(response)
        answer = await _ask(policy, source, identifier, mechanism, responses)
        if isinstance(answer, Reply) or answer.outcome is not LoginOutcome.CHALLENGE:
            return answer
        line = await respond(base64.b64encode(answer.challenge).decode())
        if line is None:
            return replies.AUTH_LINE_TOO_LONG
        if not line.endswith(b"\r\n") or not line.isascii():
            return replies.BAD_AUTH_SYNTAX
        given = line[:-2].decode("ascii") or "="


async def _ask(
    policy: PolicyClient, source: LoginSource, identifier: str, mechanism: str, responses: list[bytes]
) -> LoginAnswer | Reply:
    step = LoginStep(
        session=source.session,
        exchange=identifier,
        client_address=source.client_address,
        listener=source.listener.name,
        gate=source.listener.gate,
        mechanism=mechanism,
        responses=tuple(responses),
        channel_bindings=dict(source.tls.channel_bindings),
        is_binding_offered=source.tls.offers_binding,
        client_name=source.client_name,
        tls_fingerprint=source.tls.fingerprint,
        certificate=source.tls.certificate,
    )
    try:
        return await policy.login(step)
    except PolicyUnavailable:
        # 454, never 535: a client that is told "wrong secret" asks its owner for another one.
        return replies.LOGIN_UNAVAILABLE


def _decoded(given: str) -> bytes | None:
    """A response from its base64; `=` is the empty one (RFC 4954 section 4); None where it is none."""
    if given == "=":
        return b""
    try:
        return base64.b64decode(given, validate=True)
    except ValueError:  # what is not ASCII; binascii.Error is one, too
        return None

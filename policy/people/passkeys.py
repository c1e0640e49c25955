"""Passkeys (WebAuthn level 2): the device signs a challenge for this site alone, after it has verified its user.

A code can be read out to a forger on the telephone, or typed into a copy of the page; a passkey cannot: the browser
puts the origin under the signature. User verification (finger, face or PIN of the device) is required, so that a
stolen device alone does not do. Attestation is not asked for: it would tell the make of the device and nothing that is
decided on here.

Options and answers are JSON as browsers have it (PublicKeyCredential.parseCreationOptionsFromJSON and toJSON).
"""

import hashlib
import hmac
import json
import secrets
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from policy.people.errors import SignInRefused, Text
from policy.store.factors import Passkey

_CHALLENGE_OCTETS = 32
_MOST_ANSWER = 64 * 1024  # characters; a real one has about two thousand


@dataclass(frozen=True, slots=True)
class Ceremony:
    """Options for the browser, and the challenge that its answer must have signed."""

    options: str
    challenge: bytes


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """This site, as the browser knows it: https://mail.example.org:8443 and mail.example.org."""

    origin: str
    id: str
    name: str

    def registration(self, user: bytes, account: str, handles: Sequence[bytes]) -> Ceremony:
        """For a new passkey; one that is there already (`handles`) is not made twice on the same device."""
        challenge = secrets.token_bytes(_CHALLENGE_OCTETS)
        options = generate_registration_options(
            rp_id=self.id,
            rp_name=self.name,
            user_name=account,
            user_id=user,
            challenge=challenge,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=handle) for handle in handles],
        )
        return Ceremony(options_to_json(options), challenge)

    def registered(self, answer: str, challenge: bytes) -> Passkey:
        """The new one; SignInRefused where the answer is not one to this challenge, of this site, verified."""
        try:
            made = verify_registration_response(
                credential=_object(answer),
                expected_challenge=challenge,
                expected_rp_id=self.id,
                expected_origin=self.origin,
                require_user_verification=True,
            )
        except _FAULTS:
            raise SignInRefused(Text.WRONG_PASSKEY) from None
        return Passkey(made.credential_id, made.credential_public_key, made.sign_count)

    def authentication(self, handles: Sequence[bytes]) -> Ceremony:
        """For a sign-in with one of these passkeys."""
        challenge = secrets.token_bytes(_CHALLENGE_OCTETS)
        options = generate_authentication_options(
            rp_id=self.id,
            challenge=challenge,
            allow_credentials=[PublicKeyCredentialDescriptor(id=handle) for handle in handles],
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return Ceremony(options_to_json(options), challenge)

    def authenticated(self, answer: str, challenge: bytes, passkey: Passkey) -> int | None:
        """The new count; None where it is not, as above, or the count has not risen: then there are two of it."""
        try:
            done = verify_authentication_response(
                credential=_object(answer),
                expected_challenge=challenge,
                expected_rp_id=self.id,
                expected_origin=self.origin,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=passkey.count,
                require_user_verification=True,
            )
        except _FAULTS:
            return None
        return done.new_sign_count


def handle_of(answer: str) -> bytes:
    """Which passkey the answer claims to be of; empty where it claims nothing."""
    try:
        return base64url_to_bytes(str(_object(answer)["id"]))
    except _FAULTS:
        return b""


def user_handle(identity: str, key: bytes) -> bytes:
    """The person to the authenticator: always the same octets, and no name (WebAuthn section 14.6.1)."""
    return hmac.digest(key, b"PASSKEY USER" + identity.encode(), hashlib.sha256)


def _object(answer: str) -> dict[str, Any]:  # the library takes it as it came
    if len(answer) > _MOST_ANSWER:
        raise ValueError
    parsed = json.loads(answer)
    if not isinstance(parsed, dict):
        raise TypeError
    return parsed


# The library reads what a stranger sent, and lets some of what goes wrong inside it through as it is.
_FAULTS = (WebAuthnException, ValueError, TypeError, LookupError, AttributeError, RecursionError, struct.error)

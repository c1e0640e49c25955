"""SCRAM-SHA-256: the messages and the arithmetic of RFC 5802 and RFC 7677, server side and pure.

    C: n,,n=login,r=client nonce                       first message
    S: r=client nonce + ours,s=salt,i=iterations       challenge
    C: c=binding,r=both nonces,p=proof                 final message
    S: v=verifier                                      shows that we know the credential, too

The secret never crosses the wire, and what is kept of it does not let anybody log in. sasl.py holds the rules of the
exchange: who may bind to which channel, and when an exchange is over.
"""

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from dataclasses import dataclass, field

# RFC 7677 section 4 asks for at least 4096; more would slow a guesser down, and there is nothing to guess: a generated
# secret has 130 bits. They are counted by the client, and here only when a credential is made.
ITERATIONS = 4096
SALT_BYTES = 16
_NONCE_BYTES = 18  # of ours: 24 characters in base64, none of them a comma

_PRINTABLE = rb"[!-+\--~]+"  # RFC 5802 section 7: a nonce has no comma
_NAME = rb"(?:[^=,\0]|=2C|=3D)+"  # saslname: whoever writes "=" otherwise must be refused
_EXTENSIONS = (
    rb"(?:,[bdfghjkloqtuwxyzA-Z]=[^,\0]+)*"  # unknown ones are passed over; the known letters have their place
)
_BASE64 = rb"[A-Za-z0-9+/]+=*"
_FIRST = re.compile(
    rb"(?P<header>(?:(?P<flag>[ny])|p=(?P<binding>[A-Za-z0-9.-]+)),(?:a=(?P<authzid>%b))?,)"
    rb"(?P<bare>(?P<mandatory>m=[^,\0]+,)?n=(?P<login>%b),r=(?P<nonce>%b)%b)" % (_NAME, _NAME, _PRINTABLE, _EXTENSIONS)
)
_FINAL = re.compile(
    rb"(?P<without_proof>c=(?P<channel>%b),r=(?P<nonce>%b)%b),p=(?P<proof>%b)"
    % (_BASE64, _PRINTABLE, _EXTENSIONS, _BASE64)
)


@dataclass(frozen=True, slots=True)
class Keys:
    """What a server keeps of a secret, RFC 5802 section 3."""

    salt: bytes
    iterations: int
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class First:
    """The client's first message."""

    header: bytes  # gs2-header, which the final message repeats
    bare: bytes  # the rest, which both sides sign
    wants_binding: bool  # "p", or "y": it would, but saw no -PLUS offered
    binding: str  # the name after "p="; empty for "n" and "y"
    authzid: str
    login: str
    nonce: bytes
    has_mandatory: bool  # an extension that whoever does not know it must refuse


@dataclass(frozen=True, slots=True, kw_only=True)
class Final:
    """The client's final message."""

    without_proof: bytes
    channel: bytes  # gs2-header and what the channel is bound to
    nonce: bytes
    proof: bytes = field(repr=False)


def keys_of(secret: str, salt: bytes, iterations: int = ITERATIONS) -> Keys:
    """RFC 5802 section 3; the secret exactly as it is shown, which is ASCII and needs no SASLprep."""
    salted = hashlib.pbkdf2_hmac("sha256", secret.encode(), salt, iterations)
    client_key = _hmac(salted, b"Client Key")
    return Keys(salt, iterations, hashlib.sha256(client_key).digest(), _hmac(salted, b"Server Key"))


def read_first(message: bytes) -> First | None:
    """None where it does not keep to the grammar of RFC 5802 section 7."""
    found = _FIRST.fullmatch(message)
    if not found:
        return None
    try:
        message.decode()  # UTF-8 throughout
    except UnicodeDecodeError:
        return None
    return First(
        header=found["header"],
        bare=found["bare"],
        wants_binding=found["flag"] != b"n",
        binding=(found["binding"] or b"").decode(),
        authzid=_name(found["authzid"] or b""),
        login=_name(found["login"]),
        nonce=found["nonce"],
        has_mandatory=found["mandatory"] is not None,
    )


def read_final(message: bytes) -> Final | None:
    """The same for the final message."""
    found = _FINAL.fullmatch(message)
    channel, proof = (_octets(found[name]) if found else None for name in ("channel", "proof"))
    if not found or channel is None or proof is None:
        return None
    return Final(without_proof=found["without_proof"], channel=channel, nonce=found["nonce"], proof=proof)


def server_nonce(key: bytes, exchange: str, first: bytes) -> bytes:
    """Ours: nobody can foresee it without the key, and each step of the exchange finds the same one again."""
    return b64encode(_hmac(key, exchange.encode() + b"\0" + first)[:_NONCE_BYTES])


def challenge(first: First, keys: Keys, ours: bytes) -> bytes:
    """The server's first message."""
    return b"r=%b%b,s=%b,i=%d" % (first.nonce, ours, b64encode(keys.salt), keys.iterations)


def verifier(first: First, final: Final, keys: Keys, challenged: bytes) -> bytes | None:
    """The server's final message, or None where the proof is wrong. The work is the same for both."""
    signed = b",".join((first.bare, challenged, final.without_proof))
    signature = _hmac(keys.stored_key, signed)
    proof = final.proof.ljust(len(signature), b"\0")
    client_key = bytes(one ^ other for one, other in zip(signature, proof, strict=False))
    right = hmac.compare_digest(hashlib.sha256(client_key).digest(), keys.stored_key)
    answer = b"v=" + b64encode(_hmac(keys.server_key, signed))
    return answer if right and len(final.proof) == len(signature) else None


def _hmac(key: bytes, octets: bytes) -> bytes:
    return hmac.digest(key, octets, "sha256")


def _name(written: bytes) -> str:
    return written.replace(b"=2C", b",").replace(b"=3D", b"=").decode()


def _octets(written: bytes) -> bytes | None:
    """Strict: the one way to write these octets in base64, or None."""
    try:
        octets = b64decode(written, validate=True)
    except NotBase64:
        return None
    return octets if b64encode(octets) == written else None

"""SCRAM-SHA-256 against the RFC's own example, against a client that was written apart, and rule by rule."""

import itertools
import string
from base64 import b64decode, b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scram_client import ScramClient

from policy import scram
from policy.contract import LoginStep
from policy.sasl import Challenge, Malformed, Proven, Refused, ScramClaim, next_step

SECRET = "k7wq3n-p8rt5v-2hd4mx-9sbf6c-jza"
KEYS = scram.keys_of(SECRET, b"0123456789abcdef")
OURS = b"server-nonce"
END_POINT, UNIQUE = b"\x01" * 32, b"\x02" * 12
BOTH = {"tls-server-end-point": END_POINT, "tls-unique": UNIQUE}
WRONG = "no such login or wrong secret"
TAKEN_AWAY, NO_BINDING, CHANNEL = "channel binding was taken away", "no such channel binding", "another channel"


def step(*responses: bytes, plus: bool = False, bindings: dict[str, bytes] | None = None) -> LoginStep:
    """A step of an exchange."""
    return LoginStep(
        session="s1",
        exchange="e1",
        client_address="192.0.2.1",
        listener="submission",
        mechanism="SCRAM-SHA-256-PLUS" if plus else "SCRAM-SHA-256",
        responses=responses,
        channel_bindings=bindings or {},
        is_binding_offered="tls-unique" in (bindings or {}),  # as the gateway does it
    )


def answer(
    *responses: bytes, plus: bool = False, bindings: dict[str, bytes] | None = None, keys: scram.Keys = KEYS
) -> Challenge | Proven | Refused | Malformed:
    """What the server says next to a client of `keys`."""
    said = next_step(step(*responses, plus=plus, bindings=bindings))
    if isinstance(said, ScramClaim):
        return said.answer(keys, OURS)
    assert isinstance(said, Challenge | Refused | Malformed)
    return said


def test_the_example_of_rfc_7677() -> None:
    """Section 3, octet for octet: salt, iterations, nonces, proof and verifier are the RFC's."""
    salt = b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    keys = scram.keys_of("pencil", salt, 4096)
    first = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    final = (
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    said = next_step(step(first, final))
    assert isinstance(said, ScramClaim)
    nonce = b"%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    assert scram.challenge(said.first, keys, nonce) == (
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    )
    assert said.answer(keys, nonce) == Challenge(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


EXCHANGES = [
    # what it shows, -PLUS, gs2-header, what the channel is, bindings that we know
    ("no binding and none known", False, "n,,", b"", {}),
    ("a client that cannot bind, where we could", False, "n,,", b"", BOTH),
    ("a client that could, where we cannot", False, "y,,", b"", {}),
    ("a client that could, where we do not offer it", False, "y,,", b"", {"tls-server-end-point": END_POINT}),
    ("its own authzid", False, "n,a=ada,", b"", {}),
    ("bound to the certificate", True, "p=tls-server-end-point,,", END_POINT, BOTH),
    ("bound to the handshake", True, "p=tls-unique,,", UNIQUE, BOTH),
    ("bound, with its own authzid", True, "p=tls-server-end-point,a=ada,", END_POINT, BOTH),
]


@pytest.mark.parametrize(
    ("plus", "header", "channel", "bindings"), [c[1:] for c in EXCHANGES], ids=[c[0] for c in EXCHANGES]
)
def test_an_exchange(plus: bool, header: str, channel: bytes, bindings: dict[str, bytes]) -> None:
    """Challenge, verifier, granted; the client believes that we know its credential, too."""
    client = ScramClient("ada", SECRET, header=header, channel=channel)
    challenge = answer(client.first(), plus=plus, bindings=bindings)
    assert isinstance(challenge, Challenge)
    final = client.final(challenge.octets)
    verifier = answer(client.first(), final, plus=plus, bindings=bindings)
    assert isinstance(verifier, Challenge)
    assert client.believes(verifier.octets)
    for acknowledged in (b"", b64decode("NOOP")):
        assert answer(client.first(), final, acknowledged, plus=plus, bindings=bindings) == Proven("ada")


def test_a_wrong_secret_is_refused_at_the_proof() -> None:
    """And nothing is said that would let it be guessed elsewhere."""
    client = ScramClient("ada", SECRET[:-1])
    challenge = answer(client.first())
    assert isinstance(challenge, Challenge)
    final = client.final(challenge.octets)
    for responses in ((), (b"",), (b64decode("NOOP"),)):
        assert answer(client.first(), final, *responses) == Refused(WRONG)


FIRSTS = [
    # what it shows, first message, -PLUS, bindings that we know, expected
    ("nothing yet", None, False, {}, Challenge(b"")),
    ("y where we do offer -PLUS: somebody took the offer away", b"y,,n=ada,r=x", False, BOTH, Refused(TAKEN_AWAY)),
    ("p without -PLUS", b"p=tls-unique,,n=ada,r=x", False, BOTH, Refused(TAKEN_AWAY)),
    ("n with -PLUS", b"n,,n=ada,r=x", True, BOTH, Refused(NO_BINDING)),
    ("y with -PLUS", b"y,,n=ada,r=x", True, BOTH, Refused(NO_BINDING)),
    ("a binding that nobody knows", b"p=tls-magic,,n=ada,r=x", True, BOTH, Refused(NO_BINDING)),
    ("tls-unique under TLS 1.3", b"p=tls-unique,,n=ada,r=x", True, {"tls-server-end-point": END_POINT},
     Refused(NO_BINDING)),
    ("-PLUS where nothing can be bound", b"p=tls-unique,,n=ada,r=x", True, {}, Refused(NO_BINDING)),
    ("another authzid", b"n,a=bob,n=ada,r=x", False, {}, Refused("another authzid")),
    ("a mandatory extension", b"n,,m=1,n=ada,r=x", False, {}, Refused("a mandatory extension")),
    ("empty", b"", False, {}, Malformed()),
    ("no gs2-header", b"n=ada,r=x", False, {}, Malformed()),
    ("another flag", b"z,,n=ada,r=x", False, {}, Malformed()),
    ("a binding without name", b"p=,,n=ada,r=x", True, BOTH, Malformed()),
    ("one comma", b"n,n=ada,r=x", False, {}, Malformed()),
    ("an authzid without its letter", b"n,ada,n=ada,r=x", False, {}, Malformed()),
    ("an empty authzid", b"n,a=,n=ada,r=x", False, {}, Malformed()),
    ("nonce before name", b"n,,r=x,n=ada", False, {}, Malformed()),
    ("no name", b"n,,r=x", False, {}, Malformed()),
    ("an empty name", b"n,,n=,r=x", False, {}, Malformed()),
    ("a name with a bare =", b"n,,n=a=da,r=x", False, {}, Malformed()),
    ("a name with =2c in small letters", b"n,,n=a=2cda,r=x", False, {}, Malformed()),
    ("a name with a NUL", b"n,,n=a\0da,r=x", False, {}, Malformed()),
    ("a name with a line end", b"n,,n=a\nda,r=x", False, {}, Malformed()),
    ("a name that is no UTF-8", b"n,,n=ad\xe4,r=x", False, {}, Malformed()),
    ("no nonce", b"n,,n=ada", False, {}, Malformed()),
    ("an empty nonce", b"n,,n=ada,r=", False, {}, Malformed()),
    ("a nonce with a blank", b"n,,n=ada,r=x y", False, {}, Malformed()),
    ("a nonce beyond ASCII", "n,,n=ada,r=ä".encode(), False, {}, Malformed()),
    ("an extension without letter", b"n,,n=ada,r=x,1=y", False, {}, Malformed()),
    ("an extension without value", b"n,,n=ada,r=x,t=", False, {}, Malformed()),
    ("a known letter out of its place", b"n,,n=ada,r=x,r=y", False, {}, Malformed()),
    ("a mandatory extension out of its place", b"n,,n=ada,r=x,m=y", False, {}, Malformed()),
    ("a comma at the end", b"n,,n=ada,r=x,", False, {}, Malformed()),
    ("a line end at the end", b"n,,n=ada,r=x\n", False, {}, Malformed()),
]  # fmt: skip


@pytest.mark.parametrize(("first", "plus", "bindings", "expected"), [c[1:] for c in FIRSTS], ids=[c[0] for c in FIRSTS])
def test_first_messages(
    first: bytes | None, plus: bool, bindings: dict[str, bytes], expected: Challenge | Refused | Malformed
) -> None:
    """What is no message is malformed; what takes a protection away is refused, whoever it is."""
    assert answer(*([] if first is None else [first]), plus=plus, bindings=bindings) == expected


NAMES = [
    # what it shows, as it is written, login
    ("a comma", b"a=2Cda", "a,da"),
    ("an equals sign", b"a=3Dda", "a=da"),
    ("an escape of an escape", b"a=3D2Cda", "a=2Cda"),
    ("beyond ASCII", "adä".encode(), "adä"),
]


@pytest.mark.parametrize(("written", "login"), [c[1:] for c in NAMES], ids=[c[0] for c in NAMES])
def test_names(written: bytes, login: str) -> None:
    """RFC 5802 section 5.1: the two characters that the grammar needs are escaped."""
    said = next_step(step(b"n,a=%b,n=%b,r=x" % (written, written)))
    assert isinstance(said, ScramClaim)
    assert said.login == login


def test_an_optional_extension_is_passed_over() -> None:
    """RFC 5802 section 5.1: it is signed like the rest, and that is all."""
    client = ScramClient("ada", SECRET, nonce="x,t=later")
    said = next_step(step(client.first()))
    assert isinstance(said, ScramClaim)
    assert (said.first.nonce, said.first.bare) == (b"x", b"n=ada,r=x,t=later")


CHANGES = [
    # what it shows, in the client's final message: what, becomes what; expected
    ("our nonce cut off", b"r=%b," % (b"x" + OURS), b"r=x,", Refused(WRONG)),
    ("another nonce", OURS, b"another-one", Refused(WRONG)),
    ("its own nonce changed", b"r=x", b"r=y", Refused(WRONG)),
    ("the header of another exchange", b"c=biws", b"c=eSws", Refused(CHANNEL)),
    ("a channel where none is bound", b"c=biws", b"c=" + b64encode(b"n,," + UNIQUE), Refused(CHANNEL)),
    ("proof of another length", b",p=", b",p=AAAA", Refused(WRONG)),
    ("nonce before channel", b"c=biws,r=x" + OURS, b"r=x%b,c=biws" % OURS, Malformed()),
    ("no channel", b"c=biws,", b"", Malformed()),
    ("an empty channel", b"c=biws", b"c=", Malformed()),
    ("base64 with a blank", b"c=biws", b"c=bi ws", Malformed()),
    ("base64 without padding", b"c=biws", b"c=biw", Malformed()),
    ("base64 with padding where none belongs", b"c=biws", b"c=biws=", Malformed()),
    ("base64 with bits that say nothing", b"c=biws", b"c=bix=", Malformed()),
    ("something after the proof", b",p=", b",p=AAAA,p=", Malformed()),
    ("a mandatory extension", b",p=", b",m=1,p=", Malformed()),
    ("no proof", b",p=", b",q=", Malformed()),
]


@pytest.mark.parametrize(("what", "becomes", "expected"), [c[1:] for c in CHANGES], ids=[c[0] for c in CHANGES])
def test_changed_final_messages(what: bytes, becomes: bytes, expected: Refused | Malformed) -> None:
    """A right proof does not help a message that is otherwise wrong."""
    client = ScramClient("ada", SECRET, nonce="x")
    challenge = answer(client.first())
    assert isinstance(challenge, Challenge)
    final = client.final(challenge.octets)
    assert what in final
    assert answer(client.first(), final.replace(what, becomes, 1)) == expected


BOUND_ELSEWHERE = [
    # what it shows, gs2-header that is sent, what the final message is bound to
    ("another certificate: somebody stands between", "p=tls-server-end-point,,", b"\x03" * 32),
    ("nothing", "p=tls-server-end-point,,", b""),
    ("the other binding's octets", "p=tls-server-end-point,,", UNIQUE),
]


@pytest.mark.parametrize(("header", "channel"), [c[1:] for c in BOUND_ELSEWHERE], ids=[c[0] for c in BOUND_ELSEWHERE])
def test_a_proof_that_is_bound_elsewhere_is_refused(header: str, channel: bytes) -> None:
    """What -PLUS is for: a proof that was made for another TLS session is worth nothing here."""
    client = ScramClient("ada", SECRET, header=header, channel=channel)
    challenge = answer(client.first(), plus=True, bindings=BOTH)
    assert isinstance(challenge, Challenge)
    final = client.final(challenge.octets)
    assert answer(client.first(), final, plus=True, bindings=BOTH) == Refused(CHANNEL)


@pytest.mark.parametrize("rest", [(b"x",), (b"", b""), (b"*",)], ids=["something", "twice nothing", "an asterisk"])
def test_after_the_verifier_comes_an_empty_response(rest: tuple[bytes, ...]) -> None:
    """RFC 4954 section 4 has no data with success; the client has nothing more to say."""
    client = ScramClient("ada", SECRET)
    challenge = answer(client.first())
    assert isinstance(challenge, Challenge)
    assert answer(client.first(), client.final(challenge.octets), *rest) == Malformed()


def test_our_nonce_is_the_same_in_an_exchange_and_in_no_other() -> None:
    """No state is kept between steps; a proof that somebody recorded fits no later exchange."""
    given_to = itertools.product((b"key", b"other key"), ("e1", "e2"), (b"n,,n=ada,r=x", b"n,,n=ada,r=y"))
    nonces = [scram.server_nonce(*one) for one in given_to]
    assert len(set(nonces)) == len(nonces)
    assert scram.server_nonce(b"key", "e1", b"n,,n=ada,r=x") == nonces[0]
    assert len(b64decode(nonces[0])) == 18


def test_a_key_is_in_no_repr() -> None:
    """Whoever has the server key can pretend to be this server."""
    assert "stored_key" not in repr(KEYS)
    assert "server_key" not in repr(KEYS)


printable = st.text([one for one in string.printable if one.isprintable() and one not in ", "], min_size=1)
logins = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=20)


@settings(deadline=None, max_examples=50)
@given(login=logins, secret=st.text(string.ascii_lowercase + "-", min_size=1), nonce=printable, ours=printable)
def test_any_login_secret_and_nonce_agree(login: str, secret: str, nonce: str, ours: str) -> None:
    """Two implementations, one result, whatever is between the commas."""
    client = ScramClient(login.replace("=", "=3D").replace(",", "=2C"), secret, nonce=nonce)
    keys = scram.keys_of(secret, b"salt", 2)
    said = next_step(step(client.first()))
    assert isinstance(said, ScramClaim)
    assert said.login == login
    challenge = said.answer(keys, ours.encode())
    assert isinstance(challenge, Challenge)
    final = client.final(challenge.octets)
    said = next_step(step(client.first(), final))
    assert isinstance(said, ScramClaim)
    verifier = said.answer(keys, ours.encode())
    assert isinstance(verifier, Challenge)
    assert client.believes(verifier.octets)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=60) | st.sampled_from([b"n,,n=ada,r=x", b"c=biws,r=xserver-nonce,p=AAAA", b""])))
def test_any_octets_are_answered(responses: list[bytes]) -> None:
    """No exception, and nobody is let in."""
    assert not isinstance(answer(*responses), Proven)


_FINAL_OF: dict[bytes, bytes] = {}  # 4096 rounds once, and not for each example


@settings(deadline=None, max_examples=300)
@given(place=st.integers(0, 200), octet=st.integers(0, 255))
def test_no_changed_octet_is_let_in(place: int, octet: int) -> None:
    """Everything in both messages is signed or is part of the proof."""
    client = ScramClient("ada", SECRET)
    challenge = answer(client.first())
    assert isinstance(challenge, Challenge)
    messages = [client.first(), _FINAL_OF.setdefault(challenge.octets, client.final(challenge.octets))]
    which = place % 2
    changed = bytearray(messages[which])
    changed[place // 2 % len(changed)] = octet
    if bytes(changed) != messages[which]:
        messages[which] = bytes(changed)
        assert not isinstance(answer(*messages, b""), Proven)

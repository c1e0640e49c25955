"""What the scanner is told, and how strictly its answers are read."""

import contextlib
import json
from typing import Any

import pytest
from hops import envelope
from hypothesis import given
from hypothesis import strategies as st

from gateway.relay_commands import Recipient
from gateway.scan_words import NoAnswer, fields, read
from policy.contract import ScanResult


def answer(**said: Any) -> bytes:
    """An ordinary one, but for what is named."""
    usual: dict[str, Any] = {
        "is_skipped": False,
        "score": 1.5,
        "required_score": 15.0,
        "action": "no action",
        "symbols": {"MIME_GOOD": {"name": "MIME_GOOD", "score": -0.1, "metric_score": -0.1}},
        "messages": {},
    }
    return json.dumps(usual | said).encode()


def symbols(**weights: float) -> dict[str, Any]:
    return {name: {"name": name, "score": weight, "metric_score": weight} for name, weight in weights.items()}


RESULTS = [
    # what it shows, the answer, what it means
    ("nothing", answer(), ScanResult.CLEAN),
    ("come again later", answer(action="greylist"), ScanResult.CLEAN),
    ("would be marked", answer(action="add header"), ScanResult.SUSPICIOUS),
    ("its subject would be marked", answer(action="rewrite subject"), ScanResult.SUSPICIOUS),
    ("spam", answer(action="reject", score=20), ScanResult.SPAM),
    ("GTUBE, for which rspamd looks at nothing else", answer(action="reject", is_skipped=True), ScanResult.SPAM),
    ("a virus", answer(action="reject", symbols=symbols(CLAM_VIRUS=0.0)), ScanResult.MALWARE),
    ("a virus that it would let pass", answer(symbols=symbols(OTHER_VIRUS=1.0)), ScanResult.MALWARE),
    (
        "spam, while the antivirus is down",
        answer(action="reject", symbols=symbols(CLAM_VIRUS_FAIL=0.0)),
        ScanResult.SPAM,
    ),
]


@pytest.mark.parametrize(("octets", "result"), [case[1:] for case in RESULTS], ids=[case[0] for case in RESULTS])
def test_what_an_answer_means(octets: bytes, result: ScanResult) -> None:
    assert read(octets).scan.result is result


NONE = [
    ("nothing at all", b""),
    ("no JSON", b"<html>"),
    ("no object", b"[]"),
    ("a JSON text without end", b"[" * 100_000),
    ("no action", json.dumps({"score": 1}).encode()),
    ("an action that there is not", answer(action="discard")),
    ("an action that is no text", answer(action=["reject"])),
    ("it ran out of time", answer(action="soft reject")),
    ("it has not looked", answer(is_skipped=True)),
    ("it does not say whether it has looked", answer(is_skipped=None)),
    ("the antivirus is down", answer(symbols=symbols(CLAM_VIRUS_FAIL=0.0))),
    (
        "the antivirus is down, and it would be marked",
        answer(action="add header", symbols=symbols(CLAM_VIRUS_FAIL=0.0)),
    ),
    ("a score that is no number", answer(score="1")),
    ("a score that is true", answer(score=True)),
    ("a score without end", answer(score=float("inf"))),
    ("a score that is no float", answer(score=10**400)),
    ("a score that is none", answer(score=float("nan"))),
    ("no score", answer(score=None)),
    ("symbols that are no object", answer(symbols=[])),
    ("a symbol that is no name", answer(symbols={"A\r\nB": {"score": 1}})),
    ("a symbol that is no object", answer(symbols={"A": 1})),
    ("a symbol's weight that is no number", answer(symbols={"A": {"score": "1"}})),
    ("signatures that are no list", answer(**{"dkim-signature": {"a": 1}})),
    ("too many signatures", answer(**{"dkim-signature": ["v=1; a"] * 9})),
    ("another field behind the signature", answer(**{"dkim-signature": "v=1; b=\r\nBcc: x@example.org"})),
    ("the body behind the signature", answer(**{"dkim-signature": "v=1; b=\r\n\r\nhello"})),
    ("a fold of blanks alone", answer(**{"dkim-signature": "v=1; b=\r\n \t\r\n c"})),
    ("a bare CR in the signature", answer(**{"dkim-signature": "v=1; b=\rx"})),
    ("letters in the signature", answer(**{"dkim-signature": "v=1; d=münchen.example"})),
    ("no signature", answer(**{"dkim-signature": "hello"})),
    ("a signature without end", answer(**{"dkim-signature": "v=1; " + "a" * 5000})),
    ("a signature that is not folded", answer(**{"dkim-signature": "v=1; " + "a" * 1500})),
]


@pytest.mark.parametrize("octets", [case[1] for case in NONE], ids=[case[0] for case in NONE])
def test_what_is_no_answer(octets: bytes) -> None:
    """The message counts as not scanned; and nothing of the answer is in what the log gets."""
    with pytest.raises(NoAnswer) as raised:
        read(octets)
    assert "example" not in str(raised.value)


@given(st.binary(max_size=300) | st.from_regex(rb"\{\"action\": \"[a-z ]*\",.*\}"))
def test_rubbish_is_no_answer(octets: bytes) -> None:
    """And never another error."""
    with contextlib.suppress(NoAnswer):
        read(octets)


def test_the_heaviest_symbols_are_told() -> None:
    """At most as many as the contract has room for."""
    many = symbols(**{f"S{number}": number for number in range(70)}) | symbols(NEGATIVE=-100.0)
    told = read(answer(symbols=many)).scan.symbols
    assert told[:3] == ("NEGATIVE", "S69", "S68")
    assert len(told) == 50


SIGNATURES = [
    ("none", [], b""),
    ("one as a text", "v=1; a=x;\r\n\tb=y", b"DKIM-Signature: v=1; a=x;\r\n\tb=y\r\n"),
    ("folded with line feeds", "v=1; a=x;\n\tb=y", b"DKIM-Signature: v=1; a=x;\r\n\tb=y\r\n"),
    ("two", ["v=1; a", "v=1; b"], b"DKIM-Signature: v=1; a\r\nDKIM-Signature: v=1; b\r\n"),
]


@pytest.mark.parametrize(("said", "octets"), [case[1:] for case in SIGNATURES], ids=[case[0] for case in SIGNATURES])
def test_signatures_become_fields(said: Any, octets: bytes) -> None:
    assert read(answer(**{"dkim-signature": said})).signatures == octets


def test_what_is_told() -> None:
    """Never who has logged in: that would switch checks off."""
    assert fields(envelope(client_name="laptop")) == [
        ("Ip", "192.0.2.7"),
        ("Helo", "laptop"),
        ("From", "<ada@example.org>"),
        ("Queue-Id", "cafe"),
        ("Rcpt", "<bob@x.example>"),
        ("Rcpt", "<carl@x.example>"),
    ]


def test_of_many_recipients_some_are_told() -> None:
    """More would be more than the scanner's HTTP parser takes."""
    many = tuple(Recipient(f"{'a' * 64}{number}@{'b' * 200}.example") for number in range(500))
    told = fields(envelope(recipients=many))
    assert [name for name, _ in told].count("Rcpt") == 100
    assert sum(len(name) + len(value) + 4 for name, value in told) < 60_000


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_value_can_be_another_field(client_name: str, local: str) -> None:
    """Whatever a client calls itself or its recipients: no line's end, no control letter."""
    told = fields(envelope(client_name=client_name, recipients=(Recipient(f"{local}@x.example"),), reverse_path=local))
    for _, value in told:
        written = value.encode("utf-8")
        assert not any(octet < 0x20 or octet == 0x7F for octet in written)
        assert all(line == value for line in value.splitlines())
        assert " " not in value


def test_what_is_escaped_cannot_be_mistaken() -> None:
    """A percent sign of the client's own is escaped, too; other letters stay (RFC 6531)."""
    told = dict(fields(envelope(client_name="a\r\nUser: x%0A", reverse_path="jörg@example.org")))
    assert told["Helo"] == "a%0D%0AUser:%20x%250A"
    assert told["From"] == "<jörg@example.org>"

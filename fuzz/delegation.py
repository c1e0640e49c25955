"""Requests of policy delegation, for any octets cut at any places:

- requests and then perhaps Malformed, never another error, and the same ones wherever the octets are cut;
- as many requests as a reading line by line finds, and no more than there are empty lines;
- no number is below 0, and no value has a control character but the tabulator.
"""

from collections.abc import Iterable
from dataclasses import astuple

from fuzz.spelling import cut, spelled, with_cuts
from policy.delegation.protocol import Malformed, Request, Requests

WORDS = [
    *(b"request=smtpd_access_policy\n", b"protocol_state=RCPT\n", b"protocol_state=END-OF-MESSAGE\n", b"\n", b"="),
    *(b"recipient_count=", b"size=", b"sasl_username=", b"sender=", b"instance=", b"prvs=1=ada@example.org", b"\r\n"),
    *(b"12", b"\0", b"x" * 9000, b"unknown_one=x\n", "ü".encode(), b"\xff"),
]


def one(octets: bytes) -> None:
    """The first octets say how to cut, the others are the words."""
    sizes, rest = with_cuts(octets)
    wire = spelled(rest, WORDS)
    whole = _read([wire])
    assert _read(cut(wire, sizes)) == whole
    requests, _ = whole
    assert len(requests) <= wire.count(b"\n\n")
    for request in requests:
        assert request.recipient_count >= 0 <= request.size
        for value in astuple(request):
            assert isinstance(value, int) or all(letter >= " " or letter == "\t" for letter in value)


def _read(pieces: Iterable[bytes]) -> tuple[list[Request], str]:
    """The requests, and why there were no more."""
    requests, found = Requests(), list[Request]()
    try:
        for piece in pieces:
            requests.receive(piece)
            while request := requests.next_request():
                found.append(request)
    except Malformed as error:
        return found, str(error)
    return found, ""

"""Requests of Postfix: whatever pieces they come in, whatever is in them, and what is none."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.delegation.protocol import LINE_LIMIT, REQUEST_LIMIT, Malformed, Request, Requests, answer

RCPT = b"request=smtpd_access_policy\nprotocol_state=RCPT\ninstance=1.2.3.0\nrecipient=bob@example.net\nsize=12\n\n"
END = b"request=smtpd_access_policy\nprotocol_state=END-OF-MESSAGE\ninstance=1.2.3.0\nrecipient_count=2\nsize=99\n\n"
READ = [
    Request(protocol_state="RCPT", instance="1.2.3.0", recipient="bob@example.net", size=12),
    Request(protocol_state="END-OF-MESSAGE", instance="1.2.3.0", recipient_count=2, size=99),
]


def read(*pieces: bytes) -> list[Request]:
    """What one connection asks in these pieces."""
    requests, found = Requests(), list[Request]()
    for piece in pieces:
        requests.receive(piece)
        while request := requests.next_request():
            found.append(request)
    return found


def one(*lines: bytes) -> Request:
    """The request of these lines, and of the first one."""
    (request,) = read(b"\n".join((b"request=smtpd_access_policy", *lines)) + b"\n\n")
    return request


def test_requests_that_come_in_one_piece() -> None:
    """Two that are pipelined stay two."""
    assert read(RCPT + END) == READ


def test_requests_that_come_octet_by_octet() -> None:
    assert read(*(bytes((octet,)) for octet in RCPT + END)) == READ


@given(cuts=st.lists(st.integers(0, len(RCPT + END)), max_size=6))
def test_requests_that_are_cut_anywhere(cuts: list[int]) -> None:
    """Where octets are cut means nothing."""
    whole, places = RCPT + END, [0, *sorted(cuts), len(RCPT + END)]
    assert read(*(whole[begin:end] for begin, end in pairwise(places))) == READ


def test_nothing_is_asked_before_the_empty_line() -> None:
    requests = Requests()
    assert not requests.has_begun
    requests.receive(RCPT[:-1])
    assert requests.next_request() is None
    assert requests.has_begun
    requests.receive(b"\n")
    assert requests.next_request()
    assert not requests.has_begun


@pytest.mark.parametrize(
    "address",
    [
        "prvs=2906b8dc5f=ada@example.org",
        "SRS0=HHH=TT=example.net=ada@example.org",
        "list-return-1-bob=x.org@example.net",
    ],
)
def test_a_value_may_have_equals_signs(address: str) -> None:
    """BATV, SRS, VERP: a line is split at its first one."""
    assert one(b"sender=" + address.encode(), b"sasl_username=ada") == Request(sender=address, sasl_username="ada")


def test_what_is_not_known_is_passed_over() -> None:
    """Later versions send more, and in another order."""
    assert one(b"tls_sni=x", b"size=7", b"mail_version=3.10.1", b"protocol_state=DATA") == Request(
        protocol_state="DATA", size=7
    )


def test_what_is_missing_is_empty() -> None:
    """Postfix 2.1 knows no size; an empty number is 0."""
    assert one() == Request()
    assert one(b"recipient_count=", b"sasl_username=") == Request()


def test_values_are_utf8() -> None:
    """SMTPUTF8."""
    assert one("sender=gründer@example.org".encode()).sender == "gründer@example.org"


MALFORMED = [
    # what it shows, octets of which nothing can be made
    ("no equals sign", b"request=smtpd_access_policy\nsender\n\n"),
    ("no name", b"request=smtpd_access_policy\n=x\n\n"),
    ("another protocol", b"request=junk\n\n"),
    ("no request at all", b"\n"),
    ("the kind is missing", b"sender=x\n\n"),
    ("HTTP", b"GET / HTTP/1.1\r\n"),
    ("NUL", b"request=smtpd_access_policy\nsender=a\0b\n\n"),
    ("carriage return", b"request=smtpd_access_policy\r\n\r\n"),
    ("not UTF-8", b"request=smtpd_access_policy\nsender=\xff\n\n"),
    ("an attribute twice", b"request=smtpd_access_policy\nsasl_username=ada\nsasl_username=bob\n\n"),
    ("a number that is none", b"request=smtpd_access_policy\nsize=many\n\n"),
    ("a number below 0", b"request=smtpd_access_policy\nrecipient_count=-1\n\n"),
    ("a number that has no end", b"request=smtpd_access_policy\nsize=" + b"9" * 100 + b"\n\n"),
    ("digits of other scripts", "request=smtpd_access_policy\nsize=٣\n\n".encode()),
    ("a line without an end", b"x=" + b"y" * LINE_LIMIT),
    ("a line that is too long", b"x=" + b"y" * LINE_LIMIT + b"\n"),
    ("a request without an end", b"".join(b"a%d=%s\n" % (n, b"x" * 8000) for n in range(5))),
    ("more lines than anybody has", b"".join(b"%d=\n" % n for n in range(REQUEST_LIMIT))),
]


@pytest.mark.parametrize("octets", [case[1] for case in MALFORMED], ids=[case[0] for case in MALFORMED])
@pytest.mark.parametrize("by", [1, 4096, 10**6], ids=["octet by octet", "in pieces", "at once"])
def test_what_is_no_request(octets: bytes, by: int) -> None:
    with pytest.raises(Malformed):
        read(*(octets[at : at + by] for at in range(0, len(octets), by)))


def test_a_request_before_rubbish_is_a_request() -> None:
    """It is answered, and then the connection ends."""
    requests = Requests()
    requests.receive(RCPT + b"rubbish\n")
    assert requests.next_request() == READ[0]
    with pytest.raises(Malformed):
        requests.next_request()


def test_the_largest_request() -> None:
    """Up to its bound it is read."""
    filling = b"".join(b"a%d=%s\n" % (n, b"x" * 8000) for n in range(4))
    rest = REQUEST_LIMIT - len(filling) - len(b"request=smtpd_access_policy\n") - len(b"b=\n")
    assert read(b"request=smtpd_access_policy\n" + filling + b"b=" + b"x" * rest + b"\n\n") == [Request()]


@given(octets=st.binary(max_size=400))
def test_any_octets(octets: bytes) -> None:
    """Requests or Malformed, and the same whether they come at once or one by one."""

    def outcome(*pieces: bytes) -> list[Request] | str:
        try:
            return read(*pieces)
        except Malformed as error:
            return str(error)

    assert outcome(octets) == outcome(*(bytes((octet,)) for octet in octets))


def test_an_answer_is_one_line_and_an_empty_one() -> None:
    assert answer("DUNNO") == b"action=DUNNO\n\n"

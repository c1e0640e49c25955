"""One grammar of addresses: each row one form; what has two readings or two spellings is refused."""

import json
import re
import smtplib
import subprocess
import unicodedata
from pathlib import Path

import pytest
from harness import Postfix, until
from hypothesis import given
from hypothesis import strategies as st

from gateway.address import Fault, fault

OK, SYNTAX, ROUTED, UNQUALIFIED = None, Fault.SYNTAX, Fault.ROUTED, Fault.NOT_QUALIFIED
LABEL63 = "l" * 63

ASCII = [
    # what it shows, address, fault
    ("an address", "ada@example.org", OK),
    ("capitals", "Ada@Example.ORG", OK),
    ("every character of an atom", "a#$&'*+-/=?^_`{|}~z@example.org", OK),
    ("dots in the local part", "a.b.c@example.org", OK),
    ("subaddress", "ada+list@example.org", OK),
    ("a variable reverse-path", "bounce-7=bob=x.example@example.org", OK),
    ("digits and hyphens", "1@2-3.example", OK),
    ("a domain of many labels", "a@b.c.d.e.f.example", OK),
    ("a hyphen that is not first", "a-@example.org", OK),
    ("a hyphen first", "-ada@example.org", SYNTAX),
    ("a hyphen first, in quotes", '"-ada lovelace"@example.org', SYNTAX),
    ("nothing", "", SYNTAX),
    ("no at sign", "ada", SYNTAX),
    ("no local part", "@example.org", SYNTAX),
    ("no domain", "ada@", SYNTAX),
    ("two at signs", "ada@x.example@example.org", SYNTAX),
    ("two dots", "a..b@example.org", SYNTAX),
    ("dot first", ".a@example.org", SYNTAX),
    ("dot last", "a.@example.org", SYNTAX),
    ("dots in the domain", "a@example..org", SYNTAX),
    ("trailing dot", "a@example.org.", SYNTAX),
    ("leading dot", "a@.example.org", SYNTAX),
    ("hyphen first", "a@-example.org", SYNTAX),
    ("hyphen last", "a@example-.org", SYNTAX),
    ("underscore in the domain", "a@ex_ample.org", SYNTAX),
    ("a blank", "a b@example.org", SYNTAX),
    ("a blank around", " a@example.org", SYNTAX),
    ("a blank in the domain", "a@exam ple.org", SYNTAX),
    ("a line end behind", "a@example.org\n", SYNTAX),
    ("a comment", "ada(x)@example.org", SYNTAX),
    ("a comment behind", "ada@example.org(x)", SYNTAX),
    ("a source route", "@relay.example:ada@example.org", SYNTAX),
    ("angle brackets", "<ada@example.org>", SYNTAX),
    ("a bracket inside", "a>b@example.org", SYNTAX),
    ("a comma", "a,b@example.org", SYNTAX),
    ("a backslash", "a\\b@example.org", SYNTAX),
    ("an encoded word", "=?utf-8?q?evil=40x.y?=@example.org", SYNTAX),
    ("an encoded word inside", "a=?x?y?z?=b@example.org", SYNTAX),
    ("a percent route", "bob%elsewhere.example@example.org", ROUTED),
    ("a bang path", "elsewhere!bob@example.org", ROUTED),
    # RFC 5321 section 4.5.3.1
    ("local part of 64", f"{'a' * 64}@example.org", OK),
    ("local part of 65", f"{'a' * 65}@example.org", SYNTAX),
    ("label of 63", f"a@{LABEL63}.org", OK),
    ("label of 64", f"a@l{LABEL63}.org", SYNTAX),
    ("path of 256", f"a@{'.'.join([LABEL63] * 3)}.{'l' * 60}", OK),
    ("path of 257", f"a@{'.'.join([LABEL63] * 3)}.{'l' * 61}", SYNTAX),
    # RFC 6409 section 4.2
    ("unqualified", "ada@localhost", UNQUALIFIED),
    ("IPv4 literal", "ada@[192.0.2.1]", UNQUALIFIED),
    ("IPv6 literal", "ada@[IPv6:2001:db8::1]", UNQUALIFIED),
    ("no literal", "ada@[192.0.2.1", SYNTAX),
    ("four numbers", "ada@192.0.2.1", UNQUALIFIED),
    ("one number", "ada@3221225985", UNQUALIFIED),
    # Quotes
    ("a blank in quotes", '"a b"@example.org', OK),
    ("dots that need quotes", '"a..b."@example.org', OK),
    ("a quote in quotes", r'"a \"b\""@example.org', OK),
    ("a backslash in quotes", r'"a\\b"@example.org', OK),
    ("brackets in quotes", '"a<b>"@example.org', OK),
    ("needless quotes", '"ada"@example.org', SYNTAX),
    ("a needless escape", r'"a\ b"@example.org', SYNTAX),
    ("a needless escape behind a needed one", r'"a\\\ b"@example.org', SYNTAX),
    ("empty quotes", '""@example.org', SYNTAX),
    ("one quote", '"@example.org', SYNTAX),
    ("quotes that do not end", r'"a b\"@example.org', SYNTAX),
    ("text behind quotes", '"a b"c@example.org', SYNTAX),
    ("quotes behind a dot", 'a."b c"@example.org', SYNTAX),
    ("an at sign in quotes", '"bob@elsewhere.example"@example.org', ROUTED),
    ("a percent route in quotes", '"bob%elsewhere.example "@example.org', ROUTED),
    ("a control character in quotes", '"a\rb"@example.org', SYNTAX),
    ("NUL in quotes", '"a\0b"@example.org', SYNTAX),
    ("an escaped control character", '"a\\\rb"@example.org', SYNTAX),
    # IDNA, as it goes to the DNS
    ("an A-label", "a@xn--bcher-kva.example", OK),
    ("an A-label in capitals", "a@XN--BCHER-KVA.example", OK),
    ("an A-label of an emoji", "a@xn--i-7iq.example", OK),
    ("an A-label of nothing", "a@xn---", SYNTAX),
    ("an A-label of ASCII", "a@xn--a-.example", SYNTAX),
    ("an A-label that cannot be decoded", "a@xn--99999999.example", SYNTAX),
    ("an A-label in another spelling", "a@xn---a.example", SYNTAX),
    ("hyphens in third and fourth place", "a@ab--cd.example", OK),
]  # fmt: skip

UTF8 = [
    # what it shows, address, fault with SMTPUTF8
    ("umlauts", "ädä@example.org", OK),
    ("a local part in Chinese", "用户@example.org", OK),
    ("all in Arabic", "مثال@مثال.إختبار", OK),
    ("a U-label", "ada@bücher.example", OK),
    ("a U-label in capitals", "ada@BÜCHER.example", OK),
    ("sharp s", "ada@straße.example", OK),
    ("a top-level domain in Chinese", "ada@例え.テスト", OK),
    ("local part of 64 octets", "ä" * 32 + "@example.org", OK),
    ("local part of 65 octets", "ä" * 32 + "a@example.org", SYNTAX),
    ("not composed", "a\u0308da@example.org", SYNTAX),
    ("a domain not composed", "ada@bu\u0308cher.example", SYNTAX),
    ("umlauts in quotes", '"ä b"@example.org', SYNTAX),
    ("U+0085 next line", "a\u0085da@example.org", SYNTAX),
    ("U+2028 line separator", "a\u2028da@example.org", SYNTAX),
    ("U+00A0 no-break space", "a\u00a0da@example.org", SYNTAX),
    ("U+1680 Ogham space mark", "a\u1680da@example.org", SYNTAX),
    ("U+200B zero-width space", "a\u200bda@example.org", SYNTAX),
    ("U+200D zero-width joiner", "a\u200dda@example.org", SYNTAX),
    ("U+202E right-to-left override", "a\u202eda@example.org", SYNTAX),
    ("U+2060 word joiner", "a\u2060da@example.org", SYNTAX),
    ("U+FEFF byte order mark", "a\ufeffda@example.org", SYNTAX),
    ("U+2163 roman numeral four", "a\u2163@example.org", SYNTAX),
    ("U+FF20 fullwidth at sign", "a\uff20x.example@example.org", SYNTAX),
    ("U+FF05 fullwidth percent", "a\uff05x.example@example.org", SYNTAX),
    ("U+212A kelvin sign", "\u212aelvin@example.org", SYNTAX),
    ("U+E000 private use", "a\ue000@example.org", SYNTAX),
    ("U+0378 unassigned", "a\u0378@example.org", SYNTAX),
    ("a lone surrogate", "a\udcff@example.org", SYNTAX),
    ("a combining solidus behind the bracket", "\u0338a@example.org", SYNTAX),
    ("U+2163 in the domain", "a@\u2163.example", SYNTAX),
    ("U+3002 ideographic full stop", "a@b\u3002example", SYNTAX),
    ("U+FF0E fullwidth full stop", "a@b\uff0eexample.org", SYNTAX),
    ("U+200D in the domain", "a@b\u200dc.example", SYNTAX),
    ("an emoji in the domain", "a@i\u2764.example", SYNTAX),
    ("a combining mark first in a label", "a@\u0308b.example", SYNTAX),
    ("letters right to left and left to right", "a@aא.example", SYNTAX),
    ("a U-label alone", "a@bücher", UNQUALIFIED),
    ("a U-label that is an A-label", "a@xn--bücher.example", SYNTAX),
    ("a label of 64 once in ASCII", f"a@{'ü' * 60}.example", SYNTAX),
    ("a percent route", "ü%elsewhere.example@example.org", ROUTED),
]  # fmt: skip


@pytest.mark.parametrize(("address", "expected"), [c[1:] for c in ASCII], ids=[c[0] for c in ASCII])
@pytest.mark.parametrize("is_utf8", [False, True])
def test_ascii(address: str, expected: Fault | None, is_utf8: bool) -> None:
    """SMTPUTF8 changes nothing for what is ASCII."""
    assert fault(address, is_utf8=is_utf8) is expected


@pytest.mark.parametrize(("address", "expected"), [c[1:] for c in UTF8], ids=[c[0] for c in UTF8])
def test_utf8(address: str, expected: Fault | None) -> None:
    """RFC 6531 section 3.3, less what somebody might fold or not see."""
    assert fault(address, is_utf8=True) is expected
    assert fault(address, is_utf8=False) is Fault.NOT_ASCII


def test_length_is_judged_first() -> None:
    """To normalise these combining marks would take minutes."""
    assert fault("a" + "\u0334\u0301" * 200_000 + "@example.org", is_utf8=True) is SYNTAX


letters = st.sampled_from(
    [*'ab.@"\\ <>()[],;:%!-_=?+', "ä", "ß", "用", "א", "\u0308", "\u200d", "\uff20", "xn--", "org"]
)
pieces = st.lists(letters, max_size=6).map("".join) | st.text(max_size=6)
addresses = pieces | st.builds("{}@{}".format, pieces, st.sampled_from(["example.org", "bücher.example"]) | pieces)


@given(address=addresses)
def test_what_is_accepted_has_one_reading(address: str) -> None:
    """For any text: an accepted address has the same two parts for whoever splits it, and no hidden character."""
    if fault(address, is_utf8=True):
        return
    local, _, domain = address.rpartition("@")
    assert address.partition("@")[::2] == (local, domain)
    assert unicodedata.normalize("NFKC", local) == local
    assert unicodedata.normalize("NFC", address) == address
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", address)
    assert len(address.splitlines()) == 1
    assert local.startswith('"') or not re.search(r'[\s()<>,;:\\"\[\]]', local)
    assert "." in domain


# Real Postfix


@pytest.mark.native
@pytest.mark.skipif(not Postfix.is_possible(), reason="needs root and Debian's postfix on this machine")
def test_postfix_reads_the_same(tmp_path: Path) -> None:
    """Each accepted address, as sender and as recipient, stands in Postfix's queue in the spelling in which it came."""
    accepted = [address for _, address, expected in ASCII + UTF8 if expected is OK]
    postfix = Postfix(tmp_path, next_hop=1).start()  # nobody listens there: what is queued stays queued
    try:
        with smtplib.SMTP("127.0.0.1", postfix.port) as client:
            client.command_encoding = "utf-8"
            client.ehlo("gateway.test")
            for address in accepted:
                parameters = "" if address.isascii() else " BODY=8BITMIME SMTPUTF8"
                assert client.docmd("MAIL", f"FROM:<{address}>{parameters}")[0] == 250
                assert client.docmd("RCPT", f"TO:<{address}>")[0] == 250
                assert client.data("Subject: x\r\n\r\n")[0] == 250
        until(lambda: len(_queued(postfix)) == len(accepted), "all are in the queue")
        assert _queued(postfix) == {(address, address) for address in accepted}
    finally:
        postfix.stop()


def _queued(postfix: Postfix) -> set[tuple[str, str]]:
    """Sender and recipient of each message."""
    listed = subprocess.run(["postqueue", "-c", str(postfix.config), "-j"], capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in listed.stdout.splitlines()]
    return {(row["sender"], recipient["address"]) for row in rows for recipient in row["recipients"]}

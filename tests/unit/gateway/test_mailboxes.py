"""Every address in a From field, for every reader the same; what two readers understand differently is refused."""

import email.utils
from email.headerregistry import AddressHeader, HeaderRegistry

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.mailboxes import mailboxes

ADA, BOB = "ada@example.org", "bob@x.example"
BOTH = (ADA, BOB)


def addresses(field: str, *, is_utf8: bool) -> tuple[str, ...] | None:
    read = mailboxes(field, is_utf8=is_utf8)
    return read.addresses if read else None


CASES = [
    # what it shows, field, addresses
    ("an address", ADA, (ADA,)),
    ("case is kept", "Ada@Example.ORG", ("Ada@Example.ORG",)),
    ("angle brackets", f"<{ADA}>", (ADA,)),
    ("a name", f"Ada Lovelace <{ADA}>", (ADA,)),
    ("no space before the bracket", f"Ada<{ADA}>", (ADA,)),
    ("blanks and tabs around", f" \t Ada\tLovelace \t<{ADA}> \t", (ADA,)),
    ("obsolete dots in a name", f"Ada K. Lovelace <{ADA}>", (ADA,)),
    ("a quoted name", f'"Lovelace, Ada" <{ADA}>', (ADA,)),
    ("quotes in a quoted name", f'"Ada \\"A\\" Lovelace" <{ADA}>', (ADA,)),
    ("an address in a quoted name", f'"evil@x.example" <{ADA}>', (ADA,)),
    ("brackets in a quoted name", f'"<evil@x.example>" <{ADA}>', (ADA,)),
    ("words and quotes", f'Ada "K." Lovelace <{ADA}>', (ADA,)),
    ("an encoded name", f"=?utf-8?q?Ad=C3=A4?= <{ADA}>", (ADA,)),
    ("an at sign in an encoded name", f"=?utf-8?q?evil=40x.example?= <{ADA}>", (ADA,)),
    ("two encoded words", f"=?utf-8?b?QWRh?= =?utf-8?q?K?= <{ADA}>", (ADA,)),
    ("a comment behind", f"{ADA} (Ada Lovelace)", (ADA,)),
    ("a comma in a comment behind", f"{ADA} (Lovelace, Ada)", (ADA,)),
    ("a comma in a comment, and another address", f"{ADA} (Lovelace, Ada), {BOB}", BOTH),
    ("a comma in a comment before", f"(Lovelace, Ada) {ADA}", None),
    ("a comma in a comment in a name", f"Ada (Lovelace, King) <{ADA}>", None),
    ("a comma in a comment behind the bracket", f"<{ADA}> (Lovelace, Ada)", (ADA,)),
    ("a comment before", f"(work) {ADA}", (ADA,)),
    ("a comment in a name", f"Ada (work) <{ADA}>", (ADA,)),
    ("a comment behind the bracket", f"Ada <{ADA}> (work)", (ADA,)),
    ("two", f"{ADA}, {BOB}", BOTH),
    ("two without a blank", f"{ADA},{BOB}", BOTH),
    ("two with names", f'"Lovelace, Ada" <{ADA}>, Bob <{BOB}>', BOTH),
    ("a group", f"us: {ADA}, Bob <{BOB}>;", BOTH),
    ("a group behind an address", f"{ADA}, us: {BOB};", BOTH),
    ("a group before an address", f"us: {ADA}; , {BOB}", BOTH),
    ("quoted local part", '"a b"@example.org', ('"a b"@example.org',)),
    ("quoted local part in brackets", '"Ada" <"a, b"@example.org>', ('"a, b"@example.org',)),
    ("nothing", "", None),
    ("blanks", " \t", None),
    ("a name alone", "Ada", None),
    ("a comment alone", "(Ada)", None),
    ("empty brackets", "Ada <>", None),
    ("an empty group", "undisclosed:;", None),
    ("an empty group before an address", f"undisclosed:; , {ADA}", None),
    ("a group without name", f":{ADA};", None),
    ("a group without end", f"us: {ADA}", None),
    ("a group in a group", f"us: them: {ADA};;", None),
    ("a group in a group with one end", f"us: {ADA}, them: {BOB};", None),
    ("the end of no group", f"{ADA};", None),
    ("an address in clear beside another", f"evil@x.example <{ADA}>", None),
    ("a bracket in clear beside another", f"<evil@x.example> <{ADA}>", None),
    ("text behind the address", f"{ADA} Ada", None),
    ("text behind the bracket", f"<{ADA}> Ada", None),
    ("an address in a comment", f"{ADA} (evil@x.example)", None),
    ("a comment in a comment", f"{ADA} (a (b) c)", None),
    ("a backslash in a comment", f"{ADA} (a\\)", None),
    ("a comment without end", f"{ADA} (Ada", None),
    ("a comment inside an address", "ada(x)@example.org", None),
    ("a comment inside brackets", "<ada@example.org(x)>", None),
    ("a comma in a name", f"Lovelace, Ada <{ADA}>", None),
    ("a dot first in a name", f".Ada <{ADA}>", None),
    ("a dot alone", f" . <{ADA}>", None),
    ("a dot behind a comment", f"(work) . <{ADA}>", None),
    ("a square bracket in a name", f"[Ada] <{ADA}>", None),
    ("a backslash in a name", f"Ada\\ <{ADA}>", None),
    ("a quote without end", f'"Ada <{ADA}>', None),
    ("nobody before a comma", f",{ADA}", None),
    ("nobody behind a comma", f"{ADA},", None),
    ("nobody between commas", f"{ADA},,{BOB}", None),
    ("a semicolon between", f"{ADA}; {BOB}", None),
    ("no comma between", f"<{ADA}> <{BOB}>", None),
    ("blanks inside brackets", f"< {ADA} >", None),
    ("blanks around the at sign", "ada @ example.org", None),
    ("a bracket without end", f"Ada <{ADA}", None),
    ("a bracket without start", f"Ada {ADA}>", None),
    ("a source route", f"<@relay.example:{ADA}>", None),
    ("an address from an encoded word", "=?utf-8?q?evil=40x.example?=@example.org", None),
    ("unqualified", "ada@localhost", None),
    ("a literal", "ada@[192.0.2.1]", None),
    ("a route", "ada%x.example@example.org", None),
    ("not ASCII", "ädä@example.org", None),
    ("a hundred", ",".join([ADA] * 100), (ADA,) * 100),
    ("a hundred and one", ",".join([ADA] * 101), None),
]  # fmt: skip


@pytest.mark.parametrize(("field", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_addresses(field: str, expected: tuple[str, ...] | None) -> None:
    """One row, one form of a field."""
    assert addresses(field, is_utf8=False) == expected


SPOKEN = [
    # what it shows, field, names
    ("none", ADA, ()),
    ("none in brackets", f"<{ADA}>", ()),
    ("before the bracket", f" Ada Lovelace <{ADA}>", ("Ada Lovelace",)),
    ("at the bracket", f"Ada<{ADA}>", ("Ada",)),
    ("in quotes, as it stands", f'"Lovelace, \\"A\\"" <{ADA}>', ('"Lovelace, \\"A\\""',)),
    ("encoded, as it stands", f"=?utf-8?q?Ad=C3=A4?= <{ADA}>", ("=?utf-8?q?Ad=C3=A4?=",)),
    ("a comment", f"{ADA} (Ada)", ("(Ada)",)),
    ("comments around", f"(a) {ADA} (b)", ("(a)   (b)",)),
    ("a name and comments", f"(a) Ada <{ADA}> (b)", ("(a) Ada   (b)",)),
    ("of two", f"Ada <{ADA}>, {BOB} (Bob)", ("Ada", "(Bob)")),
    ("of a group", f"us: {ADA}, Bob <{BOB}>; (all)", ("us", "Bob", "(all)")),
    ("of a quoted group", f'"us, all": {ADA};', ('"us, all"',)),
    ("a quoted local part is no name", '"a b"@example.org', ()),
    ("as long as allowed", f"{'x' * 2000} <{ADA}>", ("x" * 2000,)),
    ("longer", f"{'x' * 2001} <{ADA}>", None),
]  # fmt: skip


@pytest.mark.parametrize(("field", "expected"), [c[1:] for c in SPOKEN], ids=[c[0] for c in SPOKEN])
def test_names(field: str, expected: tuple[str, ...] | None) -> None:
    """All that a reader may be shown in place of the address."""
    read = mailboxes(field, is_utf8=False)
    assert (read.names if read else None) == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (f"Adä <{ADA}>", (ADA,)),
        (f'"Lovelace, Adä" <{ADA}>', (ADA,)),
        (f"{ADA} (Adä)", (ADA,)),
        ("Ada <ädä@bücher.example>", ("ädä@bücher.example",)),
        ("a\uff20x.example@example.org", None),
    ],
)
def test_utf8(field: str, expected: tuple[str, ...] | None) -> None:
    """RFC 6532 section 3.2: names and addresses in any script."""
    assert addresses(field, is_utf8=True) == expected


NAMES = [
    "Ada",
    "K.",
    "Ada Lovelace",
    '"Lovelace, Ada"',
    '"a@b.cd"',
    '"<x@y.zz>"',
    '"\\""',
    "=?utf-8?q?a=40b?=",
    "(work)",
    "()",
    "(Lovelace, Ada)",
]
FORMS = [*BOTH, f"<{ADA}>", f"<{BOB}>", '"a b"@x.example', '<"a,b"@x.example>', "a@b", "us:", ";", ",", ", ", " ", "\t"]
SPECIALS = [*'<>@()"\\:.[]%', "=?", "?="]
tokens = st.sampled_from(NAMES + FORMS + SPECIALS)
registry = HeaderRegistry()


@given(field=st.lists(tokens, min_size=1, max_size=10).map("".join))
@example(field=f"{ADA}.")
@example(field=f"Ada. <{ADA}>")
def test_others_read_the_same(field: str) -> None:
    """Where we accept, both parsers of the standard library find the same addresses in the same order."""
    ours = addresses(field, is_utf8=False)
    if ours is None:
        return
    # The blank, without meaning there, keeps Python 3.11 from an AttributeError at a name that ends in a dot.
    header = registry("from", field.strip().replace(".<", ". <"))
    assert isinstance(header, AddressHeader)
    assert tuple(address.addr_spec for address in header.addresses) == ours
    assert tuple(address for _, address in email.utils.getaddresses([field])) == ours


@given(field=st.text(max_size=80))
def test_any_text_is_read_or_refused(field: str) -> None:
    """Never another error, and each address found stands in the field as it is."""
    for address in addresses(field, is_utf8=True) or ():
        assert address in field


@given(field=st.lists(tokens, min_size=1, max_size=10).map("".join))
@example(field=f"(a) us (b): (c) {ADA} (d); (e)")
def test_names_and_addresses_are_all_there_is(field: str) -> None:
    """Of letters and digits none escapes both."""
    read = mailboxes(field, is_utf8=False)
    if read:
        told = "".join(read.addresses + read.names)
        assert sorted(filter(str.isalnum, told)) == sorted(filter(str.isalnum, field))

"""A login in a DN: read back by an independent implementation of RFC 4514, it is one value of one attribute."""

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from policy.bridges.ldap_text import name_with

TEMPLATE = "UID={login},OU=people,DC=example,DC=org"

NAMES = [
    # what it shows, login, expected value
    ("plain", "ada.l-2_x@example.org", "ada.l-2_x@example.org"),
    ("a comma", "a,b", r"a\2Cb"),
    ("a plus sign and an equals sign", "a+cn=b", r"a\2Bcn\3Db"),
    ("quotes and angles", '"<>;', r"\22\3C\3E\3B"),
    ("a backslash", "a\\2C", r"a\5C2C"),
    ("a number sign", "#616461", r"\23616461"),
    ("blanks around it", " a ", r"\20a\20"),
    ("a NUL", "a\0", r"a\00"),
    ("beyond ASCII", "ä", r"\C3\A4"),
    ("the template's own word", "{login}", r"\7Blogin\7D"),
]


@pytest.mark.parametrize(("login", "expected"), [c[1:] for c in NAMES], ids=[c[0] for c in NAMES])
def test_names(login: str, expected: str) -> None:
    """Letter by letter."""
    assert name_with(TEMPLATE, login) == TEMPLATE.replace("{login}", expected)


@given(st.text(min_size=1, max_size=30))
def test_a_login_is_one_value_of_one_attribute(login: str) -> None:
    """Whatever it contains."""
    read = x509.Name.from_rfc4514_string(name_with(TEMPLATE, login))
    assert [attribute.value for attribute in read.get_attributes_for_oid(NameOID.USER_ID)] == [login]
    assert len(read.rdns) == 4

"""The search for secrets must be able to find: each form is planted, by another hand than the search's."""

import binascii
import codecs
import json
import sqlite3
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from secret_search import Secret, Wanted, forms, patterns

DEVICE = b"k3m9x-tq7wd-p2hfa-vc8rz-n5jye"
PASSWORD = 'sieben "stille" Reiher & 100 % über der Mühle, d\'accord?'
SASL = b"\0fosem-4k7q-talir\0" + DEVICE


def wanted(value: str | bytes) -> Wanted:
    one = Wanted()
    one.add("the secret", value)
    return one


PLANTED: list[tuple[str, str | bytes, bytes]] = [
    # what it shows, the secret, what a program has left of it
    ("a log line", DEVICE, b"login-refused login=" + DEVICE + b" why=x"),
    ("in capitals", DEVICE, b"x " + DEVICE.upper() + b" y"),
    ("as it is stored without dashes", DEVICE, b"'" + DEVICE.replace(b"-", b"") + b"'"),
    ("small letters of capitals", b"ABCDEFGHIJ", b"user=abcdefghij"),
    ("hexadecimal, a dump of SQLite", DEVICE, b"X'" + binascii.hexlify(b"\0" + DEVICE + b"\0").upper() + b"'"),
    ("hexadecimal, a dump of PostgreSQL", DEVICE, rb"\x" + binascii.hexlify(DEVICE)),
    ("a SASL response", DEVICE, b"AUTH PLAIN " + b64encode(SASL)),
    ("a SASL response, whole", SASL, b"AUTH PLAIN " + b64encode(SASL)),
    ("a SASL response as octets", SASL, repr(SASL).encode()),
    ("a token of the API", "aGk_-x0Zq9", b"Authorization: Bearer aGk_-x0Zq9"),
    ("base64 for URLs", PASSWORD, urlsafe_b64encode(b"12" + PASSWORD.encode() + b"1")),
    ("a form", PASSWORD, urlencode({"password": PASSWORD}).encode()),
    ("percent-encoded by Dovecot's script", DEVICE, b"secret=k3m9x%2Dtq7wd%2Dp2hfa%2Dvc8rz%2Dn5jye&login=x"),
    ("the same in small letters", DEVICE, b"secret=k3m9x%2dtq7wd%2dp2hfa%2dvc8rz%2dn5jye&login=x"),
    ("JSON", PASSWORD, json.dumps({"password": PASSWORD}).encode()),
    ("JSON beyond ASCII", PASSWORD, json.dumps({"password": PASSWORD}, ensure_ascii=False).encode()),
    ("an exception", PASSWORD, str(KeyError(PASSWORD)).encode()),
    ("an exception in ASCII", PASSWORD, ascii(PASSWORD).encode()),
    ("a page", "a<b>&'\"c", b"<p>a&lt;b&gt;&amp;&#x27;&quot;c</p>"),
    ("a statement of SQL", PASSWORD, b"VALUES('" + PASSWORD.replace("'", "''").encode() + b"')"),
    ("UTF-16", PASSWORD, codecs.encode(PASSWORD, "utf-16-le")),
    ("a code in a form", "123456", b"token=x&code=123456&label=phone"),
    ("a code in JSON", "123456", b'{"code": "123456"}'),
]


@pytest.mark.parametrize(("value", "left"), [case[1:] for case in PLANTED], ids=[case[0] for case in PLANTED])
def test_what_is_planted_is_found(value: str | bytes, left: bytes) -> None:
    """And the same without the secret is not."""
    assert wanted(value).found_in({"a log": b"before\n" + left + b"\nbehind"})
    assert not wanted(value).found_in({"a log": b"before\nbehind"})


@pytest.mark.parametrize("before", [b"", b"1", b"12", b"123"])
@pytest.mark.parametrize("behind", [b"", b"1", b"12"])
@given(value=st.binary(min_size=8, max_size=60))
def test_base64_is_found_at_any_place(before: bytes, behind: bytes, value: bytes) -> None:
    """Whatever stands around the secret, in either alphabet."""
    for encode in (b64encode, urlsafe_b64encode):
        assert wanted(value).found_in({"x": b"AUTH PLAIN " + encode(before + value + behind)})


@pytest.mark.parametrize(
    "value", [DEVICE, SASL, PASSWORD.encode(), b"123456"], ids=["device", "SASL", "password", "code"]
)
def test_each_form_is_found_by_itself(value: bytes) -> None:
    """No form is listed that the search would pass over."""
    for form, written in forms(value):
        assert not written or wanted(value).found_in({"x": b"(" + written + b")"}), form


CHANCE = [
    # what it shows, where the digits stand
    ("a fraction of a second", b"2027-01-31T12:00:00.123456Z"),
    ("a moment", b"1769860800.1234567"),
    ("a digest", b"X'ab123456cd'"),
    ("a longer number", b"id=71234567"),
]


@pytest.mark.parametrize("content", [case[1] for case in CHANCE], ids=[case[0] for case in CHANCE])
def test_six_digits_by_chance_are_no_code(content: bytes) -> None:
    """The search must not fail one run in a hundred."""
    assert not wanted("123456").found_in({"x": content})


def test_a_deleted_row_is_found(tmp_path: Path) -> None:
    """SQLite leaves what was deleted in the file: the octets are searched, and not only a dump."""
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("CREATE TABLE t (v TEXT)")
        connection.execute("INSERT INTO t VALUES (?)", (DEVICE.decode(),))
        connection.commit()
        connection.execute("DELETE FROM t")
        connection.commit()
        dump = "\n".join(connection.iterdump())
    connection.close()
    looked = wanted(DEVICE)
    assert [one.place for one in looked.found_in({"dump": dump.encode(), "octets": path.read_bytes()})] == ["octets"]


def test_what_is_found_is_told_without_its_value() -> None:
    """The failure of a test is a log, too."""
    looked = wanted(DEVICE)
    (found, *_) = looked.found_in({"policy.log": b"x" + DEVICE})
    assert str(found) == "the secret, as it is, in policy.log"
    assert DEVICE.decode() not in repr(looked) + repr(found) + str(found)


def test_a_secret_may_stand_where_it_belongs() -> None:
    """By its name, and no other one with it."""
    looked = wanted(DEVICE)
    looked.add("another", "another secret")
    found = looked.found_in({"key.pem": DEVICE + b"another secret"}, but=["the secret"])
    assert {one.secret for one in found} == {"another"}


def test_nothing_is_looked_for_that_is_everywhere() -> None:
    """A secret of a few letters would be found by chance; each pattern is looked for once."""
    with pytest.raises(AssertionError, match="too short"):
        Secret("tiny", b"abc")
    written = [one for _, one in patterns(b"123456")]
    assert len(written) == len(set(written))


def test_every_way_to_write_is_tried_once() -> None:
    """The same secret twice is one."""
    looked = wanted(DEVICE)
    looked.add("the same again", DEVICE)
    assert len(looked.secrets) == 1
    assert looked.forms() == len(list(patterns(DEVICE)))

"""The offline list: what is on it is always found, and what is not as rarely as is said."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.people import breached, make_breached
from policy.people.breached import FILE, LEAST_LENGTH, build, cores, load

LIST = load()


@given(st.lists(st.text(min_size=LEAST_LENGTH, max_size=30), min_size=1, max_size=50))
def test_there_are_no_false_negatives(words: list[str]) -> None:
    """In whatever letters, and whatever else is on the list."""
    made = build(words)
    assert all(word in made for word in words)
    assert all(made.knows(word) for word in words if len(breached.fold(word)) >= LEAST_LENGTH)


def test_false_positives_are_as_rare_as_is_said() -> None:
    """Less than 2 of 10,000 random words; 0.7 are expected."""
    tried, chance = 200_000, random.Random(1)  # noqa: S311 - the same words each time
    found = sum(chance.randbytes(10).hex() in LIST for _ in range(tried))
    assert found / tried < 2e-4
    assert found / tried > 1e-6, "a filter that never errs is none: is the file empty?"


def test_the_shipped_file_is_what_the_page_says() -> None:
    """Count and size, in docs/passwords.md."""
    page = (Path(__file__).parents[3] / "docs" / "passwords.md").read_text()
    assert f"{LIST.words:,}" in page
    assert f"{FILE.stat().st_size:,}" in page


KNOWN = [
    "password123password123",
    "PassWord123PASSWORD123",
    "password123password123pass",  # the third time cut short
    "Sunflower!Sunflower!",
    "sun flower sun flower",
    "2024 sunflower 2024!",
    "!!!!!!!sunflower",
    "liverpool1liverpool1",
    "123456789123456789",
    "ｓｕｎｆｌｏｗｅｒ sunflower"[10:] * 2,  # noqa: RUF001
    "qwertyuiopqwertyuiop",
]


@pytest.mark.parametrize("password", KNOWN)
def test_what_is_made_of_a_known_word_is_known(password: str) -> None:
    """Who has to lengthen a password does it like this."""
    assert LIST.knows(password)


@pytest.mark.parametrize(
    "password",
    [
        "seven purple ducks in a row",
        "Grüße aus dem Keller links",
        "fosem talir hobune kavit",
        "三匹の猫が屋根の上で歌った夜",
    ],
)
def test_what_nobody_has_used_is_not_known(password: str) -> None:
    assert not LIST.knows(password)


@given(st.text(max_size=300))
def test_cores_are_long_enough_and_few(password: str) -> None:
    """Whatever is typed: each is one look into the filter."""
    found = list(cores(password))
    assert len(found) <= 16
    assert all(len(word) >= LEAST_LENGTH for word in found)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    """A half-copied one would let everything through."""
    damaged = tmp_path / "damaged.filter"
    damaged.write_bytes(FILE.read_bytes()[:-1])
    with pytest.raises(ValueError, match="no list of breached passwords"):
        load(damaged)


def test_a_list_is_made_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One password a line; comments and lines in no known encoding are left out."""
    one, other, made = tmp_path / "one.txt", tmp_path / "other.txt", tmp_path / "made.filter"
    one.write_bytes(b"#!comment: not a password\nhunter2hunter2\nshort\nCaf\xc3\xa9 au lait\n")
    other.write_bytes(b"hunter2hunter2\r\n\xff\xfe\n\nletmein-letmein\n")
    monkeypatch.setattr(make_breached, "FILE", made)
    make_breached.main([str(one), str(other)])
    assert capsys.readouterr().out == f"3 words, {made.stat().st_size} octets\n"
    built = load(made)
    assert built.words == 3
    assert all(word in built for word in ("hunter2hunter2", "CAFÉ AU LAIT", "letmein-letmein"))
    assert "#!comment: not a password" not in built

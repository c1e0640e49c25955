"""Tokens in files that change: what is read, who is let in, what is shown, and in which order files are seen."""

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from service.settings import SettingError
from service.shared_token import SharedToken, read_tokens

OLD, NEW, NEWER = "0123456789" * 3, "abcdefghij" * 3, "ABCDEFGHIJ" * 3
SETTING = "KETTLE_TOKEN_FILE"
STAYS = "what was there before stays in use"

FILES = [
    # what it shows, content, the tokens
    ("one line", f"{OLD}\n", (OLD,)),
    ("two lines, the newest first", f"{NEW}\n{OLD}\n", (NEW, OLD)),
    ("no newline at the end", f"{NEW}\n{OLD}", (NEW, OLD)),
    ("lines of Windows, and blanks around", f" {NEW} \r\n\r\n{OLD}\t\r\n", (NEW, OLD)),
    ("the same twice is one", f"{OLD}\n{OLD}\n", (OLD,)),
    ("the shortest", "x" * 20, ("x" * 20,)),
]
WRONG = [
    # what it shows, content, what is said of it
    ("empty", "", "is empty; remove it and let `sallyport init` make it anew"),
    ("blank", " \n\n", "is empty; remove it"),
    ("three lines", f"{NEWER}\n{NEW}\n{OLD}\n", "has 3 lines; leave the newest token in the first one"),
    ("too short", "x" * 19, "the token in line 1 of"),
    ("the second one is too short", f"{NEW}\nshort\n", "the token in line 2 of"),
    ("two words", f"{NEW} {OLD}\n", "line 1 of"),
    ("not ASCII", "ä" * 40, "holds more than visible ASCII; put one token on each line"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kettle.token"


class Heard:
    """A service's log."""

    def __init__(self) -> None:
        self.lines: list[object] = []

    def token_read(self, setting: str, lines: int) -> None:
        self.lines.append((setting, lines))

    def token_refused(self, failure: str) -> None:
        self.lines.append(failure)


class Watched:
    """A token of a file, and the clock that it goes by."""

    def __init__(self, path: Path, content: str) -> None:
        self.path, self.now, self.heard = path, 0.0, Heard()
        self.write(content)
        self.token = SharedToken.from_file(SETTING, path, self.heard, lambda: self.now)

    def write(self, content: str) -> None:
        """As it should be done: another file in its place."""
        draft = self.path.with_suffix(".draft")
        draft.write_text(content)
        draft.replace(self.path)

    def takes(self, *tokens: str) -> list[bool]:
        return [self.token.is_bearer(f"Bearer {one}".encode()) for one in tokens]

    def shown_to(self, *known: str) -> list[str]:
        """What is shown to somebody who knows these tokens."""
        tried = []
        for one in self.token.to_show():
            tried.append(one)
            if one in known:
                break
        return tried


@pytest.mark.parametrize(("content", "tokens"), [one[1:] for one in FILES], ids=[one[0] for one in FILES])
def test_what_a_file_may_be(path: Path, content: str, tokens: tuple[str, ...]) -> None:
    path.write_bytes(content.encode())
    assert read_tokens(SETTING, path) == tokens


@pytest.mark.parametrize(("content", "said"), [one[1:] for one in WRONG], ids=[one[0] for one in WRONG])
def test_what_a_file_may_not_be(path: Path, content: str, said: str) -> None:
    """The sentence names the setting and the file, and never what is in it."""
    path.write_text(content)
    with pytest.raises(SettingError) as raised:
        SharedToken.from_file(SETTING, path)
    assert str(raised.value).startswith(f"{SETTING}: ")
    assert said in str(raised.value)
    assert str(path) in str(raised.value)
    assert not any(one in str(raised.value) for one in (OLD, NEW, NEWER, "short"))


def test_whoever_shows_one_of_them_is_let_in(path: Path) -> None:
    watched = Watched(path, f"{NEW}\n{OLD}\n")
    assert watched.takes(NEW, OLD, NEWER, "", NEW[:-1], f"{NEW}\n{OLD}") == [True, True, False, False, False, False]
    assert [watched.token.is_shown(one.encode()) for one in (NEW, OLD, f"Bearer {NEW}", "")] == [
        True, True, False, False,
    ]  # fmt: skip
    assert not SharedToken().is_bearer(b"Bearer ")


def test_a_token_that_was_retired_is_refused_within_a_second(path: Path) -> None:
    watched = Watched(path, f"{NEW}\n{OLD}\n")
    watched.write(f"{NEW}\n")
    watched.now = 0.9
    assert watched.takes(OLD) == [True]
    watched.now = 1.0
    assert watched.takes(OLD, NEW) == [False, True]
    assert watched.heard.lines == [(SETTING, 1)]


def test_a_new_token_is_let_in_at_once(path: Path) -> None:
    """Where one does not fit, the file is looked at, whenever that was done before."""
    watched = Watched(path, f"{OLD}\n")
    watched.write(f"{NEW}\n{OLD}\n")
    assert watched.takes(NEW, OLD) == [True, True]


def test_the_newest_is_shown_and_the_one_before_to_who_does_not_know_it(path: Path) -> None:
    watched = Watched(path, f"{NEW}\n{OLD}\n")
    assert watched.shown_to(NEW) == [NEW]
    assert watched.shown_to(OLD) == [NEW, OLD]
    assert watched.shown_to(OLD) == [OLD]  # nobody is asked twice each time
    assert watched.shown_to(NEW) == [OLD, NEW]
    watched.now = 5.0
    assert watched.shown_to(NEW) == [NEW]


def test_where_nobody_knows_any_the_file_is_looked_at_once_more(path: Path) -> None:
    watched = Watched(path, f"{OLD}\n")
    watched.write(f"{NEW}\n")
    assert watched.shown_to(NEW) == [OLD, NEW]
    assert watched.shown_to(NEWER) == [NEW]


ORDERS = [
    # what it shows, who has which file, one step after the other: the asked one's and the asker's
    ("the asked one first", [(1, 1), (2, 1), (2, 2), (3, 2), (3, 3)]),
    ("the asker first", [(1, 1), (1, 2), (2, 2), (2, 3), (3, 3)]),
    ("both at once", [(1, 1), (2, 2), (3, 3)]),
    ("the asker last, and its old one goes first", [(1, 1), (2, 1), (2, 2), (2, 3), (3, 3)]),
    ("the asker first, and its old one stays longest", [(1, 1), (1, 2), (2, 2), (3, 2), (3, 3)]),
]
CONTENTS = {1: f"{OLD}\n", 2: f"{NEW}\n{OLD}\n", 3: f"{NEW}\n"}


@pytest.mark.parametrize("steps", [one[1] for one in ORDERS], ids=[one[0] for one in ORDERS])
def test_in_whatever_order_they_read_it(tmp_path: Path, steps: list[tuple[int, int]]) -> None:
    """At each moment between two steps, and a moment later, the asker is let in with one that it shows."""
    asked, asker = (Watched(tmp_path / name, CONTENTS[1]) for name in ("asked", "asker"))
    for before, (served, shown) in pairwise([steps[0], *steps]):
        assert abs(served - shown) <= 1, "nothing else is promised"
        for one, step, was in ((asked, served, before[0]), (asker, shown, before[1])):
            if step != was:
                one.write(CONTENTS[step])
        for moment in (0.0, 0.3, 1.0, 6.0):
            asked.now = asker.now = asked.now + moment
            assert any(asked.takes(one)[0] for one in asker.token.to_show())


def test_two_who_ask_at_once_and_are_refused_both_show_the_new_one(path: Path) -> None:
    """The first of them has looked at the file; the other one finds nothing that is new in it."""
    watched = Watched(path, f"{OLD}\n")
    shown = [watched.token.to_show(), watched.token.to_show()]
    assert [next(one) for one in shown] == [OLD, OLD]
    watched.write(f"{NEW}\n")
    assert [list(one) for one in shown] == [[NEW], [NEW]]


def test_a_file_that_cannot_be_used_is_said_once_and_changes_nothing(path: Path) -> None:
    watched = Watched(path, f"{OLD}\n")
    for content in ("", "short\n"):
        watched.write(content)
        assert watched.takes(OLD, NEW, NEW) == [True, False, False]
    path.unlink()
    assert watched.takes(NEW, OLD) == [False, True]
    assert [str(one).partition(str(path))[2] for one in watched.heard.lines] == [
        f" is empty; remove it and let `sallyport init` make it anew; {STAYS}",
        f" has 5 characters; take one of 20 or more by chance, for example of `openssl rand -hex 32`; {STAYS}",
        f" cannot be read (No such file or directory); check the path and its owner; {STAYS}",
    ]
    watched.write(f"{OLD}\n")
    assert watched.takes(NEW) == [False]
    assert watched.heard.lines[3:] == [(SETTING, 1)]


def test_a_link_that_is_swapped_is_seen(tmp_path: Path) -> None:
    """As a kubelet does it: the file's name leads by ..data into a folder with a name of its own."""

    def swap(name: str, content: str) -> None:
        (tmp_path / name).mkdir()
        (tmp_path / name / "policy.token").write_text(content)
        os.utime(tmp_path / name / "policy.token", (1, 1))  # its time says nothing
        (tmp_path / "..new").symlink_to(name)
        (tmp_path / "..new").replace(tmp_path / "..data")

    swap("..1", f"{OLD}\n")
    (tmp_path / "policy.token").symlink_to("..data/policy.token")
    token = SharedToken.from_file(SETTING, tmp_path / "policy.token")
    swap("..2", f"{NEW}\n")
    assert [token.is_shown(one.encode()) for one in (NEW, OLD)] == [True, False]


def test_nobody_looks_at_the_disk_for_each_question(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched, looks = Watched(path, f"{OLD}\n"), counted_looks(monkeypatch)
    for _ in range(1000):
        watched.takes(OLD)
        watched.shown_to(OLD)
        watched.now += 0.01
    assert 9 <= next(looks) <= 11


def counted_looks(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    seen, original = [0], Path.stat

    def stat(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        seen[0] += 1
        return original(self, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", stat)
    return iter(lambda: seen[0], -1)

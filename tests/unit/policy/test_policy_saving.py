"""The policy file put in place by somebody: with what was there before, who did it, and nothing overwritten unseen."""

import fcntl
import os
import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine

from policy.rulebook import parse, replacing, shipped
from policy.rulebook.at_hand import file_at_hand
from policy.rulebook.own import own_part
from policy.rulebook.replacing import ChangedMeanwhile, stamp_of
from policy.store.audit import Actor, Wanted, newest
from policy.store.identities import IdentityStore
from policy.store.policy_book import Applied, NewPolicy, applied_by

SMALL = '[profiles.person]\nrecipients = "2/hour"\n'
OTHER = "[profiles.app]\nsessions = 9\n"
BEFORE, AFTER = shipped().digest, parse(SMALL, "small").digest
NOW = 1_700_000_000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "policy.toml"


@pytest.fixture
def root(engine: Engine) -> IdentityStore:
    return IdentityStore(engine, bytes(32), Actor("console:root", "192.0.2.1"))


def new(path: Path, read: str | None = None) -> NewPolicy:
    return NewPolicy(path=path, text=SMALL, before=BEFORE, after=AFTER, changes=["a: 1 -> 2"], read=read)


def test_who_has_put_it_in_place(engine: Engine, root: IdentityStore, path: Path) -> None:
    root.apply_policy(new(path, stamp_of(b"")), NOW)
    assert path.read_text() == SMALL
    (act,) = newest(engine, Wanted(subject="policy"))
    assert (act.actor, act.before, act.after) == (
        "console:root", {"digest": BEFORE}, {"digest": AFTER, "changes": ["a: 1 -> 2"]},
    )  # fmt: skip
    assert applied_by(engine) == {AFTER: Applied(NOW, "console:root")}
    root.apply_policy(new(path), NOW + 1)
    assert applied_by(engine) == {AFTER: Applied(NOW + 1, "console:root")}


def test_what_somebody_else_has_written_stays(engine: Engine, root: IdentityStore, path: Path) -> None:
    """And then nothing is in the audit log."""
    path.write_text(OTHER)
    with pytest.raises(ChangedMeanwhile):
        root.apply_policy(new(path, stamp_of(b"")), NOW)
    assert path.read_text() == OTHER
    assert newest(engine, Wanted(subject="policy")) == []
    root.apply_policy(new(path, stamp_of(OTHER.encode())), NOW)
    assert path.read_text() == SMALL
    assert replacing.kept(path).read_text() == OTHER


def test_where_it_cannot_be_written(engine: Engine, root: IdentityStore) -> None:
    with pytest.raises(OSError, match="No such file"):
        root.apply_policy(new(Path("/nonexistent/policy.toml")), NOW)
    assert newest(engine, Wanted(subject="policy")) == []


def test_two_at_the_same_time_wait_for_each_other(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one sees what the first one has written."""
    descriptor, waits = os.open(path.parent, os.O_RDONLY), threading.Event()
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    real = fcntl.flock

    def flock(file: int, how: int) -> None:
        waits.set()
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    second = threading.Thread(target=replacing.replace, args=(path, SMALL))
    second.start()
    assert waits.wait(30)
    path.write_text(OTHER)
    os.close(descriptor)
    second.join(30)
    assert (path.read_text(), replacing.kept(path).read_text()) == (SMALL, OTHER)


def test_who_may_read_it_stays(path: Path) -> None:
    replacing.replace(path, "")
    assert path.stat().st_mode & 0o777 == 0o644
    path.chmod(0o600)
    replacing.replace(path, SMALL)
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_owner_that_cannot_stay(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Policy runs as the one before: everybody may read it then."""

    def forbidden(*_: object) -> None:
        raise PermissionError

    path.write_text("")
    path.chmod(0o600)
    monkeypatch.setattr("os.chown", forbidden)
    replacing.replace(path, SMALL)
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_file_at_hand(path: Path) -> None:
    """None, a good one, a broken one, one that is no text."""
    none = file_at_hand(path)
    assert (none.text, none.rulebook, none.is_there, none.is_writable) == (None, shipped(), False, True)
    path.write_text(SMALL)
    good = file_at_hand(path)
    assert (good.text, good.faults) == (SMALL, ())
    assert good.rulebook
    assert good.rulebook.digest == AFTER
    assert good.stamp == stamp_of(SMALL.encode()) != none.stamp
    path.write_text("[mode]\n")
    broken = file_at_hand(path)
    assert broken.rulebook is None
    assert [fault.line for fault in broken.faults] == [1]
    path.write_bytes(b"\xff")
    assert file_at_hand(path).faults[0].why == "the file is not UTF-8"
    assert not file_at_hand(Path("/nonexistent/policy.toml")).is_writable


def test_the_own_part_is_short() -> None:
    """What is shipped is not repeated, and the shipped policy is nothing at all."""
    assert own_part(shipped()) == ""
    assert own_part(parse(f"# a comment\n{SMALL}", "small")) == SMALL

"""The log is followed without loss: any cuts, rotations and crashes, and every line is in the outbox exactly once.

The machine of Hypothesis writes a log as Postfix does, moves it away, kills the agent, and plays a policy that is away
or dies before its answer arrives. A kill is played by an error at a moment of a step: the store is opened anew, and
whatever was not committed is gone.
"""

import contextlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import queue_agent.ledger
import queue_agent.log
from maillog.syslog import Calendar
from queue_agent import following
from queue_agent.following import Log
from queue_agent.ledger import follow
from queue_agent.rotation import remove_old, rotate
from queue_agent.store import Position, Store

NOW = 1_795_736_984.0
STAMP = "Nov 26 10:00:00 mail postfix-sallyport"
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # each step is on disk before the next one
QUIET = following.QUIET_S


class Killed(BaseException):
    """kill -9."""


def come(queue_id: str, submission: str) -> str:
    return (
        f"{STAMP}/smtpd[1]: {queue_id}: client=gateway[10.0.0.1], orig_queue_id={submission}, orig_client=h[192.0.2.1]"
    )


def sent(queue_id: str, recipient: str) -> str:
    how = "relay=mx[192.0.2.9]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)"
    return f"{STAMP}/smtp[2]: {queue_id}: to=<{recipient}>, {how}"


class FollowedLog(RuleBasedStateMachine):
    """`written` are the recipients that the log has named, `reported` those that policy was told, how often ever."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY))
        self.path = self.folder / "postfix.log"
        self.now = NOW
        self.written = list[str]()
        self.reported = Counter[str]()
        self.part = b""
        self.done = list[str]()  # what policy has taken, in its order
        self.writer = self.path.open("ab", buffering=0)
        self.is_moved = False
        self.rotations = 0
        self.reopen()

    def reopen(self) -> None:
        self.store = Store(self.folder / "state" / "queue.db")
        self.log, self.calendar = Log(self.path), Calendar(None, self.now)

    def teardown(self) -> None:
        self.store.close()
        self.writer.close()
        shutil.rmtree(self.folder)

    @initialize()
    def message(self) -> None:
        self.writer.write(f"{come('4jbCvX3bs2zJB60', 's1')}\n".encode())

    @rule(number=st.integers(1, 40), cut=st.integers(0, 80))
    def write(self, number: int, cut: int) -> None:
        """Some lines, and perhaps the beginning of one more."""
        lines = []
        for _ in range(number):
            self.written.append(f"r{len(self.written)}@elsewhere.example")
            lines.append(sent("4jbCvX3bs2zJB60", self.written[-1]) + "\n")
        octets = self.part + "".join(lines).encode()
        self.part = octets[len(octets) - cut :] if cut else b""
        self.writer.write(octets[: len(octets) - cut])

    @rule(rubbish=st.binary(max_size=200))
    def rubbish(self, rubbish: bytes) -> None:
        """What is no line of Postfix's, between whole ones."""
        self.finish()
        self.writer.write(rubbish.replace(b"\n", b"") + b"\n")

    def finish(self) -> None:
        self.writer.write(self.part)
        self.part = b""

    @precondition(lambda self: not self.is_moved)
    @rule()
    def move_away(self) -> None:
        """As the agent or somebody else does; the writer goes on in the old file."""
        self.rotations += 1
        self.path.rename(self.path.with_name(f"postfix.log.20261126-{self.rotations:06}"))
        self.is_moved = True

    @precondition(lambda self: self.is_moved)
    @rule()
    def begin_anew(self) -> None:
        """The writer is reloaded: its last line is whole."""
        self.finish()
        self.writer.close()
        self.writer = self.path.open("ab", buffering=0)
        self.is_moved = False

    @rule(seconds=st.sampled_from([0.1, QUIET, 3600.0]), pieces=st.integers(1, 5))
    def follow(self, seconds: float, pieces: int) -> None:
        self.now += seconds
        for _ in range(pieces):
            follow(self.store, self.log, self.calendar, self.now)

    @rule(at=st.integers(1, 60))
    def die_while_following(self, at: int) -> None:
        """At any statement of the transaction."""
        self.die(at, lambda: follow(self.store, self.log, self.calendar, self.now))

    def die(self, at: int, what: Callable[[], object]) -> None:
        left = at

        def count(_: str) -> None:
            nonlocal left
            left -= 1
            if not left:
                raise Killed

        before = self.store._connection
        self.store._connection = Dying(before, count)  # type: ignore[assignment]  # stands in for it
        with contextlib.suppress(Killed):
            what()
        before.close()
        self.reopen()

    @rule(limit=st.integers(1, 50), is_there=st.booleans(), answer_arrives=st.booleans())
    def report(self, limit: int, is_there: bool, answer_arrives: bool) -> None:
        number, deliveries = self.store.reports(limit)
        if deliveries and is_there:
            self.reported.update(one.recipient for one in deliveries)
            if answer_arrives:
                self.store.taken(number)
                self.done += [one.recipient for one in deliveries]

    @rule()
    def rotate(self) -> None:
        position = self.store.position()
        if position and not self.is_moved and self.is_at_end(position):
            self.is_moved = rotate(self.log, position, 100, self.now)

    def is_at_end(self, position: Position) -> bool:
        status = self.path.stat()
        return (status.st_ino, status.st_size) == (position.inode, position.offset)

    @rule()
    def remove_old(self) -> None:
        if position := self.store.position():
            remove_old(self.log, position, 1)

    @invariant()
    def nothing_is_there_twice(self) -> None:
        """What policy has taken, and what waits for it, is a beginning of what was written."""
        waiting = [one.recipient for one in self.store.reports(10_000)[1]]
        assert self.done + waiting == self.written[: len(self.done) + len(waiting)]
        assert all(self.reported[recipient] >= 1 for recipient in self.done)

    @rule()
    def everything_comes(self) -> None:
        """Once nobody dies any more: all of it, in its order."""
        if self.is_moved:
            self.begin_anew()
        self.finish()
        for _ in range(len(self.written) + 4 * self.rotations + 20):
            self.now += QUIET
            follow(self.store, self.log, self.calendar, self.now)
        waiting = [one.recipient for one in self.store.reports(10_000)[1]]
        assert self.done + waiting == self.written


class Dying:
    """A connection that is asked for the last time."""

    def __init__(self, connection: Any, count: Callable[[str], None]) -> None:
        self._connection, self._count = connection, count

    def execute(self, statement: str, *values: Any) -> Any:
        if statement != "ROLLBACK":
            self._count(statement)
        return self._connection.execute(statement, *values)

    def close(self) -> None:
        self._connection.close()


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few lines are many pieces."""
    monkeypatch.setattr(following, "CHUNK", 700)
    monkeypatch.setattr(following, "LINE_LIMIT", 600)


TestFollowedLog = FollowedLog.TestCase
TestFollowedLog.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def followed(store: Store, log: Log, now: float) -> None:
    """To the end, as far as it can be read now."""
    calendar = Calendar(None, NOW)
    while follow(store, log, calendar, now)[0]:
        pass


def recipients(store: Store) -> list[str]:
    return [one.recipient for one in store.reports(1000)[1]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    one = tmp_path / "log" / "postfix.log"
    one.parent.mkdir()
    return one


def test_a_line_that_is_not_ended_waits(store: Store, path: Path) -> None:
    """Postfix may be in the middle of it."""
    path.write_text(f"{come('AAAAAAAA', 's1')}\n{sent('AAAAAAAA', 'a@b.example')}")
    log = Log(path)
    followed(store, log, NOW)
    assert recipients(store) == []
    with path.open("a") as file:
        file.write("\n")
    followed(store, log, NOW)
    assert recipients(store) == ["a@b.example"]


def test_the_old_file_is_read_while_it_is_written_to(store: Store, path: Path) -> None:
    """Postfix writes into it until it has reloaded, and so does a daemon that is late: only then comes the new one."""
    path.write_text(f"{come('AAAAAAAA', 's1')}\n")
    log = Log(path)
    followed(store, log, NOW)
    old = path.rename(path.with_name("postfix.log.20261126-000000"))
    path.write_text(f"{sent('AAAAAAAA', 'new@b.example')}\n")
    followed(store, log, NOW)
    with old.open("a") as file:
        file.write(f"{sent('AAAAAAAA', 'late@b.example')}\n")
    followed(store, log, NOW + QUIET / 2)
    assert recipients(store) == ["late@b.example"]
    followed(store, log, NOW + QUIET)
    assert recipients(store) == ["late@b.example"]
    followed(store, log, NOW + 2 * QUIET)
    assert recipients(store) == ["late@b.example", "new@b.example"]


@pytest.mark.parametrize("damage", ["cut off", "removed", "another one"])
def test_what_somebody_took_away_is_told_and_the_rest_is_read(
    store: Store, path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """copytruncate, rm, and a file of the same inode that is another one."""
    told = []
    monkeypatch.setattr(queue_agent.log, "log_lost", lambda: told.append(1))
    path.write_text(f"{come('AAAAAAAA', 's1')}\n{sent('AAAAAAAA', 'a@b.example')}\n")
    log = Log(path)
    followed(store, log, NOW)
    rest = f"{sent('AAAAAAAA', 'b@b.example')}\n"
    if damage == "removed":
        path.unlink()
    path.write_text(rest if damage != "another one" else "x" * 1000 + "\n" + rest)
    followed(store, log, NOW)
    assert told == [1]
    assert recipients(store) == ["a@b.example", "b@b.example"]


def test_a_line_without_an_end_is_no_line(store: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither memory nor the position waits for it."""
    monkeypatch.setattr(following, "LINE_LIMIT", 500)
    path.write_text(f"{come('AAAAAAAA', 's1')}\n" + "x" * 5000 + f"\n{sent('AAAAAAAA', 'a@b.example')}\n")
    followed(store, Log(path), NOW)
    assert recipients(store) == ["a@b.example"]


def test_while_policy_has_too_much_to_take_the_log_waits(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On disk, where it is anyway: the store does not grow, and nothing is lost."""
    monkeypatch.setattr(queue_agent.ledger, "OUTBOX_LIMIT", 3)
    lines = [come("AAAAAAAA", "s1"), *(sent("AAAAAAAA", f"r{number}@b.example") for number in range(30))]
    path.write_text("".join(f"{line}\n" for line in lines))
    log, seen = Log(path), []
    for _ in range(40):
        followed(store, log, NOW)
        number, reports = store.reports(1000)
        assert len(reports) <= 3 + 5  # of the piece that crossed the line
        seen += [one.recipient for one in reports]
        store.taken(number)
    assert seen == [f"r{number}@b.example" for number in range(30)]


def test_old_files_go_once_they_are_read(store: Store, path: Path) -> None:
    """The newest of them stay for people."""
    for number in range(4):
        path.with_name(f"postfix.log.20261126-00000{number}").write_text(f"{come(f'AAAAAAA{number}', 's')}\n")
    path.write_text("")
    log = Log(path)
    followed(store, log, NOW)
    position = store.position()
    assert position
    assert remove_old(log, position, 2) == []
    for step in range(1, 10):
        followed(store, log, NOW + step * QUIET)
    position = store.position()
    assert position
    assert [one.name for one in remove_old(log, position, 2)] == [f"postfix.log.20261126-00000{n}" for n in range(2)]
    assert len(list(path.parent.iterdir())) == 3


def test_a_log_that_is_not_large_stays(store: Store, path: Path) -> None:
    path.write_text(f"{come('AAAAAAAA', 's1')}\n")
    log = Log(path)
    followed(store, log, NOW)
    position = store.position()
    assert position
    assert not rotate(log, position, 10_000, NOW)
    assert rotate(log, position, 10, NOW)
    assert [one.name for one in path.parent.iterdir()] == ["postfix.log.20261126-234944"]
    assert not rotate(log, position, 10, NOW)


def test_the_log_goes_away_after_a_clock_was_set_back(store: Store, path: Path) -> None:
    """The newest line has a time that is still to come: whatever is there now is followed."""
    path.write_text(f"{come('AAAAAAAA', 's1')}\n{sent('AAAAAAAA', 'a@b.example')}\n")
    log, later = Log(path), NOW + 400 * 86_400
    followed(store, log, NOW)
    position = store.position()
    assert position
    store.move(position._replace(at=later))
    path.unlink()
    path.write_text(f"{sent('AAAAAAAA', 'b@b.example')}\n")
    followed(store, log, NOW)
    assert recipients(store) == ["a@b.example", "b@b.example"]


def test_a_clock_that_is_set_back_does_not_keep_the_old_file(store: Store, path: Path) -> None:
    """Its quiet is measured anew."""
    path.write_text(f"{come('AAAAAAAA', 's1')}\n")
    log = Log(path)
    followed(store, log, NOW)
    path.rename(path.with_name("postfix.log.20261126-000000"))
    path.write_text(f"{sent('AAAAAAAA', 'a@b.example')}\n")
    followed(store, log, NOW)
    for at in (NOW - 3600, NOW - 3600 + QUIET):
        followed(store, log, at)
    assert recipients(store) == ["a@b.example"]

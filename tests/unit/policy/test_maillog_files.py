"""Logs as files, and messages as they are joined: packed or not, several, cut off, in any order."""

import bz2
import gzip
import io
import lzma
import os
import random
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maillog.events import (
    Delivered,
    Event,
    LoggedDelivery,
    LoggedMessage,
    Named,
    Queued,
    Received,
    Removed,
    Told,
)
from maillog.files import STANDARD_INPUT, Log, LogUnreadable, Reading
from maillog.joining import Joiner, join
from maillog.journal import read_document
from maillog.packed import PackedFile
from maillog.span import span_of
from maillog.syslog import Calendar, read_line
from maillog.wording import read_event, read_events

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp()
READING = Reading(now=NOW, zone=UTC)
LOG = (Path(__file__).parent / "maillogs" / "postfix-3.10.log").read_bytes()


def told(*paths: Path, reading: Reading = READING) -> list[Told]:
    return list(Log(paths, reading).told())


def queue_ids(found: Iterable[Told]) -> list[str]:
    return [one.queue_id for one in found if isinstance(one, LoggedMessage)]


PACKERS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("plain", bytes),
    ("gzip", gzip.compress),
    ("bzip2", partial(bz2.compress, compresslevel=1)),
    ("xz", lzma.compress),
]


@pytest.mark.parametrize("pack", [pack for _, pack in PACKERS], ids=[name for name, _ in PACKERS])
def test_packed_or_not(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """By what is in it and not by its name; how far it is is told in octets of the file as it lies there."""
    (tmp_path / "log").write_bytes(pack(LOG))
    log = Log([tmp_path / "log"], READING)
    assert queue_ids(log.told()) == ["4Xk9ZT0sKxz1qDp"]
    assert (log.lines, log.unreadable, log.broken) == (13, 0, [])
    assert log.octets == log.octets_read == len(pack(LOG))
    assert span_of([tmp_path / "log"], READING) == (
        datetime(2026, 11, 6, 10, 14, 1, 120034, tzinfo=UTC).timestamp(),
        datetime(2026, 11, 6, 10, 14, 3, 460034, tzinfo=UTC).timestamp(),
    )


def test_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packed, too. Nobody knows how long it is."""

    class Input:
        buffer = io.BytesIO(gzip.compress(LOG))

    monkeypatch.setattr(sys, "stdin", Input)
    log = Log([STANDARD_INPUT], READING)
    assert queue_ids(log.told()) == ["4Xk9ZT0sKxz1qDp"]
    assert log.octets is None
    assert span_of([STANDARD_INPUT], READING) is None


def test_several_files_are_read_in_the_order_of_time(tmp_path: Path) -> None:
    """Also where one goes on in the middle of another, as those of two hosts do."""
    lines = LOG.splitlines(keepends=True)
    (tmp_path / "a").write_bytes(b"".join(lines[::2]))
    (tmp_path / "b").write_bytes(b"".join(lines[1::2]))
    for order in (("a", "b"), ("b", "a")):
        log = Log([tmp_path / name for name in order], READING)
        moments = [line.at for line in log.read()]
        assert moments == sorted(moments)
        assert log.lines == len(lines)
        (one,) = (one for one in told(*(tmp_path / name for name in order)) if isinstance(one, LoggedMessage))
        assert len(one.recipients) == 3


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(LOG)
    with pytest.raises(LogUnreadable, match="missing cannot be read: No such file"):
        Log([tmp_path / "a", tmp_path / "missing"], READING)
    with pytest.raises(LogUnreadable, match="directory"):
        Log([tmp_path], READING)


@pytest.mark.parametrize("pack", [pack for _, pack in PACKERS[1:]], ids=[name for name, _ in PACKERS[1:]])
def test_a_packed_file_that_breaks_off(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """What was in it until then counts, and the other files are read."""
    chance = random.Random(1)  # noqa: S311 - the same noise each time
    noise = b"".join(
        b"Nov  6 10:14:%02d mail postfix/smtpd[1]: %032x\n" % (n % 60, chance.getrandbits(128)) for n in range(9999)
    )
    packed = pack(noise)
    (tmp_path / "broken").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "whole").write_bytes(LOG)
    log = Log([tmp_path / "broken", tmp_path / "whole"], READING)
    assert queue_ids(log.told()) == ["4Xk9ZT0sKxz1qDp"]
    (sentence,) = log.broken
    assert sentence.startswith(f"{tmp_path / 'broken'} is broken behind line ")
    assert span_of([tmp_path / "broken"], READING)


def test_everything_is_closed(tmp_path: Path) -> None:
    """A folder of packed files must not end at the limit of open ones."""
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - what is listed are no files
    for name, pack in PACKERS:
        (tmp_path / name).write_bytes(pack(LOG))
        told(tmp_path / name)
        span_of([tmp_path / name], READING)
        PackedFile(tmp_path / name).close()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_the_year_is_that_of_the_file(tmp_path: Path) -> None:
    """A log from December that was changed last in January, read in November: of a line that has no year."""
    path = tmp_path / "mail.log.1"
    path.write_text(
        "Dec 31 10:00:00 mail postfix/qmgr[1]: A: removed\nJan  2 10:00:00 mail postfix/qmgr[1]: A: removed\n"
    )
    changed = datetime(2025, 1, 3, tzinfo=UTC).timestamp()
    os.utime(path, (changed, changed))
    expected = [datetime(2024, 12, 31, 10, tzinfo=UTC).timestamp(), datetime(2025, 1, 2, 10, tzinfo=UTC).timestamp()]
    assert [line.at for line in Log([path], READING).read()] == expected
    assert span_of([path], READING) == tuple(expected)
    given = Reading(now=NOW, zone=UTC, year=2019)
    assert span_of([path], given) == (
        datetime(2019, 12, 31, 10, tzinfo=UTC).timestamp(),
        datetime(2020, 1, 2, 10, tzinfo=UTC).timestamp(),
    )


def test_what_is_no_log(tmp_path: Path) -> None:
    """Is counted, and read to its end: a line without an end does not fill the memory."""
    path = tmp_path / "log"
    path.write_bytes(b"\xff\xfe\0" * 50_000 + b"\n\n" + LOG)
    log = Log([path], READING)
    assert queue_ids(log.told()) == ["4Xk9ZT0sKxz1qDp"]
    assert log.unreadable == 11
    (tmp_path / "empty").touch()
    assert told(tmp_path / "empty") == []
    assert span_of([tmp_path / "empty"], READING) is None


# Joined


@dataclass(frozen=True)
class Letter:
    """One message as the generator means it."""

    number: int
    recipients: int
    is_removed: bool

    def events(self) -> list[Event]:
        """All at one moment, so that any order of them is an order of time."""
        name = f"Q{self.number:05}"
        found: list[Event] = [
            Received(5.0, name, "h", "192.0.2.1", "PLAIN", f"person{self.number}"),
            Named(5.0, name, f"{self.number}@x"),
            Queued(5.0, name, "a@b", 100, self.recipients),
        ]
        found += [
            Delivered(5.0, name, f"r{place}@x", "", "mx", "2.0.0", "sent", "ok") for place in range(self.recipients)
        ]
        return found + [Removed(5.0, name)] * self.is_removed


def interleaved(letters: list[list[Event]], order: random.Random) -> list[tuple[str, Event]]:
    """Each in its own order, all of them mixed."""
    rest, mixed = [list(reversed(one)) for one in letters], []
    while rest := [one for one in rest if one]:
        mixed.append(("mail", order.choice(rest).pop()))
    return mixed


@given(
    letters=st.lists(
        st.builds(Letter, st.integers(0, 10**5), st.integers(1, 5), st.booleans()), unique_by=lambda one: one.number
    ),
    seed=st.integers(),
)
@settings(deadline=None)
def test_the_order_of_sessions_does_not_matter(letters: list[Letter], seed: int) -> None:
    """Whatever lies between the lines of one message."""
    apart = [("mail", event) for letter in letters for event in letter.events()]
    mixed = interleaved([letter.events() for letter in letters], random.Random(seed))  # noqa: S311 - no secret is made of it

    def by_name(events: list[tuple[str, Event]]) -> dict[str, Told]:
        found = [one for one in join(events) if isinstance(one, LoggedMessage)]
        assert len({one.queue_id for one in found}) == len(found) == len(letters)
        return {one.queue_id: one for one in found}

    assert by_name(mixed) == by_name(apart)
    for letter in letters:
        one = by_name(mixed)[f"Q{letter.number:05}"]
        assert isinstance(one, LoggedMessage)
        assert (one.sasl_username, len(one.recipients)) == (f"person{letter.number}", letter.recipients)


@given(
    line=st.one_of(
        st.text(),
        st.builds(
            "{} mail postfix/{}[1]: {}".format,
            st.sampled_from(["Nov  6 10:14:01", "2026-11-06T10:14:01Z", "Feb 30 10:14:01"]),
            st.sampled_from(["smtpd", "cleanup", "qmgr", "smtp", "submission/smtpd"]),
            st.text() | st.lists(st.sampled_from(LOG.decode().split(" ")), max_size=30).map(" ".join),
        ),
    )
)
@settings(deadline=None, max_examples=400)
def test_no_line_makes_it_fail(line: str) -> None:
    found = read_line(line, Calendar(UTC, NOW))
    if found:
        list(join(read_events([found, found._replace(text="last message repeated 2 times", program="")])))
        read_event(found)
    read_document(line)


def test_messages_are_told_in_the_order_in_which_they_were_handed_in() -> None:
    """One that waits for its first attempt keeps those behind it back, for so long and no longer."""
    slow, quick = Letter(1, 2, is_removed=False).events()[:3], Letter(2, 1, is_removed=True).events()
    joiner = Joiner(patience_s=60.0)
    for event in (*slow, *quick):
        assert list(joiner.take("mail", event)) == []
    late = Removed(66.0, "Q00003")
    found = list(joiner.take("mail", late))
    assert queue_ids(found) == ["Q00001", "Q00002"]
    # And what becomes of it is told when it comes.
    (later,) = joiner.take("mail", Delivered(70.0, "Q00001", "r0@x", "", "mx", "5.1.1", "bounced", "no"))
    assert isinstance(later, LoggedDelivery)
    assert (later.sasl_username, later.recipient.status) == ("person1", "bounced")


def test_a_queue_id_that_comes_again() -> None:
    """Short ones are the numbers of files: as soon as one is removed, the next message has it."""
    letters = [Letter(1, 1, is_removed=removed).events() for removed in (False, True, True)]
    found = list(join(("mail", event) for letter in letters for event in letter))
    assert queue_ids(found) == ["Q00001"] * 3


def test_two_hosts_have_the_same_queue_ids() -> None:
    events = Letter(1, 1, is_removed=True).events()
    found = list(join((host, event) for event in events for host in ("a", "b")))
    assert [(one.host, len(one.recipients)) for one in found if isinstance(one, LoggedMessage)] == [("a", 1), ("b", 1)]


def test_what_was_never_accepted_is_no_message() -> None:
    """A client that goes away in the middle leaves a queue id behind."""
    assert list(join(("mail", event) for event in Letter(1, 1, is_removed=False).events()[:2])) == []


def test_messages_that_never_end_do_not_fill_the_memory() -> None:
    """Strangers can begin as many as they like."""
    joiner = Joiner(open_limit=100)
    for number in range(1000):
        list(joiner.take("mail", Received(float(number), f"Q{number}", "h", "192.0.2.1")))
        list(joiner.take("mail", Queued(float(number), f"W{number}", "a@b", 1, 10)))
    assert len(joiner._open) <= 100
    assert len(joiner._waiting) <= 602  # ten minutes of them

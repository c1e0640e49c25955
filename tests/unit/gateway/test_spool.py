"""Content that waits: the first part in memory, the rest in a file that nobody else can open."""

import os
import resource
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import spool
from gateway.spool import MEMORY_LIMIT, Spool


def content(one: Spool) -> bytes:
    rest = b""
    if one.file:
        one.file.seek(0)
        rest = one.file.read()
    return bytes(one.start) + rest


@settings(max_examples=50)
@given(pieces=st.lists(st.integers(0, MEMORY_LIMIT), max_size=6))
def test_what_goes_in_is_there(pieces: list[int]) -> None:
    """For pieces of any size, and the file is begun exactly where memory ends."""
    one = Spool(Path("/tmp"))
    expected = b""
    for number, length in enumerate(pieces):
        expected += bytes([number + 65]) * length
        one.append(bytes([number + 65]) * length)
    assert content(one) == expected
    assert len(one) == len(expected)
    assert len(one.start) == min(len(expected), MEMORY_LIMIT)
    assert (one.file is not None) == (len(expected) > MEMORY_LIMIT)
    one.close()


def test_the_file_has_no_name_and_no_other_reader(tmp_path: Path) -> None:
    """Mode 0600, and no entry in the folder; closed with the spool."""
    one = Spool(tmp_path)
    one.append(b"x" * (MEMORY_LIMIT + 1))
    assert one.file
    state = os.fstat(one.file.fileno())
    assert (state.st_mode & 0o777, state.st_nlink) == (0o600, 0)
    assert list(tmp_path.iterdir()) == []
    number = one.file.fileno()
    one.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


def test_a_full_disk_loses_nothing_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller learns of it, and what was appended before is as it was."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setattr(spool, "MEMORY_LIMIT", 10)
    one = Spool(tmp_path)
    one.append(b"0123456789abc")
    resource.setrlimit(resource.RLIMIT_FSIZE, (3, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            one.append(b"d")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert content(one) == b"0123456789abc"
    one.close()

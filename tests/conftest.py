"""Fixtures that every test can have. Real processes come from harness.py, which this puts on the path."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "stack"), str(HERE.parent)]

from harness import Sallyport, Sink


@pytest.fixture(scope="module")
def sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sink]:
    """A mail sink, the next hop of the tests that need no Postfix."""
    one = Sink(tmp_path_factory.mktemp("sink")).start()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def sallyport(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[Sallyport]:
    """Gateway and policy in front of the sink, shared by a module."""
    one = Sallyport(tmp_path_factory.mktemp("sallyport"), sink.smtp_port)
    try:
        yield one.start()
    finally:
        one.stop()

"""What the tests of the queue agent share: a store in a folder of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from queue_agent.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    one = Store(tmp_path / "queue.db")
    yield one
    one.close()

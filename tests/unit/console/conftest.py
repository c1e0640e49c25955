"""The console of one test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from console_app import Console


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[Console]:
    """With nobody in it."""
    made = Console(tmp_path)
    yield made
    await made.parts.policy_desk.what_ifs.close()
    await made.parts.desk.close()

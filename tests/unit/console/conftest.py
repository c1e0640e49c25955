"""The console of one test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from console_app import Console
from console_world import World, made_world


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[Console]:
    """With nobody in it."""
    made = Console(tmp_path)
    yield made
    await made.parts.policy_desk.what_ifs.close()
    await made.parts.desk.close()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """With people of every role in it."""
    async with made_world(tmp_path) as made:
        yield made

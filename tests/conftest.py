"""Fixtures that every test can have. Real processes come from harness.py, which this puts on the path."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "stack"), str(HERE.parent)]

from harness import Sallyport, Sink

_FOLDER = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """A folder for each run: the next one to start closes the usual folder of all to the users of Postfix's daemons."""
    if not config.option.basetemp:
        config.stash[_FOLDER] = config.option.basetemp = tempfile.mkdtemp(prefix="sallyport-tests-")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """What failed is left to be looked at."""
    if exitstatus == pytest.ExitCode.OK and _FOLDER in session.config.stash:
        shutil.rmtree(session.config.stash[_FOLDER], ignore_errors=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Side by side (make test): a file stays together, for what it shares; so do all that build images, and come first.

    Everything else is apart already: folders, servers and ports are each process's own (harness.free_port).
    """
    if not hasattr(config, "workerinput"):
        return
    in_containers = {item.path for item in items if item.get_closest_marker("containers")}
    for item in items:
        item.add_marker(pytest.mark.xdist_group("containers" if item.path in in_containers else item.path.stem))
    items.sort(key=lambda item: item.path not in in_containers)


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

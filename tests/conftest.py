"""Fixtures that every test can have. Real processes come from harness.py, which this puts on the path."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "stack"), str(HERE.parent)]

from harness import Sallyport, Sink

_FOLDER = pytest.StashKey[str]()
_TOGETHER = "@containers"


def pytest_configure(config: pytest.Config) -> None:
    """A folder for each run: the next one to start closes the usual folder of all to the users of Postfix's daemons."""
    if not config.option.basetemp:
        config.stash[_FOLDER] = config.option.basetemp = tempfile.mkdtemp(prefix="sallyport-tests-")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """What failed is left to be looked at."""
    if exitstatus == pytest.ExitCode.OK and _FOLDER in session.config.stash:
        shutil.rmtree(session.config.stash[_FOLDER], ignore_errors=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Side by side (`make test`) what takes longest begins first, or one process would end with it alone."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: (not _is_in_containers(item), not _is_with_browser(item)))
        for item in items:
            if _is_in_containers(item) or _is_with_browser(item):
                item._nodeid += _TOGETHER  # as xdist's own groups do: the scheduler sees nothing else of a test


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    return _Files(config, log)


class _Files(LoadFileScheduling):
    """Side by side: a file stays together, for what it shares; all that use the container engine are like one, and so
    are all with a browser, which share one site. The two go one after the other: to a browser that is loading a page,
    each network that an engine makes or removes is an error (ERR_NETWORK_CHANGED).

    Everything else is apart already: folders, servers and ports are each process's own (harness.free_port). What of a
    file needs no engine (`native`) does not wait for the rest of it.
    """

    def _split_scope(self, nodeid: str) -> str:
        return _TOGETHER if nodeid.endswith(_TOGETHER) else nodeid.partition("::")[0]


def _is_in_containers(item: pytest.Item) -> bool:
    return item.get_closest_marker("containers") is not None


def _is_with_browser(item: pytest.Item) -> bool:
    return "tests/browser" in str(item.path)


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

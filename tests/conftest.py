"""Fixtures that every test can have. Real processes come from harness.py, which this puts on the path."""

import functools
import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadFileScheduling

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "stack"), str(HERE.parent)]

from harness import Sallyport, Sink

from tests import compiled

compiled.share()
# How long an example may take is no property of what is tested, and on a busy machine it is anything. Examples are the
# same each time; with `--hypothesis-profile=others` they are others.
_ANY_TIME = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("others", _ANY_TIME)
hypothesis.settings.register_profile("sallyport", _ANY_TIME, derandomize=True)
hypothesis.settings.load_profile("sallyport")

# For how long the product waits for somebody else's answer, where that is a few seconds: the machine of a test may
# stand still for longer. A test about the wait sets it to what it needs.
_PATIENCE = (
    "gateway.door._TIMEOUT_S",
    "gateway.health._TIMEOUT_S",
    "gateway.policy_addresses._PATIENCE_S",
    "policy.bridges.issuer._FETCH_TIMEOUT_S",
    "policy.budgets.valkey._PATIENCE_S",
    "policy.containment.queue_client._HEALTH_TIMEOUT_S",
    "policy.neighbours._TIMEOUT_S",
    "policy.pickup._TIMEOUT_S",
    "policy.single_sign_on.provider._ASK_TIMEOUT_S",
    "policy.store.database._BUSY_TIMEOUT_S",
    "policy.store.reader._PATIENCE_S",
    "service.health._TIMEOUT_S",
)
_PATIENT_S = 30.0

_FOLDER = pytest.StashKey[str]()
_MEMORY, _ROOM_BYTES = Path("/dev/shm"), 4 << 30


def pytest_configure(config: pytest.Config) -> None:
    """A folder for each run: the next one to start closes the usual folder of all to the users of Postfix's daemons.

    In memory where there is room: what is tested waits for the disk with each commit and each file of a queue, and no
    test cuts the power.
    """
    if not config.option.basetemp:
        in_memory = _MEMORY if _has_room(_MEMORY) else None
        config.stash[_FOLDER] = config.option.basetemp = tempfile.mkdtemp(prefix="sallyport-", dir=in_memory)


def _has_room(folder: Path) -> bool:
    """Tests start programs there, too."""
    is_ours = os.access(folder, os.W_OK | os.X_OK) and not os.statvfs(folder).f_flag & os.ST_NOEXEC
    return is_ours and shutil.disk_usage(folder).free > _ROOM_BYTES


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """What failed is left to be looked at."""
    if exitstatus == pytest.ExitCode.OK and _FOLDER in session.config.stash:
        shutil.rmtree(session.config.stash[_FOLDER], ignore_errors=True)


def pytest_xdist_auto_num_workers() -> int | None:
    """One more than there are processors: much of what takes long waits for services, and uses none meanwhile.

    The variable of pytest-xdist says it otherwise.
    """
    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else len(os.sched_getaffinity(0)) + 1


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays until the end: no garbage is looked for meanwhile, nor in it later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Side by side (`make test`) what takes longest begins first, or one process would end with it alone."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: (not _is_in_containers(item.path, item.nodeid), "tests/browser" not in item.nodeid))


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
        file = nodeid.partition("::")[0]
        is_with_browser = file.startswith("tests/browser/")
        return "containers" if is_with_browser or _is_in_containers(self.config.rootpath / file, nodeid) else file


def _is_in_containers(path: Path, nodeid: str) -> bool:
    return _names_containers(path) and "[native" not in nodeid


@functools.cache
def _names_containers(path: Path) -> bool:
    return "pytest.mark.containers" in path.read_text()


@pytest.fixture(scope="session", autouse=True)
def patient() -> Iterator[None]:
    """In this process; those that it starts are as shipped."""
    with pytest.MonkeyPatch.context() as patched:
        for name in _PATIENCE:
            patched.setattr(name, _PATIENT_S)
        yield


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

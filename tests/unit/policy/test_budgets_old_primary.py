"""A Valkey primary that is paused, replaced, and goes on with the numbers that it had. Real servers."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness import free_port, until
from structlog.testing import capture_logs
from test_budgets_valkey import LIMIT, answers, asked, running
from valkey_server import NOT_INSTALLED, Server, is_possible

WAITED_S = 5.0  # twice: for the primary that is paused, and for replicas that it has no more


@dataclass(frozen=True)
class Three:
    """A primary, two replicas in step with it, and the name under which whoever is primary is found."""

    primary: Server
    first: Server
    second: Server
    first_port: int
    name: Path

    def promote(self) -> None:
        """As a sentinel does it while the old primary does not answer: it can be told nothing."""
        self.first.order("REPLICAOF", "NO", "ONE")
        self.second.order("REPLICAOF", "127.0.0.1", str(self.first_port))
        self.name.unlink()
        self.name.symlink_to(self.first.socket)
        self.first.order("SET", "step", "2")
        until(lambda: self.second.order("GET", "step") == "2", "the other replica follows the new primary")


@contextmanager
def three(tmp_path: Path) -> Iterator[Three]:
    with ExitStack() as servers:
        ports = [free_port() for _ in range(2)]  # replication has no sockets but TCP
        settings = {"bind": "127.0.0.1", "repl_diskless_sync_delay": "0"}
        primary, first = (servers.enter_context(running(port=str(port), **settings)) for port in ports)
        second = servers.enter_context(running())
        for one in (first, second):
            one.order("REPLICAOF", "127.0.0.1", str(ports[0]))
        primary.order("SET", "step", "1")
        until(lambda: [one.order("GET", "step") for one in (first, second)] == ["1", "1"], "the replicas are in step")
        name = tmp_path / "primary"
        name.symlink_to(primary.socket)
        yield Three(primary, first, second, ports[1], name)


@pytest.mark.skipif(not is_possible(), reason=NOT_INSTALLED)
def test_the_old_primary_lets_nothing_through_when_it_comes_back(tmp_path: Path) -> None:
    """Two policies: one has noticed, the other still has its connection to the old one, which knows half of it all."""
    with (
        three(tmp_path) as servers,
        asked(servers.name, 1, patience_s=WAITED_S) as awake,
        asked(servers.name, 1, patience_s=WAITED_S) as asleep,
    ):
        before = answers(awake, 2, "before") + answers(asleep, 1, "before, too")
        servers.primary.pause()
        servers.promote()
        assert answers(awake, 1, "to the one that is paused") == 0
        meanwhile = answers(awake, LIMIT - before - 1, "meanwhile")
        assert before + meanwhile == LIMIT - 1
        servers.primary.go_on()  # it thinks that it is the primary, and that there is room for three
        assert servers.primary.order("ROLE")[0] == "master"  # type: ignore[index]  # a list
        with capture_logs() as logs:
            assert answers(asleep, 1, "to the old one") == 0
        assert [line["reason"] for line in logs if line["event"] == "budgets-away"] == ["0 of 1 replicas have it"]
        # Both ask the new one from now on. What got no answer is counted nowhere that matters.
        assert answers(asleep, LIMIT, "after") + answers(awake, LIMIT, "after, too") == 1

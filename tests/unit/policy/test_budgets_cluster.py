"""A real cluster of three servers: where the keys of one decision are, and what a cluster is good for.

All of them are in one slot, so on one node: a cluster works, and shares nothing out. docs/capacity.md says why, and
what would be done in its place.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest
import valkey
from harness import free_port, until
from structlog.testing import capture_logs
from valkey_server import NOT_INSTALLED, Server, is_possible

from policy.assembly import Parts, assemble
from policy.brain import Brain
from policy.budgets.location import server_at
from policy.budgets.valkey import BudgetsAway, ValkeyBudgets
from policy.contract import Action, MessageFacts
from policy.engine.rulebook import Rulebook
from policy.geo.atlas import Atlas
from policy.rulebook import shipped
from policy.store.database import Location
from policy.store.identities import NewCredential
from policy.store.reader import open_reader
from policy.store.transactions import open_transactions

T = 1_000_000.0  # any moment
SLOTS, NODES = 16384, 3
TAG = "{sallyport}"
OF_ALL = {"domain:", "host-new", "state", "visitors:"}  # what is no identity's own


@dataclass(frozen=True)
class Cluster:
    """Primaries on loopback, each with a third of the slots."""

    nodes: list[Server]
    ports: list[int]

    def slot(self, key: str) -> int:
        return int(str(self.nodes[0].order("CLUSTER", "KEYSLOT", key)))

    def holder(self, key: str) -> int:
        """The number of the node that has its slot."""
        return self.slot(key) * NODES // SLOTS

    def keys(self, node: int) -> set[str]:
        with valkey.Valkey(unix_socket_path=str(self.nodes[node].socket), decode_responses=True) as client:
            return set(client.keys())


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    if not is_possible():
        pytest.skip(NOT_INSTALLED)
    with ExitStack() as running:
        ports, buses = ([free_port() for _ in range(NODES)] for _ in range(2))
        nodes = list[Server]()
        for number, (port, bus) in enumerate(zip(ports, buses, strict=True)):
            node = Server(port=str(port), bind="127.0.0.1", cluster_enabled="yes", cluster_port=str(bus))
            running.callback(node.close)
            nodes.append(node.start())
            first, end = (SLOTS * one // NODES for one in (number, number + 1))
            # A slot has node slot * NODES // SLOTS, so that a share begins where that changes.
            node.order(
                "CLUSTER", "ADDSLOTSRANGE", str(first + bool(number)), str(end if number + 1 < NODES else end - 1)
            )
            node.order("CLUSTER", "MEET", "127.0.0.1", str(ports[0]), str(buses[0]))
        until(lambda: all(map(_is_whole, nodes)), "all slots are with somebody", 30.0)
        yield Cluster(nodes, ports)


def _is_whole(node: Server) -> bool:
    said = str(node.order("CLUSTER", "INFO"))
    return "cluster_state:ok" in said and f"cluster_known_nodes:{NODES}" in said


@pytest.fixture
def rulebook() -> Rulebook:
    return shipped()


@asynccontextmanager
async def policy_on(port: int, where: Location, rulebook: Rulebook) -> AsyncIterator[Brain]:
    """All of policy, with its budgets at one node."""
    made = assemble(
        Parts(
            reader=open_reader(where),
            transactions=open_transactions(where),
            key=bytes(range(32)),
            rulebook=lambda: rulebook,
            atlas=Atlas(None, None),
            clock=lambda: T,
            domains=("example.org",),
            counts=ValkeyBudgets(server_at(f"valkey://127.0.0.1:{port}")),
            patience_s=0,
        )
    )
    try:
        yield made
    finally:
        await made.close()


def message(number: int) -> MessageFacts:
    """From a strange network, to strangers: every budget has a part in it."""
    return MessageFacts(
        submission=f"m{number}",
        session="s1",
        listener="submission",
        client_address="198.51.100.9",
        client_name="laptop.example",
        credential=1,
        reverse_path="ada@example.org",
        recipients=("bob@example.net", "cleo@example.com"),
        authors=("ada@example.org",),
        senders=(),
        names=(),
        message_bytes=100,
    )


async def test_all_keys_of_a_decision_are_in_one_slot(
    cluster: Cluster, database: Location, rulebook: Rulebook, ada: NewCredential
) -> None:
    """The script may touch them all, for they are on one node; and all that there is is on it."""
    node = cluster.holder(TAG)
    async with policy_on(cluster.ports[node], database, rulebook) as brain:
        assert (await brain.judge(message(1))).action is Action.ACCEPT
    keys = cluster.keys(node)
    assert {cluster.slot(key) for key in keys} == {cluster.slot(TAG)}
    assert [cluster.keys(other) for other in range(NODES) if other != node] == [set(), set()]
    names = {_name(key) for key in keys}
    of_ada = {name for name in names if name.endswith(":ada") or name.startswith(("credential:", "r:"))}
    assert {one for one in OF_ALL for name in names - of_ada if name.startswith(one)} == OF_ALL
    assert all(name.startswith(tuple(OF_ALL)) for name in names - of_ada)
    # With a tag for each identity these would be elsewhere, and no server runs a script over several slots.
    tagged = ["{ada}:c:recipients:ada", "{example.org}:c:domain:example.org"]
    with pytest.raises(valkey.ResponseError, match="same slot"):
        cluster.nodes[cluster.holder(tagged[0])].order("EVAL", "return 1", "2", *tagged)


async def test_another_node_lets_nothing_through(
    cluster: Cluster, database: Location, rulebook: Rulebook, ada: NewCredential
) -> None:
    """It says where the slot is, and policy follows nobody: refused for the time being, and said in the log."""
    other = (cluster.holder(TAG) + 1) % NODES
    async with policy_on(cluster.ports[other], database, rulebook) as brain:
        with capture_logs() as logs, pytest.raises(BudgetsAway):
            await brain.judge(message(2))
    (why,) = [line["reason"] for line in logs if line["event"] == "budgets-away"]
    assert why.startswith("MOVED ")


def _name(key: str) -> str:
    """Without the tag and what kind of key it is."""
    name = key.removeprefix(f"{TAG}:")
    kind, colon, rest = name.partition(":")
    return rest if colon and kind in {"c", "s", "b"} else name

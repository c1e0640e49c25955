"""`doctor`, `dns --check` and `dkim` through the queue agent's own application, in a world of the tests' own."""

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.asyncresolver
import dns.zone
import pytest
import uvicorn
from answering_dns import AnsweringDns
from command_line import CommandLine, InProcess
from harness import free_port, until

from policy.queue_contract import QueueName, Statistics
from queue_agent.app import App
from queue_agent.outside import Outside
from queue_agent.trail import Trail
from service.shared_token import SharedToken

TOKEN = "token-of-the-queue-agent"
HOST, DOMAIN, ADDRESS = "mail.example.org", "example.org", "127.0.0.1"
POINTER = "1.0.0.127.in-addr.arpa"


class FewQueued:
    """Of the agent's queue what `doctor` asks for."""

    found = Statistics(messages={QueueName.HOLD: 2}, octets=900, oldest_at=None, log_at=None, unreported=0)

    async def statistics(self) -> Statistics:
        return self.found

    def __getattr__(self, name: str) -> None:
        """Changes, none of which anybody asks for here."""


@dataclass
class Told:
    """The command line, and the world."""

    command: CommandLine
    world: AnsweringDns
    settings: dict[str, str]

    def __call__(self, *arguments: str) -> Any:
        return self.command(*arguments, **self.settings)

    def states(self, *arguments: str) -> dict[str, str]:
        """The state of each thing that was looked at; the worst, where there are several."""
        order = ["fine", "unknown", "warning", "wrong"]
        found: dict[str, str] = {}
        for one in json.loads(self(*arguments, "--json").stdout):
            found[one["what"]] = max(found.get(one["what"], "fine"), one["state"], key=order.index)
        return found

    def publish(self, printed: str) -> None:
        """What `dns` printed, read as a zone file by somebody else's library."""
        zone = dns.zone.from_text(f"@ 300 IN SOA . . 1 1 1 1 1\n@ 300 IN NS .\n{printed}", origin=".", relativize=False)
        for name, _, record in zone.iterate_rdatas():
            if name.to_text() != ".":
                table, kind = self.world.table, record.rdtype.name
                table.setdefault((name.to_text(omit_final_dot=True), kind), []).append(record.to_text())


@pytest.fixture
def world() -> Iterator[AnsweringDns]:
    table = {
        (HOST, "A"): [ADDRESS],
        (POINTER, "PTR"): [f"{HOST}."],
        ("gmail.com", "MX"): ["10 mx.gmail.com."],
        ("mx.gmail.com", "A"): [ADDRESS],
        ("org", "TXT"): ["signed"],
    }
    with AnsweringDns(table, secure=("org",)) as answering:
        yield answering


@pytest.fixture
def smtp_port() -> Iterator[int]:
    """Somebody who takes mail, and says from where it comes."""
    loop, port = asyncio.new_event_loop(), free_port()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx ESMTP\r\n")
        while line := await reader.readline():
            writer.write(b"221 bye\r\n" if line.startswith(b"QUIT") else b"250 mx at your service, [127.0.0.1]\r\n")
        writer.close()

    server = loop.run_until_complete(asyncio.start_server(talk, "127.0.0.1", port))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield port
    loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def told(tmp_path: Path, world: AnsweringDns, smtp_port: int) -> Iterator[Told]:
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], world.port
    outside = Outside(time_server="", resolver=resolver, may_talk_to=lambda _: True, smtp_port=smtp_port)
    port = free_port()
    # Of the queue one question is asked.
    app = App(FewQueued(), outside, Trail(Path("/nowhere")), SharedToken(TOKEN))  # type: ignore[arg-type]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started, "the agent answers")
    (tmp_path / "queue.token").write_text(TOKEN)
    (tmp_path / "queue.token").chmod(0o600)
    settings = {
        "POLICY_QUEUE_URL": f"http://127.0.0.1:{port}",
        "POLICY_QUEUE_TOKEN_FILE": str(tmp_path / "queue.token"),
        "POLICY_DOMAINS": DOMAIN,
        "POLICY_HOSTNAME": HOST,
        "POLICY_MX": "mx.example.org",
        "POLICY_CONSOLE_URL": "https://console.example.org",
    }
    command = InProcess(tmp_path)
    assert command("init", **settings).returncode == 0
    yield Told(command, world, settings)
    server.should_exit = True
    thread.join()


def test_nothing_is_published_yet(told: Told) -> None:
    """Each record that is missing has its line, and the exit code is 1."""
    found = told.states("doctor")
    wrong = {what for what, state in found.items() if state == "wrong"}
    assert {f"MX of {DOMAIN}", f"SPF of {DOMAIN}", f"DMARC of {DOMAIN}"} <= wrong
    assert len([what for what in wrong if what.startswith("DKIM ")]) == 2
    fine = {"host name", "reverse DNS", "port 25 out", "DNSSEC", "queue"}
    assert {found[what] for what in fine} == {"fine"}
    assert found["time"] == "unknown"
    for command in (("doctor",), ("dns", DOMAIN, "--check")):
        told_of = told(*command)
        assert told_of.returncode == 1
        assert told_of.stderr.endswith(" findings say that something is wrong\n")


def test_all_is_published(told: Told) -> None:
    """What `dns` prints, pasted into a zone, satisfies `dns --check` and `doctor`."""
    told.publish(told("dns", DOMAIN).stdout)
    checked = told("dns", DOMAIN, "--check")
    assert checked.returncode == 0, checked.stdout
    assert set(told.states("dns", DOMAIN, "--check").values()) == {"fine"}
    states = told.states("doctor")
    assert not [what for what, state in states.items() if state == "wrong"], states


def test_the_domain_of_the_first_start_is_no_matter_of_the_next_one(told: Told) -> None:
    """What the first start gave the administrator there is no reason to publish anything; a person's address is."""
    told.settings["POLICY_DOMAINS"] = "example.net"
    assert told("init").returncode == 0
    found = told.states("doctor")
    assert found[f"domain {DOMAIN}"] == "fine"
    assert [what for what in found if DOMAIN in what and not what.startswith("DANE")] == [f"domain {DOMAIN}"]
    assert found["MX of example.net"] == "wrong"
    assert told("identity", "add", "ada", "--address", f"ada@{DOMAIN}").returncode == 0
    found = told.states("doctor")
    assert f"domain {DOMAIN}" not in found
    assert found[f"MX of {DOMAIN}"] == "wrong"


def test_a_rotation_by_command(told: Told) -> None:
    """The new pair is not used before the DNS shows it; then `activate` does, or `check` by itself."""
    told.publish(told("dns", DOMAIN).stdout)
    printed = told("dkim", "rotate", DOMAIN).stdout
    early = told("dkim", "activate", DOMAIN)
    assert early.returncode == 1
    assert "the DNS does not show both records" in early.stderr
    assert told("dkim", "check", "--json").stdout == "[]\n"
    told.publish(printed)
    assert told("dkim", "activate", DOMAIN).returncode == 0
    told.publish(told("dkim", "rotate", DOMAIN).stdout)
    (changed,) = json.loads(told("dkim", "check", "--json").stdout)
    assert (changed["domain"], changed["state"]) == (DOMAIN, "active")
    assert [one["state"] for one in json.loads(told("dkim", "list", "--json").stdout)] == [
        "retiring",
        "retiring",
        "active",
    ]


def test_an_agent_that_does_not_answer(told: Told) -> None:
    """What cannot be known is said, and is no fault of anybody's; commands that need it say so."""
    told.settings["POLICY_QUEUE_URL"] = f"http://127.0.0.1:{free_port()}"
    states = told.states("doctor")
    assert states["outside"] == "unknown"
    assert not [what for what in states if what.startswith(("SPF", "MX", "queue"))]
    refused = told("dns", DOMAIN, "--check")
    assert (refused.returncode, "the queue agent does not answer" in refused.stderr) == (1, True)

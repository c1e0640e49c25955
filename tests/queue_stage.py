"""A real Postfix with the queue agent beside it, for tests; needs root.

    with staged(tmp_path) as stage:           # Postfix, its log, the agent; policy is played by nobody
        stage.fill(10)                         # messages of the gateway's into the queue; the next hop is down
        stage.ask("hold", ids)                 # POST /v1/hold; what came back
        stage.queue()                          # queue id -> queue, as Postfix says it

`policy_url` and `token` make it report to a real policy. Without a next hop every message stays deferred.
"""

import json
import smtplib
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import ROOT, Postfix, Process, answers, free_port, until

TOKEN = "token-of-the-queue-agent"


@dataclass
class QueueAgent:
    """The agent as a process beside a Postfix."""

    folder: Path
    postfix: Postfix
    policy_url: str = "http://127.0.0.1:1"
    token: str = TOKEN
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        token_file = self.folder / "token"
        token_file.write_text(self.token)
        environment = {
            "QUEUE_AGENT_PORT": str(self.port),
            "QUEUE_AGENT_TOKEN_FILE": str(token_file),
            "QUEUE_AGENT_POLICY_URL": self.policy_url,
            "QUEUE_AGENT_POSTFIX_CONFIG": str(self.postfix.config),
            "QUEUE_AGENT_STATE_DIR": str(self.folder / "state"),
            "QUEUE_AGENT_TIME_SERVER": "",
        } | self.settings
        self.process = Process([sys.executable, "-m", "queue_agent"], environment, self.folder / "agent.log")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "QueueAgent":
        self.process.start()
        until(lambda: answers(self.port), f"the queue agent answers\n{self.process.text()}")
        return self

    def stop(self) -> None:
        self.process.stop()

    def request(self, path: str, body: object = None, token: str | None = None) -> tuple[int, Any]:
        """Status and body of an answer; a body makes it a POST."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token if token is None else token}"}
        asked = urllib.request.Request(self.url + path, data, headers)  # noqa: S310 - loopback
        try:
            with urllib.request.urlopen(asked, timeout=120) as answer:  # noqa: S310
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def change(self, what: str, queue_ids: Sequence[str]) -> list[str]:
        status, answer = self.request(f"/v1/{what}", {"queue_ids": list(queue_ids)})
        assert status == 200, answer
        changed: list[str] = answer["queue_ids"]
        return changed


@dataclass
class QueueStage:
    """Postfix and the agent."""

    postfix: Postfix
    agent: QueueAgent

    def ask(self, what: str, queue_ids: Sequence[str]) -> list[str]:
        return self.agent.change(what, queue_ids)

    def queue(self) -> dict[str, str]:
        """Which message is in which queue, as Postfix itself tells it."""
        told = subprocess.run(
            ["postqueue", "-c", str(self.postfix.config), "-j"], capture_output=True, text=True, check=True
        ).stdout
        return {one["queue_id"]: one["queue_name"] for one in map(json.loads, told.splitlines())}

    def submit(
        self, submission: str, *recipients: str, is_held: bool = False, sender: str = "ada@sallyport.test"
    ) -> str:
        """One message as the gateway hands it in, with its submission id; the queue id."""
        port = self.postfix.hold_port if is_held else self.postfix.port
        with smtplib.SMTP("127.0.0.1", port, "gateway.test", timeout=30) as client:
            client.ehlo()
            code, text = client.docmd(f"XFORWARD IDENT={submission} SOURCE=REMOTE")
            assert code == 250, text
            client.mail(sender)
            for recipient in recipients or ("friend@elsewhere.example",):
                code, text = client.rcpt(recipient)
                assert code == 250, text
            code, text = client.data(b"From: ada@sallyport.test\r\nSubject: staged\r\n\r\nhello\r\n")
            assert code == 250, text
        return text.decode().rpartition(" ")[2]

    def fill(
        self, number: int, sender: str = "ada@sallyport.test", *, is_held: bool = False, sessions: int = 8
    ) -> None:
        """So many messages without a submission id, quickly."""
        port = self.postfix.hold_port if is_held else self.postfix.port
        command = ["smtp-source", "-s", str(sessions), "-m", str(number), "-f", sender]
        subprocess.run([*command, "-t", "friend@elsewhere.example", f"127.0.0.1:{port}"], check=True)

    def moved(self, queue_ids: Sequence[str], queue: str) -> None:
        """Waits until all of them are in this queue."""

        def are_there() -> bool:
            now = self.queue()  # a process each time
            return all(now.get(one) == queue for one in queue_ids)

        until(are_there, f"{queue_ids} are in {queue}")


@contextmanager
def staged(
    folder: Path,
    *,
    next_hop: int | None = None,
    policy_url: str = "http://127.0.0.1:1",
    token: str = TOKEN,
    settings: dict[str, str] | None = None,
) -> Iterator[QueueStage]:
    """Both of them, and the end of both. `next_hop` is a port; nobody listens on the one that is taken without."""
    postfix = Postfix(folder / "postfix", next_hop or free_port())
    agent = QueueAgent(folder / "agent", postfix, policy_url, token, settings or {})
    show_log = Process([str(ROOT / "postfix" / "show-log"), str(postfix.config)], {}, folder / "postfix" / "shown.log")
    try:
        postfix.start()
        show_log.start()
        agent.start()
        yield QueueStage(postfix, agent)
    finally:
        agent.stop()
        show_log.stop()
        postfix.stop()

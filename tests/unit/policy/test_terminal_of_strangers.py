"""Whatever a gateway or a queue agent that was broken into says, a terminal shows it; and addresses as they are."""

from dataclasses import replace
from pathlib import Path

import pytest
from command_line import InProcess, prepared
from incident_scene import T, bad_day
from sqlalchemy import update
from test_status_commands import a_view

from policy.cli.frame import frame
from policy.containment import queues
from policy.containment.queue_client import QueueClient
from policy.queue_contract import Step, TrailAsked, TrailFound, TrailRow
from policy.store.database import open_database
from policy.store.models import Submissions

FIRST = f"{1:016x}"
EVIL = "\x1b]0;gone\x07"
# `:ab:` and `:100:` are names of pictures.
IPV6 = "2001:db8:ab:100:1::7"


class Liar(QueueClient):
    """Its queue ids are none."""

    async def trail(self, asked: TrailAsked) -> TrailFound:  # noqa: ARG002
        row = TrailRow(at=T + 1, last_at=T + 1, queue_id=EVIL, step=Step.TRIED, relay=f"mx[{IPV6}]:25", text="250 ok")
        return TrailFound(rows=(row,), is_whole=False)


@pytest.fixture(params=[EVIL, IPV6], ids=["escapes", "pictures"])
def sallyport(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InProcess:
    """Every message came from there, as the gateway says."""
    made = prepared(InProcess, tmp_path)
    assert isinstance(made, InProcess)
    made.json("identity", "add", "ada", "--address", "ada@example.org")
    login = made.json("credential", "add", "ada", "--label", "laptop")["login"]
    engine = open_database(tmp_path / "state" / "sallyport.db")
    bad_day(engine, login)
    with engine.begin() as connection:
        connection.execute(update(Submissions).values(client_address=request.param))
    engine.dispose()
    monkeypatch.setattr(queues, "QueueClient", Liar)
    return made


@pytest.mark.parametrize("words", [("trace", FIRST), ("explain", FIRST), ("top", "--once"), ("submission", "list")])
def test_it_does_nothing(sallyport: InProcess, words: tuple[str, ...]) -> None:
    shown = sallyport(*words, POLICY_QUEUE_URL="http://queue-agent:7589").stdout
    assert ("\\u001b]0;gone" in shown) or (IPV6[:12] in shown)
    assert not {"\x1b", "\x07"} & set(shown)
    assert all(one.isascii() or one == "…" for one in shown)
    if words[0] == "trace":
        assert f"by mx[{IPV6}]:25" in shown
        assert "\nThe log is long" in shown
        assert "u000a" not in shown


def test_a_cell_may_have_lines(sallyport: InProcess) -> None:
    sallyport.json("identity", "add", "bob", "--address", "bob@example.org", "--address", "robert@example.org")
    shown = sallyport("identity", "list").stdout
    assert "u000a" not in shown
    assert {"bob@example.org", "robert@example.org"} <= set(shown.split())


def test_the_live_view() -> None:
    view = a_view()
    decisions = [replace(one, client_address=EVIL) for one in view.decisions]
    shown = "\n".join(line.text for line in frame(replace(view, decisions=decisions), 80, 50))
    assert "\\u001b]0;gone" in shown
    assert "\x1b" not in shown

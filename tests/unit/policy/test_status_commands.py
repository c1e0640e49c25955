"""`sallyport status` and `sallyport top`: what is shown of parts that are well, that are not, and that are gone."""

import contextlib
import fcntl
import json
import os
import pty
import re
import resource
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from command_line import PROGRAM, CommandLine, InProcess, clean_environment, prepared
from harness import ROOT
from incident_scene import T, bad_day

from policy.cli.frame import Line, View, frame
from policy.part_status import PartState, PartStatus, part_statuses
from policy.store.database import open_database
from policy.store.health_reports import HealthNotes, HealthReport, Service
from policy.store.incidents import Counted, StoredIncident
from policy.store.records import Submission
from policy.store.statements import OnConnection
from policy.store.tallies import Figure, TallyNotes
from policy.tally import Count, Stage, What

NOW = 1_764_000_000.0
_LAST_FIGURES = b"came back"
STATES = [
    # what it shows, how long ago, faults, warnings, state, the first sentence
    ("it is well", 5, (), (), PartState.UP, ""),
    ("somebody should look", 5, (), ("w",), PartState.WARNING, "w"),
    ("it cannot work", 5, ("f",), ("w",), PartState.DEGRADED, "f"),
    ("it was heard of a moment ago", 29, (), (), PartState.UP, ""),
    ("it is late", 30, (), ("w",), PartState.WARNING, "nothing was heard of it for 30 seconds"),
    ("it is late, and could not work before", 179, ("f",), (), PartState.DEGRADED, "f"),
    ("it is gone", 180, ("f",), (), PartState.SILENT, "nothing was heard of it for 3 minutes"),
]


@pytest.mark.parametrize(
    ("age_s", "faults", "warnings", "state", "says"), [case[1:] for case in STATES], ids=[case[0] for case in STATES]
)
def test_states(age_s: float, faults: tuple[str, ...], warnings: tuple[str, ...], state: PartState, says: str) -> None:
    report = HealthReport(Service.POLICY, "p", NOW - age_s, "1", faults, warnings)
    (found,) = part_statuses([report], (), NOW)
    assert (found.state, (*found.sentences, "")[0]) == (state, says)


def test_one_that_fell_is_told_of_for_an_hour() -> None:
    """It works, and nobody who does not look at the containers has heard of it."""
    fallen = HealthReport(Service.GATEWAY, "g", NOW, "1", fell_at=NOW - 120.0)
    (found,) = part_statuses([fallen], (), NOW)
    says = "it ended without notice 2 min ago, and runs again: was it killed?"
    assert (found.state, found.sentences) == (PartState.WARNING, (says,))
    (found,) = part_statuses([replace(fallen, fell_at=NOW - 3600.0)], (), NOW)
    assert found.state is PartState.UP


def test_what_should_be_there_and_never_was() -> None:
    """Unless one of it is; the worst first, and then in the order in which a message meets them."""
    heard = [HealthReport(Service.POLICY, one, NOW) for one in ("b", "a")]
    found = part_statuses(heard, (Service.POSTFIX, Service.POLICY, Service.GATEWAY), NOW)
    assert [(one.part.value, one.instance, one.state.value) for one in found] == [
        ("gateway", "", "silent"),
        ("postfix", "", "silent"),
        ("policy", "a", "up"),
        ("policy", "b", "up"),
    ]


def test_the_worst_comes_first() -> None:
    """Nobody has to look for the one that is not heard of behind fifty that are well."""
    reports = [
        HealthReport(Service.GATEWAY, "gw-0", NOW, warnings=("w",)),
        HealthReport(Service.GATEWAY, "gw-1", NOW - 200),
        HealthReport(Service.POLICY, "p", NOW),
        HealthReport(Service.DOVECOT, "d", NOW, faults=("f",)),
        HealthReport(Service.GATEWAY, "gw-2", NOW),
    ]
    assert [one.instance for one in part_statuses(reports, (), NOW)] == ["d", "gw-1", "gw-0", "gw-2", "p"]


def written(sallyport: CommandLine, *reports: HealthReport) -> None:
    engine = open_database(sallyport.folder / "state" / "sallyport.db")
    with engine.begin() as connection:
        for report in reports:
            HealthNotes(OnConnection(connection)).put(report)
    engine.dispose()


def test_the_table(tmp_path: Path) -> None:
    """Exit code 0 when all is well, 1 when something is not; what a stranger wrote does nothing."""
    sallyport = prepared(InProcess, tmp_path)
    done = sallyport("status")
    assert done.returncode == 1
    assert done.stderr == "sallyport: 2 of 2 parts do not work as they should\n"
    now = time.time()
    well = [HealthReport(one, one.value, now, "9.9") for one in (Service.GATEWAY, Service.POLICY)]
    written(sallyport, *well)
    done = sallyport("status")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[:3] for line in done.stdout.splitlines()[1:]] == [
        ["gateway", "gateway", "up"],
        ["policy", "policy", "up"],
    ]
    warned = HealthReport(Service.CONSOLE, "c", now, warnings=("\x1b[31mlook",), figures={"loop_lag_ms": 1})
    written(sallyport, warned)
    assert sallyport("status").returncode == 0
    assert "\\u001b[31mlook" in sallyport("status").stdout
    (console,) = [one for one in sallyport.json("status") if one["part"] == "console"]
    assert (console["state"], console["figures"]) == ("warning", {"loop_lag_ms": 1})
    written(sallyport, HealthReport(Service.GATEWAY, "gateway", now, faults=("policy does not answer",)))
    done = sallyport("status", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)[0]["sentences"] == ["policy does not answer"]


def test_a_store_that_takes_nothing(tmp_path: Path) -> None:
    """A full disk answers questions, and its parts cannot write that they are not well any more: it is tried."""
    sallyport = prepared(InProcess, tmp_path)
    now = time.time()
    written(sallyport, *(HealthReport(one, one.value, now) for one in (Service.GATEWAY, Service.POLICY)))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with open_database(tmp_path / "state" / "sallyport.db").connect():  # as policy, which has the files open
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        try:
            done, as_json = sallyport("status"), sallyport("status", "--json")
            picture, document = sallyport("top", "--once"), sallyport.json("top")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (done.returncode, as_json.returncode) == (1, 1)
    assert done.stderr.startswith("sallyport: the database cannot be used (disk I/O error); look at its disk")
    policy, gateway = json.loads(as_json.stdout)
    assert (policy["part"], policy["state"], gateway["state"]) == ("policy", "degraded", "up")
    assert policy["sentences"] == ["the database takes no changes: nothing can be decided"]
    assert document["parts"] == [policy, gateway]
    assert "policy: the database takes no changes" in picture.stdout
    assert sallyport("status").returncode == 0


def test_parts_that_the_settings_name_are_expected(tmp_path: Path) -> None:
    """Without them nobody is missed."""
    sallyport = prepared(InProcess, tmp_path)
    settings = {"POLICY_QUEUE_URL": "http://queue:1", "POLICY_DOVEADM_URL": "http://dovecot:1"}
    found = json.loads(sallyport("status", "--json", **settings).stdout)
    assert [one["part"] for one in found] == ["gateway", "policy", "postfix", "queue-agent", "dovecot"]


def a_view(parts: int = 6, incidents: int = 1, decisions: int = 30) -> View:
    """Of a day on which something happens."""
    services = list(Service)
    figures = {"sessions": 12.0, "deferred": 3.0, "active": 1.0, "hold": 25_000.0, "oldest_s": 7200.0, "scans": 9.0}
    sums = [
        Figure(0, What(Stage.MESSAGE, "accept"), 1_234_567, 0),
        Figure(0, What(Stage.MESSAGE, "hold", "held"), 12, 0),
        Figure(0, What(Stage.LOGIN, "refused", "secret"), 45_678, 0),
        Figure(0, What(Stage.LOGIN, "later", "walled-network"), 7, 0),
        Figure(0, What(Stage.OBSERVED, "some-rule"), 7, 0),
    ]
    return View(
        now=NOW,
        name="mail.example.org",
        sums=(sums, sums, sums),
        parts=[
            PartStatus(
                services[number % len(services)],
                f"instance-{number}",
                PartState.DEGRADED if number == 1 else PartState.UP,
                NOW,
                sentences=("a very long sentence that says what is wrong " * 3,) if number == 1 else (),
                figures=figures,
            )
            for number in range(parts)
        ],
        incidents=[an_incident(number) for number in range(incidents)],
        decisions=[a_decision(number) for number in range(decisions)],
    )


def an_incident(number: int) -> StoredIncident:
    return StoredIncident(
        number=number, identity="ada", state="open", step="hold", opened_by="sallyport", opened_at=NOW, since=NOW,
        changed_at=NOW, closed_at=None, answer="", answered_at=None, note="", suspended=(),
        held={"held": Counted(7, 70)}, measures=(), contained=None,
    )  # fmt: skip


def a_decision(number: int) -> Submission:
    return Submission(
        id=f"{number:016x}", at=NOW - number, session="s", identity="\x1b[31mada", login="l", listener="submission",
        client_address="2001:db8:1234:5678:9abc:def0:1234:5678", client_name="c", reverse_path="", recipients=3,
        message_bytes=1, action="hold" if number % 2 else "accept", reason="held" if number % 2 else "", outcome="",
        queue_id="", held_queue_id="", held=0, rule="", rulebook="", origin="", new_recipients=0, known_recipients=0,
    )  # fmt: skip


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 60), (100, 12), (45, 40), (40, 10), (10, 3)], ids=str)
@pytest.mark.parametrize(("parts", "incidents", "decisions"), [(6, 1, 30), (0, 0, 0), (30, 9, 100)])
def test_a_picture_fits(width: int, height: int, parts: int, incidents: int, decisions: int) -> None:
    """Whatever happens, into whatever window there is; in the smallest one that is of use."""
    lines = frame(a_view(parts, incidents, decisions), width, height)
    assert len(lines) <= max(height, 10)
    assert max(len(one.text) for one in lines) <= max(width, 40)
    assert all(one.text.isprintable() for one in lines)


def test_a_picture_of_the_usual_size() -> None:
    """What somebody looks for first is there: figures, what is wrong, incidents, the newest decisions."""
    lines = frame(a_view(), 80, 24)
    text = "\n".join(one.text for one in lines)
    assert len(lines) == 24
    for expected in (
        "mail.example.org  2025-11-24T16:00:00Z  (q ends)",
        "messages accepted   1.23M  1.23M  1.23M",
        "12 sessions",
        "postfix     1 act, 3 def, 25k hold, 2 h",
        "logins refused in the hour: secret 45.7k, walled-network 7",
        "incident 0  ada  hold  7 on hold  since 2025-11-24T16:00:00Z",
        "hold (held)",
    ):
        assert expected in text
    assert styles(lines, "a very long sentence") == ["bold red"]


def styles(lines: Sequence[Line], text: str) -> list[str]:
    return [one.style for one in lines if text in one.text]


@pytest.mark.parametrize("width", [60, 40])
def test_a_narrow_picture_has_what_matters(width: int) -> None:
    """What is wrong comes first, the verdict is seen, and whoever looks knows how it ends."""
    lines = [one.text for one in frame(a_view(), width, 40)]
    assert lines[0].endswith("  16:00:00Z  (q ends)")
    assert lines[1].startswith("incident 0  ada  hold  7 on hold")
    assert lines[2].startswith("policy: a very long sentence")
    assert "gateway     12 sessions" in lines
    assert lines[-1].split()[2:4] == ["3", "hold"]
    assert frame(a_view(), width, 10)[1].text == lines[1]


def test_one_picture_for_a_pipe(tmp_path: Path) -> None:
    """With and without being asked for one; who was not asking is told why it is but one, and how to go on."""
    sallyport = robbed(tmp_path)
    for arguments, told in ((("top",), "sallyport: no terminal that can show it live"), (("top", "--once"), "")):
        done = sallyport(*arguments)
        assert done.returncode == 0
        assert done.stderr.startswith(told)
        assert bool(done.stderr) == bool(told)
        assert len(done.stdout.splitlines()) <= 24
        assert "incident 1  ada" in done.stdout
        assert "none of its kind was heard of" in done.stdout
    assert T < NOW


def robbed(folder: Path) -> CommandLine:
    """A store with a bad day in it."""
    sallyport = prepared(InProcess, folder)
    sallyport("identity", "add", "ada", "--address", "ada@example.org")
    login = sallyport.json("credential", "add", "ada", "--label", "laptop")["login"]
    bad_day(open_database(folder / "state" / "sallyport.db"), login)
    return sallyport


def test_one_document_for_programs(tmp_path: Path) -> None:
    """Each part of it is what the command prints that lists it."""
    sallyport = robbed(tmp_path)
    found = sallyport.json("top")
    assert list(found) == ["at", "name", "spans", "parts", "incidents", "decisions"]
    assert found["incidents"] == sallyport.json("incidents", "--open")
    assert found["parts"] == json.loads(sallyport("status", "--json").stdout)
    assert found["decisions"] == sallyport.json("submission", "list", "--limit", "60")
    assert [(one["seconds"], one["figures"]) for one in found["spans"]] == [(600, []), (3600, []), (86400, [])]


def test_the_figures_of_the_document(tmp_path: Path) -> None:
    """As they are counted, with their names: the picture's rows are sums of them."""
    sallyport = prepared(InProcess, tmp_path)
    engine = open_database(tmp_path / "state" / "sallyport.db")
    with engine.begin() as connection:
        notes = TallyNotes(OnConnection(connection))
        notes.add({int(time.time()) - 1200: {What(Stage.LOGIN, "refused", "secret"): Count(3, 0)}})
        notes.add({int(time.time()): {What(Stage.MESSAGE, "accept"): Count(2, 5)}})
    accepted = {"stage": "message", "outcome": "accept", "reason": None, "number": 2, "recipients": 5}
    refused = {"stage": "login", "outcome": "refused", "reason": "secret", "number": 3, "recipients": 0}
    assert [one["figures"] for one in sallyport.json("top")["spans"]] == [
        [accepted],
        [refused, accepted],
        [refused, accepted],
    ]


@dataclass
class Terminal:
    """What a program writes to it, picture by picture."""

    descriptor: int
    running: subprocess.Popen[bytes]

    def resize(self, columns: int, lines: int) -> None:
        """As a window does it: the new size, and the signal."""
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.running.send_signal(signal.SIGWINCH)

    def picture(self, columns: int) -> list[str]:
        """The lines of one that is as wide; those before it may be of a size that the window had."""
        shown = b""
        for _ in range(10):
            shown += seen(self.descriptor, _LAST_FIGURES)
            for one in map(lines_on_screen, shown.split(b"\x1b[H")):
                if max(map(len, one)) == columns and any(_LAST_FIGURES.decode() in line for line in one):
                    return one
        raise AssertionError(shown)


def lines_on_screen(written: bytes) -> list[str]:
    """Without what makes colours and moves the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.decode()).replace("\r", "").split("\n")


def without_size(environment: Mapping[str, str]) -> dict[str, str]:
    """COLUMNS and LINES would be believed in place of the terminal; tests that run side by side have them set."""
    return {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES")}


@contextlib.contextmanager
def live(sallyport: CommandLine, columns: int, lines: int, **environment: str) -> Iterator[Terminal]:
    """`sallyport top` on a terminal of this size."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    running = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "top"],
        env=without_size(clean_environment()) | sallyport.environment | {"TERM": "xterm"} | environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
    )
    os.close(theirs)
    try:
        yield Terminal(ours, running)
    finally:
        running.kill()
        running.wait()
        os.close(ours)


def test_on_a_terminal_until_q(tmp_path: Path) -> None:
    """The picture on the other screen, in the size of the terminal; the terminal is as before when it ends."""
    with live(prepared(InProcess, tmp_path), 80, 24) as terminal:
        shown = seen(terminal.descriptor, b"no open incident")
        assert b"\x1b[?1049h" in shown  # the other screen
        os.write(terminal.descriptor, b"q")
        assert seen(terminal.descriptor, b"\x1b[?1049l")
        assert terminal.running.wait(20) == 0


def test_a_window_that_changes_its_size(tmp_path: Path) -> None:
    """The picture becomes as wide as the window; in a narrow one the parts are below the figures."""
    with live(prepared(InProcess, tmp_path), 100, 30) as terminal:
        assert any("10 min" in one and "gateway" in one for one in terminal.picture(100))
        for columns in (60, 40):
            terminal.resize(columns, 20)
            narrow = terminal.picture(columns)
            assert narrow[0].rstrip().endswith("(q ends)")
            assert not any("10 min" in one and "gateway" in one for one in narrow)


def test_without_colours(tmp_path: Path) -> None:
    """NO_COLOR (no-color.org), beside the usual way."""
    coloured = re.compile(rb"\x1b\[[0-9;]*3[0-7]m")
    sallyport = prepared(InProcess, tmp_path)
    for environment, is_coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        with live(sallyport, 80, 24, **environment) as terminal:
            shown = seen(terminal.descriptor, _LAST_FIGURES)
            assert bool(coloured.search(shown)) == is_coloured


def test_on_a_terminal_that_can_draw_nothing(tmp_path: Path) -> None:
    """One picture, and how to go on, without a single control character."""
    with live(prepared(InProcess, tmp_path), 60, 24, TERM="dumb") as terminal:
        shown = seen(terminal.descriptor, b"--json is for programs")
        assert terminal.running.wait(20) == 0
    assert b"no open incident" in shown
    assert b"\x1b" not in shown


def seen(terminal: int, wanted: bytes) -> bytes:
    """What was written to the terminal, as far as this; within half a minute, though it goes on for ever."""
    found, end = b"", time.monotonic() + 30
    while wanted not in found:
        ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
        assert ready, found
        found += os.read(terminal, 65536)
    return found

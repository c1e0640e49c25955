"""`sallyport replay`, `explain`, `standing` and `submission export`, as people and scripts call them."""

import base64
import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import InProcess, is_one_sentence, prepared
from engine_parts import AT_HOME, known, new, profile_of, strange

from bench.maillog import BEGIN, DAY_S, Town, lines
from maillog.events import LogLine
from policy.budgets.driving import run_here
from policy.budgets.memory import MemoryBudgets
from policy.cli.explain import WHY
from policy.contract import Action, MessageFacts, Outcome, Reason, RelayOutcome
from policy.engine.judging import Decision, judge
from policy.engine.ladder import Standing
from policy.engine.profile import Profile
from policy.rulebook import shipped
from policy.store.evidence import Evidence, evidence_of
from policy.store.records import Records
from policy.store.standings import Cause, StandingBook
from policy.store.transactions import Transactions, open_transactions

T = 1_794_000_000.0
TOWN = Town(seed=5, people=8, days=12, thief_on=10, thief_messages=60)


@pytest.fixture(scope="module")
def sallyport(tmp_path_factory: pytest.TempPathFactory) -> InProcess:
    command_line = prepared(InProcess, tmp_path_factory.mktemp("cli"))
    assert isinstance(command_line, InProcess)
    command_line.json("identity", "add", "ada", "--address", "ada@example.org")
    return command_line


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "mail.log.gz"
    path.write_bytes(gzip.compress("".join(lines(TOWN)).encode()))
    return path


@pytest.fixture(scope="module")
def transactions(sallyport: InProcess) -> Iterator[Transactions]:
    opened = open_transactions(sallyport.folder / "state" / "sallyport.db")
    yield opened
    opened.close()


def facts(submission: str, number: int) -> MessageFacts:
    return MessageFacts(
        submission=submission,
        session="s1",
        listener="submission",
        client_address="198.51.100.9",
        client_name="laptop",
        credential=1,
        reverse_path="ada@example.org",
        recipients=tuple(f"r{one}@example.net" for one in range(number)),
        authors=("ada@example.org",),
        senders=(),
        names=(),
        message_bytes=4321,
    )


def recorded(transactions: Transactions, submission: str, profile: Profile, at: float = T) -> Decision:
    """Judged by the shipped policy, and written down."""
    given = facts(submission, len(profile.recipients))
    decision = run_here(judge(given, profile, shipped(), at), MemoryBudgets(), submission, at)
    records = Records(transactions, kept_s=1e9)
    records.add_submission(given, profile, decision, shipped().digest, at)
    outcome = Outcome(
        reservation=submission, outcome=RelayOutcome.RELAYED, queue_id="4Q8kXz0Zg", held_queue_id="4Q8kXz1Zh"
    )
    records.end_submissions({submission: outcome})
    return decision


def test_replay_of_a_log(sallyport: InProcess, log: Path, tmp_path: Path) -> None:
    """As a table, with a page beside it."""
    page = tmp_path / "page.html"
    done = sallyport("replay", str(log), "--year", "2026", "--domain", "example.org", "--html", str(page))
    assert done.returncode == 0, done.stderr
    assert "1 of 8 identities would have noticed" in done.stdout
    assert f"Suspects, who would have been restricted or locked (1): {TOWN.victim}" in done.stdout
    assert "Nobody but these exceeded a limit." in done.stdout
    assert done.stderr == ""
    assert TOWN.victim in page.read_text()


def test_replay_as_json(sallyport: InProcess, log: Path) -> None:
    """One document on standard output, and nothing else."""
    report = sallyport.json("replay", str(log), "--year", "2026", "--learn-from-first", "5", "--top", "3")
    assert report["source"]["unreadable"] == 0
    assert report["judged_from"] == "2026-03-07T00:25:20Z"[:11] + report["judged_from"][11:]
    assert [(one["identity"], one["step"]) for one in report["people"]] == [(TOWN.victim, "lock")]
    assert report["people"][0]["rules"][0]["first"]["at"].startswith("2026-03-12T03:")
    assert report["rulebook"] == shipped().digest
    assert report["messages"]["refused"] == report["people"][0]["messages"]["refused"] > 50


def test_replay_with_another_policy(sallyport: InProcess, log: Path, tmp_path: Path) -> None:
    """Two measures of the same people."""
    (tmp_path / "policy.toml").write_text('[profiles.person]\nrecipients = "2/day"\n')
    arguments = ("replay", str(log), "--year", "2026", "--policy", str(tmp_path / "policy.toml"))
    narrow = sallyport.json(*arguments)
    assert narrow["hindered"] == 8
    wide = sallyport.json(*arguments, "--profile", "person0001@example.org=newsletter", "--to", "2026-03-08")
    stopped = {one["identity"] for one in wide["people"]}
    assert len(stopped) > 3
    assert "person0001@example.org" not in stopped
    assert all(one["at"] < "2026-03-08" for one in wide["days"])


def test_a_store_says_whose_a_login_is(sallyport: InProcess, tmp_path: Path) -> None:
    """An address of an identity is the identity."""
    log = tmp_path / "log"
    log.write_text("".join(lines(replace(TOWN, people=1, days=4, thief_on=3))).replace("person0000@", "ada@"))
    report = sallyport.json("replay", str(log), "--year", "2026")
    assert [one["identity"] for one in report["people"]] == ["ada"]


def test_without_a_store(sallyport: InProcess, log: Path, tmp_path: Path) -> None:
    """A log can be replayed where there is nothing else."""
    done = sallyport("replay", str(log), "--year", "2026", POLICY_STATE_DIR=str(tmp_path / "none"))
    assert done.returncode == 0
    assert done.stderr == (
        f"note: there is no identity store in {tmp_path / 'none'}: each login is a person of its own\n"
    )


REFUSED = [
    # what is wrong, arguments, exit code, what it says
    ("no such file", ("/nowhere/mail.log",), 1, "/nowhere/mail.log cannot be read: No such file or directory"),
    ("no such policy", ("LOG", "--policy", "/nowhere/policy.toml"), 1, "/nowhere/policy.toml"),
    (
        "no page there",
        ("LOG", "--year", "2026", "--html", "/nowhere/page.html"),
        1,
        "/nowhere/page.html cannot be written",
    ),
    ("no number of hours", ("LOG", "--take-back-after", "soon"), 2, "no number of hours"),
    ("no such profile", ("LOG", "--profile", "ada=robot"), 2, "LOGIN=PROFILE"),
    ("no moment", ("LOG", "--from", "yesterday"), 2, "no date"),
]


@pytest.mark.parametrize(
    ("arguments", "code", "said"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_cannot_be_done(sallyport: InProcess, log: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    """With a sentence; never with a traceback."""
    done = sallyport("replay", *(str(log) if one == "LOG" else one for one in arguments), COLUMNS="300")
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    if code == 1:
        assert done.stderr.startswith("sallyport: ")


def test_a_log_in_which_nobody_hands_anything_in(sallyport: InProcess, tmp_path: Path) -> None:
    """Says so, and what to do."""
    line = "Nov  6 21:20:00 mail postfix/qmgr[1]: statistics: max simultaneous domains=1"
    (tmp_path / "log").write_text(f"{line}\nhello\n")
    done = sallyport("replay", str(tmp_path / "log"))
    assert (done.returncode, done.stderr) == (0, "note: no message of anybody who had logged in was found\n")
    (tmp_path / "log").write_text("".join(lines(replace(TOWN, days=1, thief_on=None))))
    done = sallyport("replay", str(tmp_path / "log"), "--learn-from-first", "30", "--year", "2026")
    assert "--learn-from-first DAYS or --from DATE begin earlier" in done.stderr


def test_a_log_in_which_nothing_is_says_nothing_of_the_policy(sallyport: InProcess, tmp_path: Path) -> None:
    """No dates, no numbers, and not that nobody exceeded a limit."""
    empty = tmp_path / "empty.log"
    empty.touch()
    done = sallyport("replay", str(empty))
    assert (done.returncode, done.stderr) == (0, "note: no message of anybody who had logged in was found\n")
    assert re.fullmatch(r"0 lines, 0 of them unreadable; policy [0-9a-f]{16}\n", done.stdout)


def test_what_is_no_log(sallyport: InProcess, tmp_path: Path) -> None:
    """A file that was named by mistake is no empty log."""
    (tmp_path / "notes").write_text("hello\nthere\n")
    for command in (["replay"], ["learn", "maillog"]):
        done = sallyport(*command, str(tmp_path / "notes"))
        assert (done.returncode, done.stdout) == (1, "")
        said = "no line of 2 is one of a log; name a log of Postfix, packed or not"
        assert done.stderr.endswith(f"sallyport: {tmp_path / 'notes'}: {said}\n")


def test_a_log_cannot_move_the_cursor(sallyport: InProcess, tmp_path: Path) -> None:
    """Control characters of a login are shown by their numbers; `[red]` is no colour."""
    text = "".join(lines(replace(TOWN, people=1, days=4, thief_on=3)))
    (tmp_path / "log").write_text(text.replace("person0000@example.org", "eve\x1b[2J[red]@example.org"))
    done = sallyport("replay", str(tmp_path / "log"), "--year", "2026")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert r"eve\u001b[2j[red]@example.org" in done.stdout


def test_export_and_replay(sallyport: InProcess, transactions: Transactions, tmp_path: Path) -> None:
    """What was decided is exported without an address and judged again; what would be different is counted."""
    for number in range(40):
        at_home = profile_of((*known(number % 9), *new(1000 + number)), AT_HOME)
        recorded(transactions, f"day-{number:02}", at_home, T + number * DAY_S)
    exported = sallyport("submission", "export", "--since", "2026-11-06")
    assert exported.returncode == 0, exported.stderr
    documents = [json.loads(line) for line in exported.stdout.splitlines()]
    assert [one["id"] for one in documents] == [f"day-{number:02}" for number in range(40)]
    first = documents[0]
    assert base64.b64decode(first["marks"]) == (1000).to_bytes(8) + (0).to_bytes(8)
    assert {key: first[key] for key in ("identity", "profile", "recipients", "message_bytes", "origin", "action")} == {
        "identity": "ada",
        "profile": "person",
        "recipients": 2,
        "message_bytes": 4321,
        "origin": "AS3320 DE",
        "action": "accept",
    }
    assert "example.net" not in exported.stdout
    (tmp_path / "decisions.jsonl").write_text(exported.stdout)
    (tmp_path / "policy.toml").write_text('[profiles.person]\nnew-recipients = "0/day"\n')
    report = sallyport.json(
        "replay",
        str(tmp_path / "decisions.jsonl"),
        "--policy",
        str(tmp_path / "policy.toml"),
        "--learn-from-first",
        "30",
    )
    assert (report["learnt"], report["judged"], report["changed"]) == (30, 10, [["accept", "accept", 10]])
    assert report["messages"]["held"] == 10
    done = sallyport("replay", str(tmp_path / "decisions.jsonl"), str(tmp_path / "policy.toml"))
    assert is_one_sentence(done.stderr)
    (tmp_path / "decisions.jsonl").write_text(exported.stdout + '{"marks": 1}\n')
    done = sallyport("replay", str(tmp_path / "decisions.jsonl"))
    assert done.stderr.startswith("sallyport: line 41 is no recorded decision: ")
    assert is_one_sentence(done.stderr)


def test_explain_what_was_held(sallyport: InProcess, transactions: Transactions) -> None:
    """Who, from where; what became of it and why; where each budget stood; what to do."""
    decision = recorded(transactions, "held-1", profile_of(new(*range(12)), strange()))
    assert decision.action is Action.HOLD
    done = sallyport("explain", "held-1")
    assert done.returncode == 0, done.stderr
    text = done.stdout
    assert text.startswith("held-1, 2026-11-06T21:20:00Z\nada (login ")
    for expected in (
        "from 198.51.100.9, AS4134 CN",
        "HELD (probation)",
        WHY[Reason.PROBATION],
        "The rule was probation-new-recipients.",
        "The next hop: relayed 4Q8kXz0Zg, its held part 4Q8kXz1Zh",
        "12: 12 new, 0 of this server",
        "Where it stands now: sallyport standing show ada",
        "sallyport network confirm ada 198.51.100.0/24",
        f"sallyport policy show {shipped().digest}",
    ):
        assert expected in text
    assert "new-recipients" in text.partition("What was suspicious about it")[2]
    shown = sallyport.json("explain", "held-1")
    assert (shown["action"], shown["rule"], shown["held"]) == ("hold", "probation-new-recipients", 12)
    assert (shown["evidence"]["step"], shown["evidence"]["is_settled"]) == ("hold", False)
    assert {"rule", "limit", "before", "after", "is_enforced"} <= shown["evidence"]["stood"][0].keys()
    assert "marks" not in shown


def test_explain_what_was_accepted_or_refused(sallyport: InProcess, transactions: Transactions) -> None:
    recorded(transactions, "fine-1", profile_of(known(1), AT_HOME))
    text = sallyport("explain", "fine-1").stdout
    assert "\nACCEPTED\n" in text
    assert "Where the budgets stood" in text
    assert "standing show" not in text
    recorded(transactions, "split-1", profile_of(new(*range(60)), AT_HOME))
    text = sallyport("explain", "split-1").stdout
    assert "ACCEPTED for 50 recipients, HELD for 10 (new-recipients)" in text
    whole, part = (
        re.search(r"^new-recipients +hour +(\d+) +(\d+) +50 *(\w*)$", one, re.MULTILINE)
        for one in text.partition("What did not fit, with all of the message")[2].split("What was counted in the end")
    )
    assert whole
    assert part
    assert (whole.groups(), part.groups()) == (("0", "60", "OVER"), ("0", "50", ""))
    stood = sallyport.json("explain", "split-1")["evidence"]["stood"]
    assert [(one["after"], one["is_taken"]) for one in stood if one["rule"] == "new-recipients"][:2] == [
        (60, False),
        (50, True),
    ]
    refused = profile_of(known(1), AT_HOME, active=False)
    recorded(transactions, "refused-1", refused)
    assert WHY[Reason.CREDENTIAL_REVOKED] in sallyport("explain", "refused-1").stdout


def test_explain_nothing(sallyport: InProcess) -> None:
    done = sallyport("explain", "unheard-of")
    assert done.returncode == 1
    assert done.stderr.startswith("sallyport: there is no submission 'unheard-of'; they are kept for 30 days")
    assert is_one_sentence(done.stderr)


def test_every_reason_is_explained() -> None:
    assert WHY.keys() == set(Reason)


BAD = ["", "{", "[]", "null", "7", '{"stood": [[1]]}', '{"facts": [["a"]]}', '{"place": 3}', '{"standing": [9, 0]}']


@pytest.mark.parametrize("text", BAD)
def test_evidence_that_is_none(text: str) -> None:
    """A row that somebody has cut is told without it."""
    assert evidence_of(text) is None
    assert evidence_of("{}") == Evidence(is_settled=None)


def test_standing(sallyport: InProcess, transactions: Transactions) -> None:
    """Listed, shown, taken back once."""
    decision = recorded(transactions, "held-2", profile_of(new(*range(12)), strange()))
    StandingBook(transactions).note(2, decision.standing, decision.signals, Cause(1, "held-2", "198.51.100.9"))
    assert decision.standing != Standing()
    (listed,) = sallyport.json("standing", "list")
    assert (listed["identity"], listed["step"], listed["at_home"]) == ("ada", "hold", "free")
    assert listed["since_at"] == "2026-11-06T21:20:00Z"
    assert listed["signals"][0]["at"] == "2026-11-06T21:20:00Z"
    shown = sallyport("standing", "show", "ada").stdout
    assert shown.startswith("ada: hold since 2026-11-06T21:20:00Z, at home free\n")
    assert "held-2" in shown
    cleared = sallyport.json("standing", "clear", "ada", "--note", "it was her newsletter")
    assert cleared["step"] == "free"
    assert all(one["cleared_at"] for one in cleared["signals"])
    assert sallyport.json("standing", "list") == []
    done = sallyport("standing", "clear", "ada")
    assert (done.returncode, done.stderr) == (1, "sallyport: nothing speaks against 'ada': it is free\n")
    assert "standing-cleared" in sallyport("audit", "list", "--subject", "ada").stdout


def test_the_town_has_a_thief() -> None:
    """What the others rely on."""
    assert any(TOWN.victim in one for one in lines(TOWN))
    assert BEGIN < T
    assert LogLine(T, "", "", "").at == T

"""`sallyport backup` and `sallyport restore` as people and scripts call them, on both databases."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from command_line import PROGRAM, CommandLine, clean_environment, is_one_sentence
from harness import ROOT

import postgresql


@dataclass(frozen=True)
class OnDatabase(CommandLine):
    """On the database of this test; empty is the file in the folder."""

    url: str = ""

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"POLICY_DATABASE_URL": self.url}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def sallyport(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """A store with one identity and one credential. Each test leaves it as it was."""
    folder = tmp_path_factory.mktemp("here")
    if request.param == "sqlite":
        yield filled(OnDatabase(folder))
        return
    if not postgresql.is_possible():
        pytest.skip(postgresql.NOT_INSTALLED)
    where = postgresql.cluster().create_empty()
    yield filled(OnDatabase(folder, where.render_as_string()))
    postgresql.cluster().drop(where)


def filled(made: CommandLine) -> CommandLine:
    """With one identity and one credential."""
    assert made("init").returncode == 0
    made.json("identity", "add", "ada")
    made.json("credential", "add", "ada", "--label", "laptop")
    return made


def test_there_and_back(sallyport: CommandLine, tmp_path: Path) -> None:
    """The file is a key's, what was there is only replaced on demand, and both acts are in the audit log.

    Who was shut out since is in again, and that is said.
    """
    file = tmp_path / "backup.tar.gz"
    made = sallyport.json("backup", str(file))
    assert (made["tables"]["credential"], made["keys"]) == (1, ["digest.key"])
    assert file.stat().st_mode & 0o777 == 0o600
    again = sallyport("backup", str(file))
    assert again.returncode == 1
    assert is_one_sentence(again.stderr)
    sallyport.json("identity", "add", "bob")
    (credential,) = sallyport.json("credential", "list", "ada")
    assert sallyport("credential", "revoke", credential["login"]).returncode == 0
    for arguments, sentence in (((), "--replace"), (("--replace",), "--yes")):
        refused = sallyport("restore", str(file), *arguments)
        assert (refused.returncode, "3 identities and 1 credential already" in refused.stderr) == (1, not arguments)
        assert sentence in refused.stderr
    restored = sallyport("restore", str(file), "--replace", "--yes", "--json")
    assert (restored.returncode, json.loads(restored.stdout)) == (0, made)
    assert f"Undone by it, so do again what is to stay: credential-revoked {credential['login']}.\n" in restored.stderr
    assert [one["name"] for one in sallyport.json("identity", "list")] == ["ada", "administrator"]
    acts = [json.loads(line)["action"] for line in sallyport("audit", "list", "--json").stdout.splitlines()]
    assert acts[:4] == ["backup-restored", "credential-revoked", "identity-added", "backup-made"]


def test_to_a_new_machine(sallyport: CommandLine, tmp_path: Path) -> None:
    """Where no more than `sallyport init` was, or not even that, nothing has to be replaced."""
    file = tmp_path / "backup.tar.gz"
    assert sallyport("backup", str(file)).returncode == 0
    for folder, is_begun in (("begun", True), ("bare", False)):
        new = CommandLine(tmp_path / folder)
        if is_begun:
            (tmp_path / folder).mkdir()
            assert new("init").returncode == 0
            assert new("first-login").returncode == 0
        done = new("restore", str(file))
        assert done.returncode == 0, done.stderr
        for told in ("Logins are those of the backup now", "Restart policy and the console", "docs/database.md"):
            assert told in done.stderr
        assert [one["label"] for one in new.json("credential", "list", "ada")] == ["laptop"]
        key = "state/digest.key"
        assert (tmp_path / folder / key).read_bytes() == (sallyport.folder / key).read_bytes()
        assert (tmp_path / folder / "state" / "sallyport.db").stat().st_mode & 0o777 == 0o600


def test_what_is_on_hold_is_not_in_the_file(tmp_path: Path) -> None:
    """It is in Postfix's queue, and whoever moves without that loses it: both commands say so, on standard error."""
    sallyport, file = filled(CommandLine(tmp_path)), tmp_path / "backup.tar.gz"
    assert "On hold" not in sallyport("backup", str(tmp_path / "before.tar.gz")).stderr
    database = sqlite3.connect(tmp_path / "state" / "sallyport.db")
    for queue_id, state in (("4Q8kXz0Zh", "held"), ("4Q8kXz1Zh", "purging"), ("4Q8kXz2Zh", "gone")):
        database.execute(
            "INSERT INTO held (queue_id, submission, identity, login, at, reason, recipients, message_bytes,"
            " state, state_at) VALUES (?, 's', 'ada', '', 1, 'new-recipients', 2, 100, ?, 1)",
            (queue_id, state),
        )
    database.commit()
    database.close()
    for done in (sallyport("backup", str(file)), sallyport("restore", str(file), "--replace", "--yes", "--json")):
        assert done.returncode == 0, done.stderr
        assert "On hold: 2 messages to 4 recipients. Postfix's queue has them" in done.stderr
        assert "On hold" not in done.stdout


def test_through_a_pipe(sallyport: CommandLine, tmp_path: Path) -> None:
    """For containers, whose files nobody sees from outside."""

    def piped(given: bytes, *arguments: str) -> bytes:
        return subprocess.run(
            [sys.executable, "-c", PROGRAM, *arguments],
            env=clean_environment() | sallyport.environment, input=given, capture_output=True, check=True, cwd=ROOT,
        ).stdout  # fmt: skip

    backup = piped(b"", "backup", "-")
    sallyport.json("identity", "add", "bob")
    piped(backup, "restore", "-", "--replace", "--yes")
    assert [one["name"] for one in sallyport.json("identity", "list")] == ["ada", "administrator"]


REFUSED = [
    # what it shows, arguments, exit code
    ("a file that is not there", ("restore", "/nowhere/backup.tar.gz"), 1),
    ("a folder that is not there", ("backup", "/nowhere/backup.tar.gz"), 1),
    ("a file that is no backup", ("restore", __file__), 1),
    ("JSON among the octets", ("backup", "-", "--json"), 2),
]


@pytest.mark.parametrize(("arguments", "code"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED])
def test_what_cannot_be_done(sallyport: CommandLine, arguments: tuple[str, ...], code: int) -> None:
    """A sentence, and the store is as it was."""
    done = sallyport(*arguments)
    assert done.returncode == code, done
    assert code == 2 or is_one_sentence(done.stderr)
    if arguments[1].startswith("/nowhere"):
        assert f"./sallyport {arguments[0]} - " in done.stderr, "how it is done with containers"
    assert len(sallyport.json("identity", "list")) == 2

"""The operator's pages, typed into a shell line by line, on a store with data: each command does what it is there for.

What asks the world, or containers, is left out by name. test_printed_commands.py looks at all pages whether there is
such a command; this one at those that somebody follows from the first line to the last.
"""

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from command_line import PROGRAM, CommandLine, InProcess, clean_environment, prepared
from harness import ROOT
from incident_scene import bad_day

from policy.store.database import open_database

_PRINTED = re.compile(r"^ {4,}((?:\./)?sallyport .*)$|`((?:\./)?sallyport [^`]+)`", re.MULTILINE)
_POLICY = re.compile(r"^ +\[modes\]\n(?: +\S.*\n)+", re.MULTILINE)
WALKS = [
    # page, its parts
    ("operating.md", ("The first hour", "The first week", "Every month", "Tokens between the services")),
    ("operating.md", ("Backup and restore",)),
    ("database.md", ("Backup and restore",)),
    ("upgrading.md", ("One machine",)),
]
ELSEWHERE = {
    "--check": "asks the DNS",
    "sallyport doctor": "asks the DNS, port 25, the clock",
    "sallyport alert test": "wants a server for mail",
    "sallyport dkim rotate": "wants the keys of a scanner",
    "sallyport replay mail.log": "is a log of somebody's",
    "sallyport status": "says that nobody is there",
    "sallyport service-token`": "is a word for several",
    "sallyport service-token retire": "comes a minute later",
    "sallyport restore`": "is a word for all of its ways",
    "sallyport migrate-state`": "is a word for the whole move",
    "sallyport init": "is run at each start",
    "sallyport serve`": "goes on until it is ended",
}
ASKS = "There is no terminal to ask at: say --yes"


@dataclass(frozen=True)
class Shell:
    """Somebody in a folder, who types: `sallyport` and `./sallyport` are the same there."""

    sallyport: CommandLine
    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir()
        program = self.folder / "sallyport"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{PROGRAM}" "$@"\n')
        program.chmod(0o755)

    def type(self, line: str) -> subprocess.CompletedProcess[str]:
        """Where a shell would do nothing but part the words, none is started, which is quicker."""
        program, *words = shlex.split(line)
        if program.endswith("sallyport") and not set("|<>$*?&;`~") & set(line):
            with contextlib.chdir(self.folder):
                return self.sallyport(*words)
        path = f"{self.folder}:{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "-c", line],
            env=clean_environment() | self.sallyport.environment | {"PATH": path, "PYTHONPATH": str(ROOT)},
            cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip


def part(page: str, title: str) -> str:
    text = (ROOT / "docs" / page).read_text()
    found = text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    assert found, f"{page} has no part {title}"
    return found


def lines_of(page: str, titles: tuple[str, ...]) -> list[str]:
    """What is typed, without the comment behind it."""
    found = [one for title in titles for one in _PRINTED.findall(part(page, title))]
    typed = [re.sub(r" {2,}#.*", "", block or inline).strip() for block, inline in found]
    there = [one for one in typed if "jq" not in one or shutil.which("jq")]
    return [one for one in there if not any(left_out in f"{one}`" for left_out in ELSEWHERE)]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A store with people, mail on hold and an open incident; and the folder of whoever follows the page."""
    sallyport = prepared(InProcess, tmp_path)
    for name in ("ada", "shop"):
        sallyport("identity", "add", name, "--address", f"{name}@example.org")
    login = sallyport.json("credential", "add", "ada", "--label", "laptop")["login"]
    bad_day(open_database(tmp_path / "state" / "sallyport.db"), login)
    return Shell(sallyport, tmp_path / "typed")


def known(sallyport: CommandLine) -> list[object]:
    """What a restore has to bring back."""
    asked = [("identity", "list"), ("credential", "list", "ada"), ("incidents",), ("held", "list")]
    return [sallyport.json(*one) for one in asked]


@pytest.mark.parametrize(("page", "titles"), WALKS, ids=[f"{page}: {titles[0]}" for page, titles in WALKS])
def test_a_page_is_followed(shell: Shell, page: str, titles: tuple[str, ...]) -> None:
    """Each line succeeds, and who came after a backup is gone after the restore, and nobody else."""
    lines = lines_of(page, titles)
    assert len(lines) > 1
    submission = shell.sallyport.json("submission", "list")[0]["id"]
    if found := _POLICY.search(part("operating.md", "The first week")):
        (shell.folder / "policy.toml").write_text(found[0].replace("\n       ", "\n").lstrip())
    before = known(shell.sallyport)
    for line in lines:
        if " restore " in line:
            shell.sallyport("identity", "add", "late")
        for file in re.findall(r"sallyport backup ([^-].*)", line):  # the other way of the line before
            (shell.folder / file).unlink()
        done = shell.type(re.sub(r"\bID\b", submission, line))
        if "--replace" in line and "--yes" not in line:
            assert ASKS in done.stderr
            shell.sallyport("identity", "remove", "late", "--yes")
        else:
            assert done.returncode == 0, (line, done.stderr)
        if " restore " in line:
            assert known(shell.sallyport) == before


def test_the_walks_have_what_matters() -> None:
    """Or a page that is written in another way would pass unread."""
    typed = [line for page, titles in WALKS for line in lines_of(page, titles)]
    for there in ("policy apply", "service-token rotate", "backup -", "restore - --replace --yes", "explain ID"):
        assert any(there in one for one in typed), there

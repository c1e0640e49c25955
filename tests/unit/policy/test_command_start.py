"""`sallyport` lists its commands without importing them: most of them would take longer to import than to run."""

import inspect
import subprocess
import sys

import pytest
from command_tree import command_tree
from harness import ROOT

from policy.cli import COMMANDS

HEAVY = {"sqlalchemy", "alembic", "pydantic", "structlog", "cryptography", "policy.settings", "policy.store"}
TREE = command_tree()


@pytest.mark.parametrize("name", [one.name for one in COMMANDS])
def test_a_command_is_listed_as_it_explains_itself(name: str) -> None:
    """The line stands twice, because the one beside the command is not read for a list of commands."""
    (listed,) = (one for one in COMMANDS if one.name == name)
    assert listed.help == inspect.cleandoc(TREE[name,].help).partition("\n")[0]


def imported_by(*arguments: str) -> set[str]:
    """Modules that `sallyport ARGUMENTS` has imported by its end."""
    program = (
        "import sys; sys.argv[0] = 'sallyport'\nfrom policy.cli import main\n"
        "try:\n    main()\nfinally:\n    print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [["--version"], ["--help"]])
def test_nothing_is_imported_for_a_list(arguments: list[str]) -> None:
    """The shell's completion asks for it at each key."""
    assert not imported_by(*arguments) & HEAVY


def test_a_command_imports_what_it_needs() -> None:
    """Or the test above would say nothing."""
    assert imported_by("bound", "--help") >= {"pydantic", "policy.cli.bound"}

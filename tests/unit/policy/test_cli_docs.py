"""docs/cli.md has every command with its example and its options, and nothing that there is not."""

import inspect
import re

import pytest
from command_tree import every_command
from harness import ROOT

PAGE = (ROOT / "docs" / "cli.md").read_text()
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
EVERYWHERE = {"--json", "--help"}  # told once, above all sections


def alone(name: str) -> str:
    """The section of a command that is in no group: one that is named after it, or the first."""
    return next((text for title, text in SECTIONS.items() if name in title.split(", ")), SECTIONS["First start"])


COMMANDS = every_command()


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_is_documented(path: tuple[str, ...]) -> None:
    """With the example that its --help has, and all of its options."""
    node = COMMANDS[path]
    section = SECTIONS[path[0]] if len(path) > 1 else alone(path[0])
    assert re.search(rf"sallyport {' '.join(path)}\b", section)
    example = re.search(r"^Example: (.+)$", inspect.cleandoc(node.help or ""), re.MULTILINE)
    assert example, "its --help has no example"
    assert example[1] in section
    options = {one for option in node.params for one in (*option.opts, *option.secondary_opts) if one.startswith("--")}
    told = set(re.findall(r"--[a-z][a-z-]*", section)) | EVERYWHERE
    assert options <= told


def test_nothing_is_documented_that_there_is_not() -> None:
    """A command that was renamed is renamed there, too; what has a default command may leave it out."""
    groups = {path[0] for path in COMMANDS if len(path) > 1}
    known = {option for node in COMMANDS.values() for one in node.params for option in (*one.opts, *one.secondary_opts)}
    known |= {"--help", "--version", "--install-completion", "--show-completion"}
    for line in re.findall(r"^ +sallyport ([^#\n]+)", PAGE, re.MULTILINE):
        words = line.split()
        assert {(words[0],), tuple(words[:2]), (words[0], "add")} & COMMANDS.keys(), line
        assert {word for word in words if word.startswith("--")} <= known, line
    titles = {name for title in SECTIONS for name in title.split(", ")}
    assert groups <= titles
    assert titles - groups - {"First start"} <= {path[0] for path in COMMANDS}

"""Whatever `sallyport ...` a page of the operator's prints can be typed: there is the command, with its options."""

import re
import shlex
from collections.abc import Iterator
from typing import get_type_hints

import pytest
from command_tree import command_tree
from harness import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TREE = command_tree()
_BLOCK = re.compile(r"^ {4,}(.*\bsallyport .*)$", re.MULTILINE)  # a line of a block
_INLINE = re.compile(r"`([^`\n]*\bsallyport [^`\n]+)`")
_CALL = re.compile(r"(?:^|[\s(|&;])(?:\./)?sallyport ((?:[^#|&;<>\"']|\"[^\"]*\"|'[^']*'|<[A-Z]+>)+)")


def printed() -> Iterator[tuple[str, str]]:
    """Page and command, with what follows `sallyport` up to the end of it in a shell."""
    for page in PAGES:
        text = page.read_text()
        for line in (*_BLOCK.findall(text), *_INLINE.findall(text)):
            for call in _CALL.findall(line):
                if (call.split()[0],) in TREE:  # it may be the name of a role, a namespace or a folder
                    yield page.name, call.strip()


CALLS = sorted(set(printed()))


def what_is_wrong(call: str) -> str:
    """Of a command, what it does not know; empty where all is well."""
    words, path = shlex.split(call.removesuffix("\\")), ()
    node = TREE[()]
    while words and (*path, words[0]) in TREE:
        path = (*path, words.pop(0))
        node = TREE[path]
    if hasattr(node, "commands") and (*path, "add") in TREE and words:  # what `invite ada` stands for
        path, node = (*path, "add"), TREE[*path, "add"]
    if hasattr(node, "commands"):
        return "" if not words or words == ["--help"] else f"there is no {' '.join([*path, *words[:1]])}"
    options = {one for option in node.params for one in (*option.opts, *option.secondary_opts)} | {"--help", "-h"}
    of_words = [one.name for one in node.params if not one.opts[0].startswith("-")]
    takes_number = bool(of_words) and get_type_hints(node.callback).get(of_words[0]) is int
    if takes_number and words and not re.fullmatch(r"[0-9]+|[A-Z]+|--?[a-z].*", words[0]):
        return f"{' '.join(path)} takes a number, and {words[0]} is none"
    unknown = {word.partition("=")[0] for word in words if re.match("--?[a-z]", word)} - options
    return f"{' '.join(path)} has no {', '.join(sorted(unknown))}" if unknown else ""


def test_pages_print_only_commands_that_there_are() -> None:
    wrong = [f"{page}: sallyport {call}: {why}" for page, call in CALLS if (why := what_is_wrong(call))]
    assert not wrong, "\n".join(wrong)


def test_there_are_such_commands() -> None:
    """Or the test above would show nothing."""
    assert len(CALLS) > 100


@pytest.mark.parametrize("call", ["incident list", "held list --number 3", "held nothing", "invite ada --as root"])
def test_one_that_there_is_not_is_found(call: str) -> None:
    assert what_is_wrong(call)

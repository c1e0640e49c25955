"""Every command of `sallyport` and every group of them, imported, with the words that lead to it."""

from collections.abc import Iterator
from typing import Any

import typer

from policy.cli import app
from policy.cli.lazy import Listed


def command_tree() -> dict[tuple[str, ...], Any]:
    """From `sallyport` itself on, which has no word."""
    return dict(_from(typer.main.get_command(app), ()))


def every_command() -> dict[tuple[str, ...], Any]:
    """Without the groups."""
    return {path: node for path, node in command_tree().items() if not hasattr(node, "commands")}


def _from(node: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    node = node.imported() if isinstance(node, Listed) else node
    yield path, node
    for name, child in sorted(getattr(node, "commands", {}).items()):
        yield from _from(child, (*path, name))

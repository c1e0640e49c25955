"""A command that is listed by name and help, and imported when it is called.

What a command needs (the database, the engine, the simulation) takes longer to import than most commands take to run.
The table of all commands is in __init__.py.
"""

import gc
import sys
from importlib import import_module
from types import ModuleType
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group


class Listed(TyperCommand):
    """A command or a group of commands as --help and the shell's completion list it."""

    def __init__(self, name: str, place: str, help_line: str) -> None:
        """`place` is module:name within policy.cli, of a function or of a Typer app."""
        super().__init__(name, help=help_line)
        self.place = place

    def imported(self) -> Any:  # noqa: ANN401 - Typer keeps the class of commands to itself
        """The command itself, made as Typer makes those that it has from the beginning."""
        module, _, name = self.place.partition(":")
        found = getattr(_imported(f"policy.cli.{module}"), name)
        parent = typer.Typer()
        if isinstance(found, typer.Typer):
            parent.add_typer(found, name=self.name)
        else:
            parent.command(self.name)(found)
        return get_group(parent).commands[str(self.name)]


class LazyGroup(TyperGroup):
    """Its commands are imported on the way to being called, by people or by the shell's completion, and not before."""

    listed: ClassVar[tuple[Listed, ...]] = ()

    def __init__(self, **given: Any) -> None:  # noqa: ANN401 - what Typer gives is Typer's
        super().__init__(**given)
        self.commands.update({str(one.name): one for one in self.listed})

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - see above
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.imported() if isinstance(command, Listed) else command, rest


def _imported(module: str) -> ModuleType:
    """Without the collector, which would look for garbage among modules, again and again, and at the very end."""
    if module in sys.modules:
        return sys.modules[module]
    gc.disable()
    try:
        return import_module(module)
    finally:
        gc.freeze()
        gc.enable()

"""No command takes a secret as an argument: whoever may list processes could read it, and the shell would keep it."""

from collections.abc import Iterator

import click
import typer.main

from policy.cli import app

SECRETS = {"secret", "password", "passphrase", "key", "pin", "code", "seed"}
PUBLIC = {("sallyport bound", "seed")}  # named like one: of random numbers


def parameters(command: click.Command, path: str) -> Iterator[tuple[str, str]]:
    """Each argument and option of a command and of those below it."""
    yield from ((path, word) for one in command.params for word in (one.name or "").split("_"))
    if isinstance(children := getattr(command, "commands", None), dict):
        for name, below in children.items():
            yield from parameters(below, f"{path} {name}")


def test_no_command_takes_a_secret() -> None:
    """Secrets are made here and shown, or are in files."""
    found = list(parameters(typer.main.get_command(app), "sallyport"))
    assert ("sallyport credential add", "label") in found
    assert {one for one in found if one[1] in SECRETS} == PUBLIC

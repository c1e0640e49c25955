"""What several commands take: names and logins that the shell completes, moments, a yes before something is gone."""

import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import SQLAlchemyError

from policy.cli.store import open_identities
from policy.store.errors import StoreError
from policy.store.identities import IdentityStore
from service.settings import SettingError
from service.spans import DAY_S

_OFFERED = 50


def moment(text: str, now: float, direction: int) -> float:
    """2027-01-31, 2027-01-31T12:00 (UTC), or 90d: days from now, back for direction -1 and on for 1."""
    days = text.removesuffix("d")
    if days != text and days.isascii() and days.isdigit():
        return now + direction * int(days) * DAY_S
    try:
        given = datetime.fromisoformat(text)
        return (given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is no date such as 2027-01-31 (UTC), and no number of days such as 90d"
        ) from None


def past(text: str) -> float:
    """A moment of an option, where days are counted back."""
    return moment(text, time.time(), -1)


def future(text: str) -> float | None:
    """A moment of an option, where days are counted on; None is never."""
    return None if text == "never" else moment(text, time.time(), 1)


def confirm(question: str, is_sure: bool) -> None:
    """Go on after a yes only. Without a terminal there is nobody to ask: a script has to say --yes."""
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise StoreError(f"{question} There is no terminal to ask at: say --yes")
    typer.confirm(question, abort=True, err=True)


def refuse_what_is_no_log(files: Sequence[Path], lines: int, unreadable: int) -> None:
    """Some lines of a log may be anything; a file that has no other is a mistake, and silence would hide it."""
    if lines and unreadable == lines:
        names = ", ".join(map(str, files))
        raise StoreError(f"{names}: no line of {lines:,} is one of a log; name a log of Postfix, packed or not")


def _from_store(question: Callable[[IdentityStore], list[str]]) -> list[str]:
    """For the shell: whatever is wrong, there is nothing to offer."""
    try:
        return question(open_identities())
    except (SettingError, StoreError, SQLAlchemyError, OSError):
        return []


def complete_name(incomplete: str) -> list[str]:
    """Names of identities that begin so."""
    found = _from_store(lambda store: [one.name for one in store.identities(search=incomplete, limit=_OFFERED)])
    return [name for name in found if name.startswith(incomplete)]


def complete_login(incomplete: str) -> list[str]:
    """Logins that begin so and that were not revoked."""
    return _from_store(lambda store: store.logins(incomplete, _OFFERED))


Name = Annotated[
    str,
    typer.Argument(
        help="The identity's name, which is its mailbox, too.", show_default=False, autocompletion=complete_name
    ),
]
Login = Annotated[
    str, typer.Argument(help="For example fosem-4k7q-talir.", show_default=False, autocompletion=complete_login)
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")]

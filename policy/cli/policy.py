"""`sallyport policy`: the policy file checked, shown, compared and replaced.

    policy.py          (you are here) the commands
    policy/rulebook/   everything about the file itself

Which policy is in force the store says: the service writes down each that it takes.
"""

import dataclasses
import json as documents
import sys
import time
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

from policy.cli.output import JSON, when
from policy.cli.store import open_identities
from policy.engine.rulebook import Rulebook
from policy.location import location, open_existing
from policy.rulebook import PolicyFileError, load, parse, replacing
from policy.rulebook.changes import Change, changes
from policy.rulebook.in_force import rulebook_at
from policy.rulebook.making import tables_of
from policy.rulebook.schema import schema
from policy.rulebook.toml import written
from policy.settings import Settings
from policy.store.errors import StoreError
from policy.store.models import Identities
from policy.store.policy_book import NewPolicy, PolicyAct
from policy.store.rulebooks import KeptRulebook, kept_rulebooks, last_in_force
from service.settings import SettingError
from service.settings import load as load_settings

policy = typer.Typer(help="The policy file: limits, gates, modes (docs/policy-file.md).", no_args_is_help=True)

_STANDARD = "-"
_POLL_S = 0.1
_DIFFERENT, _TROUBLE = 1, 2  # as diff has it


def complete_digest(incomplete: str) -> list[str]:
    """Digests that begin so, for the shell: whatever is wrong, there is nothing to offer."""
    try:
        return [one.digest for one in kept_rulebooks(open_existing(load_settings(Settings)), incomplete)]
    except (SettingError, StoreError, SQLAlchemyError, OSError):
        return []


File = Annotated[str, typer.Argument(help="A policy file; - is standard input.", show_default=False)]
Digest = Annotated[
    str, typer.Argument(help="Of a policy that was in force; its beginning will do.", autocompletion=complete_digest)
]


@policy.command()
def check(
    file: Annotated[str, typer.Argument(help="A policy file; - is standard input. Without one, the one in use.")] = "",
    json: JSON = False,
) -> None:
    """Say what is wrong with a policy file, with line and key; nothing is changed.

    Example: sallyport policy check policy.toml
    """
    path = load_settings(Settings).policy_file
    try:
        rulebook = _read(file) if file else rulebook_at(path)
    except PolicyFileError as error:
        if not json:
            raise StoreError(f"the policy file is broken\n{error}") from None
        faults = [dataclasses.asdict(fault) for fault in error.faults]
        print(documents.dumps({"digest": None, "faults": faults, "warnings": []}))
        raise typer.Exit(1) from None
    warnings = [*_over(rulebook, time.time()), *_nobodys(rulebook)]
    if json:
        print(documents.dumps({"digest": rulebook.digest, "faults": [], "warnings": warnings}))
        return
    for warning in warnings:
        print(f"note: {warning}", file=sys.stderr)
    is_there = file or path.exists()
    name = file or path if is_there else f"there is no {path}: the shipped policy"
    print(f"{name}: good, policy {rulebook.digest}")


@policy.command()
def show(digest: Digest = "", json: JSON = False) -> None:
    """Print a whole policy as TOML, with all that a file need not say: that of the file in use, or an earlier one.

    Example: sallyport policy show
    """
    if digest:
        kept = _kept(digest)
        tables, digest = tables_of(_read_kept(kept)), kept.digest
    else:
        rulebook = _in_force(load_settings(Settings))
        tables, digest = tables_of(rulebook), rulebook.digest
    if json:
        print(documents.dumps({"digest": digest} | tables, default=date.isoformat))
    else:
        print(f"# Policy {digest}, all of it.\n{written(tables)}", end="")


@policy.command()
def diff(
    file: File,
    other: Annotated[str, typer.Argument(help="Another file. Without one: the policy in force.")] = "",
    json: JSON = False,
) -> None:
    """Print what a file would change in the policy in force, or what is different in another file, number by number.

    The exit code is 0 where nothing is different, 1 where something is, and 2 where it cannot be said.

    Example: sallyport policy diff policy.toml
    """
    try:
        found = (
            changes(_read(file), _read(other)) if other else changes(_in_force(load_settings(Settings)), _read(file))
        )
    except (StoreError, PolicyFileError) as error:
        print(f"sallyport: {error}", file=sys.stderr)
        raise typer.Exit(_TROUBLE) from None
    _show_changes(found, json)
    if found:
        raise typer.Exit(_DIFFERENT)


@policy.command()
def apply(
    file: Annotated[str, typer.Argument(help="A policy file; - is standard input.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Put back the file of before the last time.")] = False,
    json: JSON = False,
) -> None:
    """Check a file and put it in the place of the one in use. The one before is kept, for --undo.

    Example: sallyport policy apply policy.toml
    """
    if bool(file) == undo:
        raise typer.BadParameter("name a file, or say --undo")
    settings, now = load_settings(Settings), time.time()
    before = _in_force(settings)
    text = _text_before(settings.policy_file) if undo else _text(file)
    after = _checked(text, str(replacing.kept(settings.policy_file)) if undo else file)
    _replace(
        NewPolicy(
            path=settings.policy_file,
            text=text,
            before=before.digest,
            after=after.digest,
            changes=[str(one) for one in changes(before, after)],
        ),
        now,
        PolicyAct.UNDONE if undo else PolicyAct.APPLIED,
    )
    _show_changes(changes(before, after), json)
    if not json:
        print(f"policy {after.digest} is in force within two seconds where policy runs; it was {before.digest}")


@policy.command()
def reload(
    wait: Annotated[float, typer.Option(help="For so many seconds, until it is in force.", min=0, max=60)] = 5,
    json: JSON = False,
) -> None:
    """Check the file in use, and tell when policy has taken it: it looks for itself, about once a second.

    Example: sallyport policy reload
    """
    settings = load_settings(Settings)
    rulebook = _good(settings.policy_file)
    found = _wait_for(open_existing(settings), rulebook.digest, time.monotonic() + wait)
    if json:
        print(documents.dumps({"digest": found.digest, "last_used_at": when(found.last_used_at)}))
    else:
        print(f"policy {found.digest} is in force since {when(found.last_used_at)}")


@policy.command("schema")
def show_schema() -> None:
    """Print the JSON schema of the policy file, with which editors complete and check it.

    Example: sallyport policy schema > policy.schema.json
    """
    print(schema(), end="")


def _read(file: str) -> Rulebook:
    """PolicyFileError where it is broken or not there."""
    return parse(_text(file), "standard input") if file == _STANDARD else load(Path(file))


def _text(file: str) -> str:
    try:
        return sys.stdin.read() if file == _STANDARD else Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise StoreError(f"{file} is not UTF-8") from None
    except OSError as error:
        raise StoreError(f"{file} cannot be read ({error.strerror})") from None


def _checked(text: str, name: str) -> Rulebook:
    try:
        return parse(text, "standard input" if name == _STANDARD else name)
    except PolicyFileError as error:
        raise StoreError(f"the policy file is broken, and nothing was changed\n{error}") from None


def _good(path: Path) -> Rulebook:
    try:
        return rulebook_at(path)
    except PolicyFileError as error:
        raise StoreError(f"the policy file is broken, what was in force stays so\n{error}") from None


def _in_force(settings: Settings) -> Rulebook:
    """What the file says; where it is broken, what was in force last, as policy does it."""
    try:
        return rulebook_at(settings.policy_file)
    except PolicyFileError as error:
        content = last_in_force(location(settings))
        if content is None:
            raise StoreError(f"the policy file is broken, and no other policy was in force\n{error}") from None
        print(f"note: the policy file is broken, an earlier policy is in force\n{error}", file=sys.stderr)
        return parse(content, "the policy that was in force last")


def _kept(digest: str) -> KeptRulebook:
    found = kept_rulebooks(open_existing(load_settings(Settings)), digest.lower(), limit=2)
    if not found:
        raise StoreError(f"no policy was in force whose digest begins with {digest}")
    if len(found) > 1:
        raise StoreError(f"several policies begin with {digest}; give more of the digest")
    return found[0]


def _read_kept(kept: KeptRulebook) -> Rulebook:
    try:
        return parse(kept.content, kept.digest)
    except PolicyFileError as error:
        raise StoreError(f"it is of another version of Sallyport\n{error}") from None


def _text_before(path: Path) -> str:
    if not replacing.kept(path).exists():
        raise StoreError(f"there is nothing to put back: no policy was applied to {path}")
    return _text(str(replacing.kept(path)))


def _replace(new: NewPolicy, now: float, act: PolicyAct) -> None:
    try:
        open_identities().apply_policy(new, now, act)
    except OSError as error:
        reason = f"{new.path} cannot be written ({error.strerror})"
        raise StoreError(f"{reason}; where it comes from outside of a container, change it there") from None


def _wait_for(engine: Engine, digest: str, until: float) -> KeptRulebook:
    while True:
        newest = next(iter(kept_rulebooks(engine, limit=1)), None)
        if newest and newest.digest == digest:
            return newest
        if time.monotonic() >= until:
            there = f"policy {newest.digest} is in force" if newest else "no policy was in force yet"
            raise StoreError(
                f"the file is good ({digest}), but {there}; does policy run? Its log says what it has taken"
            )
        time.sleep(_POLL_S)


def _over(rulebook: Rulebook, now: float) -> list[str]:
    """No fault, and yet hardly meant."""
    over = sorted((one.until, one.identity) for one in rulebook.exemptions if one.until <= now)
    return [f"the exemption of {identity} ended {when(until)}; it counts no more" for until, identity in over]


def _nobodys(rulebook: Rulebook) -> list[str]:
    """Names that the file has, and the store has not; nothing where there is no store to ask."""
    named = {one.identity for one in rulebook.exemptions} | set(rulebook.members)
    try:
        with open_existing(load_settings(Settings)).connect() as connection:
            there = set(connection.scalars(select(Identities.name).where(Identities.name.in_(named))))
    except (SettingError, SQLAlchemyError):
        return []
    return [f"there is no identity {name!r}: what the file says of it is for nobody" for name in sorted(named - there)]


def _show_changes(found: list[Change], as_json: bool) -> None:
    if as_json:
        print(documents.dumps([dataclasses.asdict(one) for one in found], default=date.isoformat))
        return
    for one in found:
        print(one)
    if not found:
        print("nothing is different")

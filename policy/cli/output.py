"""What commands print: tables for people, JSON for programs. One JSON document on standard output, nothing else."""

import dataclasses
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from policy.store.identities import Credential, Identity, NewCredential

JSON = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def show_identity(identity: Identity, as_json: bool) -> None:
    if as_json:
        print(json.dumps(_plain(identity)))
    else:
        print(f"{identity.name}: {', '.join(identity.addresses) or 'no address yet'}")


def show_identities(identities: Sequence[Identity], as_json: bool) -> None:
    if as_json:
        print(json.dumps([_plain(one) for one in identities]))
        return
    _print_table(
        ("name", "addresses", "created"), [(i.name, "\n".join(i.addresses), _when(i.created_at)) for i in identities]
    )


def show_credential(made: NewCredential, addresses: Sequence[str], as_json: bool) -> None:
    """The one time that a secret is shown."""
    if as_json:
        print(json.dumps({**dataclasses.asdict(made), "addresses": list(addresses)}))
        return
    print(f"login    {made.login}\nsecret   {made.secret}\nsends as {', '.join(addresses) or 'no address yet'}")
    print("The secret is shown this once and stored nowhere; a new one is made with `sallyport credential add`.")


def show_credentials(credentials: Sequence[Credential], as_json: bool) -> None:
    if as_json:
        print(json.dumps([_plain(one) for one in credentials]))
        return
    rows = [
        (one.login, one.identity, one.label, _when(one.created_at), _when(one.last_used_at), _when(one.revoked_at))
        for one in credentials
    ]
    _print_table(("login", "identity", "label", "created", "last used", "revoked"), rows)


def _plain(row: Identity | Credential) -> dict[str, Any]:  # JSON has no narrower type
    """A row as JSON: times in ISO 8601, UTC."""
    plain = dataclasses.asdict(row)
    return {name: _when(value) or None if name.endswith("_at") else value for name, value in plain.items()}


def _when(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    # A pipe has no width: logins must not be cut there.
    Console(width=None if sys.stdout.isatty() else 200).print(table, markup=False, highlight=False)

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
from policy.store.records import Submission

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


def show_certificate(added: Credential, addresses: Sequence[str], as_json: bool) -> None:
    if as_json:
        print(json.dumps({**_plain(added), "addresses": list(addresses)}))
        return
    print(f"login    {added.login}\nproof    the key of certificate {added.certificate}")
    print(f"sends as {', '.join(addresses) or 'no address yet'}")


def show_credentials(credentials: Sequence[Credential], as_json: bool) -> None:
    if as_json:
        print(json.dumps([_plain(one) for one in credentials]))
        return
    rows = [
        (
            one.login,
            one.identity,
            one.label,
            one.kind,
            _when(one.created_at),
            _when(one.last_used_at),
            _when(one.revoked_at),
        )
        for one in credentials
    ]
    _print_table(("login", "identity", "label", "kind", "created", "last used", "revoked"), rows)


def show_submission(submission: Submission, as_json: bool) -> None:
    if as_json:
        print(json.dumps(_plain(submission)))
        return
    for name, value in _plain(submission).items():
        print(f"{name.replace('_', ' '):<15}{'' if value is None else value}".rstrip())


def show_submissions(submissions: Sequence[Submission], as_json: bool) -> None:
    if as_json:
        print(json.dumps([_plain(one) for one in submissions]))
        return
    rows = [
        (_when(one.at), one.id, one.identity, one.client_address, str(one.recipients), one.reason or one.action,
         one.outcome, one.queue_id)
        for one in submissions
    ]  # fmt: skip
    _print_table(("at", "id", "identity", "client", "recipients", "verdict", "outcome", "queue id"), rows)


def _plain(row: Identity | Credential | Submission) -> dict[str, Any]:  # JSON has no narrower type
    """A row as JSON: times in ISO 8601, UTC; null for what is not there (an empty reverse-path is there)."""
    plain = dataclasses.asdict(row)
    for name, value in plain.items():
        if name == "at" or name.endswith("_at"):
            plain[name] = _when(value) or None
        elif name in ("reason", "outcome", "queue_id"):
            plain[name] = value or None
    return plain


def _when(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    # A pipe has no width: logins must not be cut there.
    Console(width=None if sys.stdout.isatty() else 200).print(table, markup=False, highlight=False)

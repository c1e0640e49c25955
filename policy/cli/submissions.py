"""`sallyport submission`: what the id in a message's Received field stands for, and what became of the message."""

from typing import Annotated

import typer

from policy.cli.arguments import past
from policy.cli.output import JSON, print_rows, print_values, when
from policy.contract import Action
from policy.location import open_existing
from policy.opening import open_store
from policy.replay.recorded import recorded_of
from policy.settings import Settings
from policy.store.held_book import states_of
from policy.store.identities import StoreError
from policy.store.records import Submission, find_submission, newest_submissions, records_since
from service.settings import load

submission = typer.Typer(help="Who handed in a message, and what became of it.", no_args_is_help=True)


@submission.command("show")
def submission_show(
    submission_id: Annotated[
        str, typer.Argument(metavar="ID", help="The id in its Received field and in the logs.", show_default=False)
    ],
    json: JSON = False,
) -> None:
    """Show one submission: whose it was, from where, and what became of it.

    Example: sallyport submission show 3f9c0a7d52e14b68
    """
    settings = load(Settings)
    found = find_submission(open_existing(settings), submission_id)
    if not found:
        raise StoreError(
            f"there is no submission {submission_id!r}; they are kept for {settings.submissions_kept_days} days "
            "(POLICY_SUBMISSIONS_KEPT_DAYS)"
        )
    print_values(found.shown, json)


@submission.command("list")
def submission_list(
    identity: Annotated[str | None, typer.Option(help="Only this identity's.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=100_000)] = 20,
    json: JSON = False,
) -> None:
    """List the newest submissions, refused ones too, with what became of them: of what was held (in part), that.

    Example: sallyport submission list --identity ada
    """
    settings = load(Settings)
    engine = open_existing(settings)
    if identity is not None:
        open_store(settings, engine).identity(identity)  # a misspelt name must not look like one that sent nothing
    found = newest_submissions(engine, identity, limit)
    held = states_of(engine, [one.id for one in found])
    print_rows(
        found,
        ("at", "id", "identity", "client", "recipients", "verdict", "outcome", "queue id"),
        lambda one: (
            when(one.at), one.id, one.identity, one.client_address, str(one.recipients), one.reason or one.action,
            _what_became_of(one, held.get(one.id, "")), one.queue_id,
        ),
        json,
    )  # fmt: skip


def _what_became_of(one: Submission, held: str) -> str:
    """The next hop has taken what is on hold, too: that alone would say that it went out."""
    if not held or one.action == Action.HOLD:
        return held or one.outcome
    return f"{one.outcome}; {held}"


@submission.command("export")
def submission_export(
    since: Annotated[
        str, typer.Option(metavar="DATE", help="Nothing older: 2027-01-31 (UTC), or 30d.", show_default=False)
    ] = "",
) -> None:
    """Print all submissions for `sallyport replay`, a JSON document a line, the oldest first.

    Recipients are keyed hashes, and nothing in it says what a message was about.

    Example: sallyport submission export --since 30d > decisions.jsonl
    """
    for one in records_since(open_existing(load(Settings)), past(since) if since else 0.0):
        print(recorded_of(one).model_dump_json())

"""The command line `sallyport`: main, and the table of all commands.

    __init__.py    (you are here) COMMANDS says in which module each command is
    lazy.py        why no command is imported before it is called
    refusals.py    what is said when something cannot be done
    arguments.py   what several commands take; what the shell completes
    output.py      tables for people, JSON for programs
    progress.py    how far a long command is
    store.py       the identity store, opened for whoever calls
    waiting.py     until policy and the queue have done what a command wrote down
    incident_text.py   an incident on a terminal
    sheets.py      the sheets that `import` writes for people
    learnt.py, replayed.py   what came of `learn` and of `replay`, printed

Exit codes: 0 done, 1 it cannot be done (a sentence says why), 2 a wrong setting or wrong arguments.
"""

import sys
from typing import Annotated

import typer

from policy.cli.lazy import LazyGroup, Listed
from service import VERSION

# Name, module and what is in it, and the help line, which is the first one of the command's own; a test compares them.
COMMANDS = (
    # The first start
    Listed(
        "init",
        "first_start:make_what_is_missing",
        "Make what is missing: secrets, self-signed certificate, database, first administrator.",
    ),
    Listed("first-login", "first_start:first_login", "Show the first administrator's credential, once."),
    Listed(
        "certificate", "first_start:certificate", "Print the certificate that the gateway and Dovecot present, as PEM."
    ),
    Listed(
        "dns",
        "dns:dns",
        "Print the DNS records that our mail needs, and those that lead mail programs here, as lines of a zone file.",
    ),
    Listed("dkim", "dkim:dkim", "The keys that sign our mail, and their rotation (DKIM)."),
    Listed(
        "doctor",
        "doctor:doctor",
        "Say what is wrong with this installation, and what to do. Exit code 1 when something is.",
    ),
    Listed("serve", "serve:serve", "Run gateway and policy in front of an existing MTA."),
    Listed(
        "status",
        "status:status",
        "Show all parts of the installation and what they say of themselves. Exit code 1 when something is wrong.",
    ),
    Listed("top", "top:top", "Watch what goes on: rates, open incidents, newest decisions, queue, health."),
    # Who may send, and as whom
    Listed("identity", "identities:identity", "Who may send: people, devices, applications."),
    Listed("address", "addresses:address", "As whom an identity may send."),
    Listed("credential", "credentials:credential", "Logins and secrets, one for each device."),
    Listed(
        "client-ca",
        "client_certificates:client_ca",
        "Print the certificate of the CA that issues client certificates, as PEM; it is made if there is none yet.",
    ),
    Listed("invite", "people:invite", "Links with which people begin, valid once."),
    Listed("person", "people:person", "People's sign-in to the console."),
    Listed("import", "imports:imports", "A whole organisation from a file."),
    Listed("token", "tokens:token", "Tokens for programs that use the REST API."),
    Listed(
        "service-token",
        "service_tokens:service_token",
        "The tokens that our services show each other, and their rotation.",
    ),
    Listed("network", "networks:network", "From where an identity has logged in: there it is never walled."),
    Listed("exemption", "exemptions:exemption", "What the gates let through for one identity, because it travels."),
    Listed("learn", "learn:learn", "Whom each identity knows: learn, look, forget."),
    # The bad day
    Listed(
        "contain",
        "incidents:contain",
        "Shut a login out at once, or all of an identity's: no login works, sessions end, queued mail is held.",
    ),
    Listed(
        "release",
        "incidents:release",
        "Undo an incident: it was nothing, or it is over. Logins work again, held mail goes on its way.",
    ),
    Listed(
        "purge",
        "incidents:purge",
        "Delete what an incident holds: it was theft. The logins that were used stay suspended.",
    ),
    Listed("incidents", "incidents:incidents", "List incidents: open ones first, then the newest."),
    Listed(
        "incident",
        "incidents:incident",
        "Show all of one incident: what happened, from where, what went out, whom to warn, what to do next.",
    ),
    Listed("held", "held:held", "Messages on hold: list, look, release, delete."),
    Listed("queue", "queue:queue", "What is queued at Postfix, and whose it is."),
    Listed("complaint", "complaints:complaint", "What people who got a message said of it."),
    # What happened
    Listed("submission", "submissions:submission", "Who handed in a message, and what became of it."),
    Listed(
        "explain",
        "explain:explain",
        "Explain what became of a submission: which facts met which rule, and where each budget stood.",
    ),
    Listed(
        "trace",
        "trace:trace",
        "Trace one message: who handed it in, what was decided and why, and what became of it for each recipient.",
    ),
    Listed("standing", "standings:standing", "Who is slowed, held, restricted or locked, and why."),
    Listed("alert", "alerts:alert", "What people are told, by which channels, and whether it arrives."),
    Listed("decoy", "decoys:decoy", "Logins that nobody has: whoever uses one is a thief."),
    Listed("trap", "traps:trap", "Traps that closed: addresses used as logins, old secrets, decoys."),
    Listed("wall", "walls:wall", "Networks that are walled after guesses or a trap, and letting one in."),
    Listed("audit", "audit:audit", "Who changed what, when and from where."),
    # The policy
    Listed("policy", "policy:policy", "The policy file: limits, gates, modes (docs/policy-file.md)."),
    Listed(
        "replay",
        "replay:replay",
        "Run a policy over a log of Postfix, or over recorded decisions: whom would it slow, hold or refuse?",
    ),
    Listed(
        "simulate",
        "simulate:simulate",
        "Play attacks and legitimate senders against a policy, on a simulated clock: who gets out, whom does it hurt?",
    ),
    Listed(
        "bound",
        "bound:bound_of_policy",
        "State the most recipients that a thief can reach, in an hour and in a day, whatever he does.",
    ),
    # The store
    Listed(
        "backup",
        "backup:backup",
        "Write everything to one file, while everything runs: the database and the keys that belong to it.",
    ),
    Listed(
        "restore",
        "backup:restore",
        "Put a backup in place, from either database into the one that the settings name.",
    ),
    Listed(
        "migrate-state",
        "migrate_state:migrate_state",
        "Move the whole store to another database, and its budgets to Valkey or back; what was cut off goes on.",
    ),
)


class _Commands(LazyGroup):
    """All of them."""

    listed = COMMANDS


app = typer.Typer(
    cls=_Commands,
    help="Sallyport: identities and credentials of the submission gateway.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Entry point: what cannot be done ends with a sentence, never with a traceback."""
    try:
        app(prog_name="sallyport")
    except Exception as error:
        from policy.cli.refusals import refusal  # noqa: PLC0415 - see lazy.py

        told = refusal(error)
        if told is None:
            raise
        print(f"sallyport: {told.sentence}", file=sys.stderr)
        sys.exit(told.exit_code)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"sallyport {VERSION}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Options of `sallyport` itself."""

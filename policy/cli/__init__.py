"""The command line `sallyport`.

    __init__.py    (you are here) main, and the commands of the first start
    store.py       identity, address, credential
    submissions.py what became of messages
    serve.py       gateway and policy alone, in front of an MTA that exists already
    output.py      tables for people, JSON for programs

Exit codes: 0 done, 1 it cannot be done (a sentence says why), 2 a wrong setting or wrong arguments.
"""

import sys
import time
from typing import Annotated

import typer
from sqlalchemy.exc import SQLAlchemyError

from policy.certificate import fingerprint
from policy.cli import store, submissions
from policy.cli.output import JSON, show_credential
from policy.cli.serve import serve
from policy.settings import Settings
from policy.setup import ADMINISTRATOR, init
from policy.store.identities import StoreError
from service import VERSION
from service.settings import EXIT_BAD_SETTING, SettingError, load

app = typer.Typer(
    help="Sallyport: identities and credentials of the submission gateway.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(store.identity, name="identity")
app.add_typer(store.address, name="address")
app.add_typer(store.credential, name="credential")
app.add_typer(submissions.submission, name="submission")
app.command()(serve)


def main() -> None:
    """Entry point: what cannot be done ends with a sentence, never with a traceback."""
    try:
        app()
    except StoreError as error:
        print(f"sallyport: {error}", file=sys.stderr)
        sys.exit(1)
    except SettingError as error:
        print(f"sallyport: {error}", file=sys.stderr)
        sys.exit(EXIT_BAD_SETTING)
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or type(error).__name__)
        print(f"sallyport: the database cannot be used ({reason}); is `sallyport init` done?", file=sys.stderr)
        sys.exit(1)


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


@app.command(name="init")
def make_what_is_missing() -> None:
    """Make what is missing: secrets, self-signed certificate, database, first administrator."""
    made = init(load(Settings), time.time())
    print(f"made: {', '.join(made)}" if made else "nothing was missing")


@app.command()
def first_login(json: JSON = False) -> None:
    """Show the first administrator's credential, once.

    Example: sallyport first-login
    """
    identities = store.open_identities()
    if identities.credentials(ADMINISTRATOR):
        raise StoreError(
            "the first credential was shown already; "
            f"`sallyport credential add {ADMINISTRATOR} --label LABEL` makes another one"
        )
    made = identities.add_credential(ADMINISTRATOR, "first login", time.time())
    show_credential(made, identities.identity(ADMINISTRATOR).addresses, json)


@app.command()
def certificate(
    show_fingerprint: Annotated[bool, typer.Option("--fingerprint", help="Only its SHA-256 fingerprint.")] = False,
) -> None:
    """Print the certificate that the gateway and Dovecot present, as PEM.

    Example: sallyport certificate > sallyport.pem
    """
    settings = load(Settings)
    try:
        pem = settings.tls_cert.read_bytes()
        print(fingerprint(pem) if show_fingerprint else pem.decode().strip())
    except (OSError, ValueError):
        raise SettingError(
            "POLICY_TLS_CERT",
            f"{settings.tls_cert} is no readable certificate",
            "replace it, or remove it and run init",
        ) from None

"""The command line `sallyport`.

    __init__.py    (you are here) main, and the commands of the first start
    identities.py  identity: who may send
    addresses.py   address: as whom
    credentials.py credential: logins, one for each device
    client_certificates.py  client certificates of our own CA
    decoys.py      decoy: logins that nobody has
    traps.py       trap: who used one of them, an address or an old secret
    networks.py    network: from where an identity has logged in
    exemptions.py  exemption: what the gates let through for one, because it travels
    audit.py       audit: who changed what
    submissions.py what became of messages; explain.py: why
    standings.py   standing: who is on the ladder, and taking it back
    replay.py      a policy over the mail of the past; replayed.py prints what it would have done
    policy.py      policy: the policy file checked, shown, compared, replaced
    people.py      invite, person: how people sign in to the console
    imports.py     import: a whole organisation from a file, the end of a migration; sheets.py writes its sheets
    learn.py       learn: whom each identity knows, from the past; learnt.py says what came of it
    tokens.py      token: what programs may do through the API
    backup.py      backup, restore: the whole store in one file
    dns.py         the records that lead mail programs here
    simulate.py    attacks and legitimate senders on a simulated clock; bound.py: the worst that a policy allows
    doctor.py      what is wrong with this installation
    serve.py       gateway and policy alone, in front of an MTA that exists already
    arguments.py   what several commands take; what the shell completes
    output.py      tables for people, JSON for programs
    progress.py    how far a long command is
    store.py       the identity store, opened for whoever calls

Exit codes: 0 done, 1 it cannot be done (a sentence says why), 2 a wrong setting or wrong arguments.
"""

import sys
import time
from typing import Annotated

import typer
from sqlalchemy.exc import SQLAlchemyError

from policy.certificate import fingerprint
from policy.cli import (
    addresses,
    audit,
    credentials,
    decoys,
    exemptions,
    identities,
    imports,
    learn,
    networks,
    people,
    policy,
    standings,
    store,
    submissions,
    tokens,
    traps,
)
from policy.cli.backup import backup, restore
from policy.cli.bound import bound_of_policy
from policy.cli.client_certificates import client_ca
from policy.cli.dns import dns
from policy.cli.doctor import doctor
from policy.cli.explain import explain
from policy.cli.output import JSON
from policy.cli.replay import replay
from policy.cli.serve import serve
from policy.cli.simulate import simulate
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
app.add_typer(identities.identity, name="identity")
app.add_typer(addresses.address, name="address")
app.add_typer(credentials.credential, name="credential")
app.add_typer(decoys.decoy, name="decoy")
app.add_typer(traps.trap, name="trap")
app.add_typer(networks.network, name="network")
app.add_typer(exemptions.exemption, name="exemption")
app.add_typer(audit.audit, name="audit")
app.add_typer(submissions.submission, name="submission")
app.add_typer(standings.standing, name="standing")
app.add_typer(policy.policy, name="policy")
app.add_typer(people.invite, name="invite")
app.add_typer(people.person, name="person")
app.add_typer(imports.imports, name="import")
app.add_typer(learn.learn, name="learn")
app.add_typer(tokens.token, name="token")
app.command()(backup)
app.command()(restore)
app.command()(client_ca)
app.command()(dns)
app.command()(doctor)
app.command()(explain)
app.command()(replay)
app.command()(serve)
app.command()(simulate)
app.command(name="bound")(bound_of_policy)


def main() -> None:
    """Entry point: what cannot be done ends with a sentence, never with a traceback."""
    try:
        app(prog_name="sallyport")
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
    """Make what is missing: secrets, self-signed certificate, database, first administrator.

    Example: sallyport init
    """
    made = init(load(Settings), time.time())
    print(f"made: {', '.join(made)}" if made else "nothing was missing")


@app.command()
def first_login(json: JSON = False) -> None:
    """Show the first administrator's credential, once.

    Example: sallyport first-login
    """
    opened = store.open_identities()
    if opened.credentials(ADMINISTRATOR, limit=1):
        raise StoreError(
            "the first credential was shown already; "
            f"`sallyport credential add {ADMINISTRATOR} --label LABEL` makes another one"
        )
    made = opened.add_credential(ADMINISTRATOR, "first login", time.time())
    credentials.show_new(made, opened.identity(ADMINISTRATOR).addresses, json)


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

"""Client certificates of our own CA: `credential add --issue-certificate FILE` and `sallyport client-ca`."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import typer

from policy.cli.output import print_values
from policy.client_ca import LEAF_LIFETIME_S, open_client_ca, write_new
from policy.settings import Settings
from policy.store.errors import StoreError
from policy.store.handles import new_secret
from policy.store.identities import Credential, IdentityStore
from policy.store.rows import Terms
from service.settings import load

_STANDARD_OUTPUT = Path("-")


def client_ca() -> None:
    """Print the certificate of the CA that issues client certificates, as PEM; it is made if there is none yet.

    Example: sallyport client-ca > client-ca.pem
    """
    print(open_client_ca(load(Settings).state_dir, time.time()).pem.decode().strip())


def issue(store: IdentityStore, name: str, label: str, file: Path, terms: Terms, now: float, *, as_json: bool) -> None:
    """Make a login, and the key and certificate that prove it in `file`, whose passphrase is shown this once."""
    if file == _STANDARD_OUTPUT and as_json:
        raise typer.BadParameter("--json needs a file: standard output cannot be both")
    latest = now + LEAF_LIFETIME_S
    expires_at = latest if terms.expires_at is None else terms.expires_at
    if not now < expires_at <= latest:
        raise StoreError("a certificate expires in the next two years; choose --expires accordingly, or leave it out")
    ca, passphrase, made = open_client_ca(load(Settings).state_dir, now), new_secret(), list[bytes]()

    def made_for(login: str) -> str:
        issued = ca.issue(login, now, expires_at)
        content = issued.pkcs12(passphrase)
        if file != _STANDARD_OUTPUT:
            _write(file, content)
        made.append(content)
        return issued.fingerprint

    try:
        terms = Terms(terms.scopes, terms.networks, expires_at)
        added = store.issue_certificate(name, label, made_for, now, terms)
    except Exception:
        if made and file != _STANDARD_OUTPUT:  # the file is there, and its login is not
            file.unlink(missing_ok=True)
        raise
    _show(added, file, passphrase, store.identity(name).addresses, as_json)
    if file == _STANDARD_OUTPUT:
        sys.stdout.buffer.write(made[0])


def _write(file: Path, content: bytes) -> None:
    try:
        write_new(file, content)
    except FileExistsError:
        raise StoreError(f"{file} exists already; choose a name for a new file") from None
    except OSError as error:
        raise StoreError(f"{file} cannot be written ({error.strerror}); choose another folder") from None


def _show(added: Credential, file: Path, passphrase: str, addresses: Sequence[str], as_json: bool) -> None:
    text = (
        f"login      {added.login}\npassphrase {passphrase}\nsends as   {', '.join(addresses) or 'no address yet'}\n"
        "The passphrase is shown this once and stored nowhere. Give the file to the device, and delete it here."
    )
    if file == _STANDARD_OUTPUT:
        print(text, file=sys.stderr)
    else:
        print_values(added, as_json, text, addresses=list(addresses), file=str(file), passphrase=passphrase)

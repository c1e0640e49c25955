"""`sallyport credential`: logins, one for each device."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from policy.certificate import fingerprint
from policy.cli.arguments import Login, Name, Yes, complete_name, confirm, future, past
from policy.cli.client_certificates import issue
from policy.cli.output import JSON, TABLE_ROWS, Limit, all_pages, print_rows, print_values, when
from policy.cli.store import open_identities
from policy.settings import Settings
from policy.store.credentials import CredentialChanges
from policy.store.errors import StoreError
from policy.store.handles import Scope
from policy.store.identities import Credential, NewCredential
from policy.store.rows import SCOPES, Terms
from service.settings import SettingError, load

credential = typer.Typer(help="Logins and secrets, one for each device.", no_args_is_help=True)

_COLUMNS = ("login", "identity", "label", "kind", "created", "last used", "from", "expires", "revoked", "suspended")


def show_new(made: NewCredential, addresses: Sequence[str], as_json: bool) -> None:
    """The one time that a secret is shown."""
    print_values(
        made,
        as_json,
        f"login    {made.login}\nsecret   {made.secret}\nsends as {_told(addresses)}\n"
        "The secret is shown this once and stored nowhere; a new one is made with `sallyport credential renew`.",
        addresses=list(addresses),
    )


def _show_without_secret(added: Credential, addresses: Sequence[str], as_json: bool) -> None:
    text = f"login    {added.login}\nproof    {_proof(added)}\nsends as {_told(addresses)}"
    print_values(added, as_json, text, addresses=list(addresses))


def _proof(added: Credential) -> str:
    if added.certificate:
        return f"the key of certificate {added.certificate}"
    return f"{added.kind}, as {added.subject}" if added.subject else added.kind


def _told(addresses: Sequence[str]) -> str:
    return ", ".join(addresses) or "no address yet"


@credential.command("add")
def credential_add(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    name: Name,
    label: Annotated[str, typer.Option(help="The device, for example laptop.")],
    certificate: Annotated[
        Path | None,
        typer.Option(help="A client certificate (PEM) that proves the login in place of a secret.", show_default=False),
    ] = None,
    issue_certificate: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.p12",
            help="Make a client certificate that proves it, in a new file (or -).",
            show_default=False,
        ),
    ] = None,
    oidc: Annotated[
        str | None,
        typer.Option(metavar="SUBJECT", help="A token of the OIDC issuer proves it, if its claim is this."),
    ] = None,
    ldap: Annotated[
        str | None, typer.Option(metavar="LOGIN", help="A bind at the LDAP server proves it; this is what people type.")
    ] = None,
    dn: Annotated[str, typer.Option(help="As whom it binds; empty is what the settings say.")] = "",
    scopes: Annotated[
        list[Scope] | None, typer.Option("--scope", help="What it is good for, submit and imap unless said; repeat.")
    ] = None,
    networks: Annotated[
        list[str] | None, typer.Option("--network", help="Only from there (CIDR); repeat for more. None is everywhere.")
    ] = None,
    expires: Annotated[str, typer.Option(help="From when it is refused: 2027-01-31 (UTC), 90d, or never.")] = "never",
    json: JSON = False,
) -> None:
    """Make a login for one device, with a secret that is shown this once, or with another proof.

    Example: sallyport credential add ada --label laptop
    """
    if sum(given is not None for given in (certificate, issue_certificate, oidc, ldap)) > 1:
        raise typer.BadParameter("choose one of --certificate, --issue-certificate, --oidc and --ldap")
    if dn and ldap is None:
        raise typer.BadParameter("--dn goes with --ldap")
    _refuse_without_bridge(oidc, ldap, dn)
    store, now = open_identities(), time.time()
    terms = Terms(tuple(scopes or SCOPES), tuple(networks or ()), future(expires))
    if certificate:
        added = store.add_certificate(name, label, _fingerprint_of(certificate), now, terms)
    elif issue_certificate:
        issue(store, name, label, issue_certificate, terms, now, as_json=json)
        return
    elif oidc is not None:
        added = store.add_oidc(name, label, oidc, now, terms)
    elif ldap is not None:
        added = store.add_ldap(name, label, ldap, dn, now, terms)
    else:
        show_new(store.add_credential(name, label, now, terms), store.identity(name).addresses, json)
        return
    _show_without_secret(added, store.identity(name).addresses, json)


def _refuse_without_bridge(oidc: str | None, ldap: str | None, dn: str) -> None:
    """A login that nothing could prove would only look like one."""
    settings = load(Settings)
    if oidc is not None and not settings.oidc_issuer:
        raise SettingError("POLICY_OIDC_ISSUER", "no issuer is set, so no token proves anything", "set it first")
    if ldap is not None and not settings.ldap_url:
        raise SettingError("POLICY_LDAP_URL", "no LDAP server is set, so there is nothing to bind at", "set it first")
    if ldap is not None and not (dn or settings.ldap_bind_dn or settings.ldap_search_base):
        raise SettingError(
            "POLICY_LDAP_BIND_DN",
            "neither it nor POLICY_LDAP_SEARCH_BASE says as whom a login binds",
            "set one of them, or give --dn",
        )


def _fingerprint_of(path: Path) -> str:
    """As the gateway tells it: SHA-256 in lower case, without colons."""
    try:
        return fingerprint(path.read_bytes()).replace(":", "").lower()
    except (OSError, ValueError):
        raise StoreError(f"{path} is no readable certificate; it must be a PEM file") from None


@credential.command("list")
def credential_list(
    name: Annotated[
        str | None, typer.Argument(help="Only this identity's.", show_default=False, autocompletion=complete_name)
    ] = None,
    unused_since: Annotated[
        str | None, typer.Option(help="Only working ones that nobody used since: 2026-01-31 (UTC) or 90d.")
    ] = None,
    expired: Annotated[bool, typer.Option("--expired", help="Only those that have expired.")] = False,
    after: Annotated[str, typer.Option(help="Go on after this login.")] = "",
    limit: Limit = None,
    json: JSON = False,
) -> None:
    """List credentials, oldest first, revoked ones too; never a secret.

    Example: sallyport credential list --unused-since 90d
    """
    store = open_identities()
    since, by = past(unused_since) if unused_since else None, time.time() if expired else None
    rows = all_pages(
        lambda last, most: store.credentials(name, unused_since=since, expired_at=by, after=last, limit=most),
        lambda one: one.login,
        after,
        limit,
    )
    print_rows(rows, _COLUMNS, _line, json, None if limit else TABLE_ROWS)


@credential.command("show")
def credential_show(login: Login, json: JSON = False) -> None:
    """Show all that is known of one login, but no secret.

    Example: sallyport credential show fosem-4k7q-talir
    """
    print_values(open_identities().credential(login), json)


@credential.command("change")
def credential_change(
    login: Login,
    label: Annotated[str | None, typer.Option(help="Another label.", show_default=False)] = None,
    scopes: Annotated[list[Scope] | None, typer.Option("--scope", help="All that it is good for.")] = None,
    networks: Annotated[
        list[str] | None, typer.Option("--network", help="All from where it works (CIDR), or 'everywhere'.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="From when it is refused: 2027-01-31 (UTC), 90d, or never.", show_default=False)
    ] = None,
    json: JSON = False,
) -> None:
    """Change a login's label, scopes, networks or expiry. Who loses something by it has to log in again.

    Example: sallyport credential change fosem-4k7q-talir --network 192.0.2.0/24
    """
    wanted = CredentialChanges()
    if label is not None:
        wanted["label"] = label
    if scopes:
        wanted["scopes"] = tuple(scopes)
    if networks:
        wanted["networks"] = () if networks == ["everywhere"] else tuple(networks)
    if expires is not None:
        wanted["expires_at"] = future(expires)
    print_values(open_identities().change_credential(login, time.time(), **wanted), json)


@credential.command("renew")
def credential_renew(login: Login, yes: Yes = False, json: JSON = False) -> None:
    """Make another secret for a login, shown this once. The device has to be given it.

    Example: sallyport credential renew fosem-4k7q-talir
    """
    store = open_identities()
    known = store.credential(login)
    confirm(f"Refuse the secret of {known.label!r} of {known.identity!r} from now on, and make another one?", yes)
    made = store.renew(login, time.time())
    show_new(made, store.identity(made.identity).addresses, json)


@credential.command("revoke")
def credential_revoke(login: Login, json: JSON = False) -> None:
    """Refuse a login from now on, and end its sessions. The other devices of its identity go on.

    Example: sallyport credential revoke fosem-4k7q-talir
    """
    print_rows([open_identities().revoke(login, time.time())], _COLUMNS, _line, json)


def _line(one: Credential) -> tuple[str, ...]:
    return (
        one.login,
        one.identity,
        one.label,
        one.kind,
        when(one.created_at),
        when(one.last_used_at),
        one.last_used_from or "",
        when(one.expires_at),
        when(one.revoked_at),
        f"incident {one.contained_by}" if one.contained_by else "",
    )

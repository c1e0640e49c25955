"""What an administrator says about the bridges: POLICY_OIDC_... and POLICY_LDAP_... in the environment."""

import ipaddress
import ssl
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt, field_validator
from pydantic_settings import BaseSettings, NoDecode

from policy.bridges import ldap_text
from service.settings import OptionalPath, SettingError, names_a_server


def _split(given: object) -> object:
    return tuple(one.strip() for one in given.split(",") if one.strip()) if isinstance(given, str) else given


CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class BridgeSettings(BaseSettings):
    """A part of policy's settings. Empty `oidc_issuer` and `ldap_url`: there is no such bridge."""

    oidc_issuer: str = ""
    oidc_audience: CommaList = ()
    oidc_claim: str = "sub"
    oidc_scope: str = Field(default="", pattern=r"^\S*$")
    oidc_clients: CommaList = ()
    oidc_ca: OptionalPath = None
    oidc_keys_kept_s: PositiveFloat = 86_400

    ldap_url: str = ""
    ldap_ca: OptionalPath = None
    ldap_bind_dn: str = ""
    ldap_search_base: str = ""
    ldap_search_filter: str = "(uid={login})"
    ldap_service_dn: str = ""
    ldap_service_password_file: OptionalPath = None
    ldap_connections: PositiveInt = Field(default=4, le=100)
    ldap_timeout_s: PositiveFloat = Field(default=3, le=20)

    @field_validator("oidc_issuer")
    @classmethod
    def _is_an_issuer(cls, given: str) -> str:
        if given and (not is_safe(given) or "?" in given or "#" in given):
            raise ValueError("it should be the https:// address of the issuer, as it stands in its tokens")
        return given

    @field_validator("ldap_url")
    @classmethod
    def _is_a_directory(cls, given: str) -> str:
        scheme, _, where = given.partition("://")
        is_there = names_a_server(given) if scheme in ("ldaps", "ldap") else scheme == "ldapi" and where.strip("/")
        if given and not is_there:
            raise ValueError("it should be ldaps://HOST, ldap://HOST (with StartTLS) or ldapi:///path/to/socket")
        return given

    @field_validator("ldap_search_filter")
    @classmethod
    def _is_a_filter(cls, given: str) -> str:
        ldap_text.read_filter(given)
        return given

    @field_validator("ldap_bind_dn")
    @classmethod
    def _has_a_place_for_the_login(cls, given: str) -> str:
        if given and given.count("{login}") != 1:
            raise ValueError("it should have {login} in it once, such as uid={login},ou=people,dc=example,dc=org")
        return given


def is_safe(url: str) -> bool:
    """HTTPS, or an issuer on this very machine."""
    if not names_a_server(url):
        return False
    parts = urlsplit(url)
    if parts.scheme != "http":
        return parts.scheme == "https"
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.hostname == "localhost"


def authorities(name: str, path: Path | None) -> ssl.SSLContext:
    """Trusts those in `path`, or the machine's own; `name` is the setting that holds the path."""
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as error:
        raise SettingError(name, f"{path} cannot be used ({error.strerror})", "give a readable PEM file") from None

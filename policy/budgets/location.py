"""Where the budgets are that the settings name: in the database, or on a server of their own."""

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from valkey.asyncio import SSLConnection, UnixDomainSocketConnection

from policy.budgets.valkey import ValkeyBudgets
from policy.settings import Settings
from service.settings import SettingError, read_secret

_SETTING = "POLICY_BUDGETS_URL"
_FORMS = (
    "it should be valkey://HOST:PORT/NUMBER, valkeys://... for TLS or unix:///PATH?db=NUMBER, or empty for the database"
)


def remote_budgets(settings: Settings) -> ValkeyBudgets | None:
    """The budgets on a server of their own; None where they are in the database. Connects to nothing yet."""
    if not settings.budgets_url:
        return None
    options = options_of(settings.budgets_url)
    if settings.budgets_password_file:
        options["password"] = read_secret("POLICY_BUDGETS_PASSWORD_FILE", settings.budgets_password_file)
    return ValkeyBudgets(options, settings.budgets_replicas)


def options_of(url: str) -> dict[str, Any]:
    """What the client library calls it. No sentence repeats the URL: somebody may have put a password into it."""
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
    except ValueError:
        raise SettingError(_SETTING, "it is no URL", _FORMS) from None
    if parts.password is not None or "password" in parts.query:
        raise SettingError(
            _SETTING,
            "it holds a password, which every look at the environment would show",
            "put the password into a file of mode 0600 and the file's path into POLICY_BUDGETS_PASSWORD_FILE",
        )
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    options: dict[str, Any] = {"username": unquote(parts.username)} if parts.username else {}
    if parts.scheme == "unix" and parts.path and not parts.hostname and query.keys() <= {"db"}:
        return options | {
            "connection_class": UnixDomainSocketConnection,
            "path": unquote(parts.path),
            "db": _number(query.get("db", "0")),
        }
    if parts.scheme in ("valkey", "valkeys") and parts.hostname and query.keys() <= {"ca"}:
        options |= {"host": parts.hostname, "port": port, "db": _number(parts.path.strip("/") or "0")}
        return options if parts.scheme == "valkey" else options | _tls(query.get("ca"))
    raise SettingError(_SETTING, "it names no server that can be used", _FORMS)


def _tls(authority: str | None) -> dict[str, Any]:
    """`authority` is a file of certificates; without one those of the system hold."""
    return {
        "connection_class": SSLConnection,
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
        "ssl_ca_certs": authority,
    }


def _number(text: str) -> int:
    if not text.isdecimal():
        raise SettingError(_SETTING, "the number of the database in it is no number", _FORMS)
    return int(text)

"""Where the budgets are that the settings name: in the database, or on a server of their own."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from policy.budgets.valkey import ValkeyBudgets
from policy.budgets.valkey_line import Server
from policy.settings import Settings
from service.settings import SettingError, read_secret

_SETTING = "POLICY_BUDGETS_URL"
_FORMS = (
    "it should be valkey://HOST:PORT/NUMBER, valkeys://... for TLS or unix:///PATH?db=NUMBER, or empty for the database"
)


def remote_budgets(settings: Settings) -> ValkeyBudgets | None:
    """The budgets on a server of their own; None where they are in the database. Connects to nothing yet."""
    server = server_of(settings.budgets_url, settings.budgets_password_file)
    return ValkeyBudgets(server, settings.budgets_replicas) if server else None


def server_of(url: str, password_file: Path | None) -> Server | None:
    """The server with its password; None where no URL names one."""
    if not url:
        return None
    server = server_at(url)
    if not password_file:
        return server
    return replace(server, password=read_secret("POLICY_BUDGETS_PASSWORD_FILE", password_file))


def server_at(url: str) -> Server:
    """No sentence repeats the URL: somebody may have put a password into it."""
    try:
        parts = urlsplit(url)
        port = 6379 if parts.port is None else parts.port
    except ValueError:
        raise SettingError(_SETTING, "it is no URL", _FORMS) from None
    if parts.password is not None or "password" in parts.query:
        raise SettingError(
            _SETTING,
            "it holds a password, which every look at the environment would show",
            "put the password into a file of mode 0600 and the file's path into POLICY_BUDGETS_PASSWORD_FILE",
        )
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    user = unquote(parts.username or "")
    if parts.scheme == "unix" and parts.path and not parts.hostname and query.keys() <= {"db"}:
        return Server(path=unquote(parts.path), number=_number(query.get("db", "0")), user=user)
    if parts.scheme in ("valkey", "valkeys") and parts.hostname and port and query.keys() <= {"ca"}:
        return Server(
            host=parts.hostname,
            port=port,
            number=_number(parts.path.strip("/") or "0"),
            user=user,
            is_tls=parts.scheme == "valkeys",
            authority=query.get("ca"),
        )
    raise SettingError(_SETTING, "it names no server that can be used", _FORMS)


def _number(text: str) -> int:
    if not text.isdecimal():
        raise SettingError(_SETTING, "the number of the database in it is no number", _FORMS)
    return int(text)

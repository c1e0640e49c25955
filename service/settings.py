"""Settings from the environment: read once, complete, frozen; a wrong one is told in a sentence.

    .env                                the SALLYPORT_ names; stack/settings.sh checks them against .env.example
    compose.yaml, stack/native-inside   make the environment of each service of them: GATEWAY_, POLICY_ and others
    settings.py                         (you are here) reads it, in the service; its own settings.py says what there is

A service's settings are a class with a prefix, GATEWAY_ for example. A variable with the prefix that is no setting is
refused, too: a misspelt limit would otherwise be a limit that is silently not there. One that is gone (the class has
those as GONE) is refused with where to say it now.
"""

import difflib
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, NoReturn, TypeVar
from urllib.parse import urlsplit

from pydantic import BeforeValidator, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsError

EXIT_BAD_SETTING = 2

LogFormat = Literal["text", "json"]  # of the lines that log.py makes
# Empty is as if it were not set: compose files and manifests cannot leave a variable out.
OptionalPath = Annotated[Path | None, BeforeValidator(lambda given: given or None)]

_USER_OF_URL = re.compile(r"//.*@")  # and its password

AnySettings = TypeVar("AnySettings", bound=BaseSettings)


class SettingError(Exception):
    """A setting that cannot be used; str(self) names it, says what is wrong with it and what to do."""

    def __init__(self, name: str, problem: str, remedy: str) -> None:
        super().__init__(f"{name}: {problem}; {remedy}")


def load(kind: type[AnySettings]) -> AnySettings:
    """The settings of `kind` from the process's environment, or SettingError for the first that is wrong."""
    prefix = kind.model_config.get("env_prefix", "")
    gone: Mapping[str, str] = getattr(kind, "GONE", {})
    names = {f"{prefix}{field}".upper() for field in kind.model_fields}
    for name in sorted(os.environ):
        if name.upper() in gone:
            raise SettingError(name, "this setting is gone", gone[name.upper()])
        if name.upper().startswith(prefix) and name.upper() not in names:
            near = difflib.get_close_matches(name.upper(), names, n=1)
            remedy = f"did you mean {near[0]}?" if near else "remove it"
            raise SettingError(name, "there is no such setting", remedy)
    try:
        return kind()
    except ValidationError as error:
        raise _explained(error.errors()[0], kind) from None
    except SettingsError as error:  # what should be JSON
        raise _unreadable(str(error), prefix) from None


def names_a_server(url: str) -> bool:
    """Whether its host and port can be: of http://[::1, http://:80 and http://host:99999 none can."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def read_secret(name: str, path: Path) -> str:
    """The one line of a secret file; `name` is the setting that holds the path."""
    try:
        secret = path.read_text().strip()
    except OSError as error:
        why = f"cannot be read ({error.strerror})"
        if not path.is_absolute():  # it may be the secret itself
            raise SettingError(name, f"it {why}", "give the path of a file from / on") from None
        raise SettingError(name, f"{path} {why}", "check the path and its owner") from None
    except UnicodeDecodeError:
        raise SettingError(name, f"{path} is not text", "remove it and let `sallyport init` make it anew") from None
    if not secret:
        raise SettingError(name, f"{path} is empty", "remove it and let `sallyport init` make it anew")
    return secret


def stop(error: SettingError, service: str) -> NoReturn:
    """End the process with the sentence and nothing else."""
    print(f"{service}: {error}", file=sys.stderr)
    sys.exit(EXIT_BAD_SETTING)


def _explained(error: ErrorDetails, kind: type[BaseSettings]) -> SettingError:
    prefix = kind.model_config.get("env_prefix", "")
    name = f"{prefix}{error['loc'][0]}".upper() if error["loc"] else prefix
    inside = _inside(error["loc"])
    if error["type"] == "missing":
        remedy = "add it" if inside else "set it in the environment"
        return SettingError(name, f"{inside}is not set", remedy)
    given = _USER_OF_URL.sub("//...@", repr(error["input"]))
    return SettingError(name, f"{inside}{given} will not do", _remedy(error, kind))


def _inside(loc: tuple[int | str, ...]) -> str:
    """Where in a list of things with names the fault is; empty where the setting is one value or a list of words."""
    if not any(isinstance(one, str) for one in loc[1:]):
        return ""
    return "".join(f"number {one + 1}, " if isinstance(one, int) else f"{one} " for one in loc[1:])


def _remedy(error: ErrorDetails, kind: type[BaseSettings]) -> str:
    field = kind.model_fields.get(str(error["loc"][0])) if len(error["loc"]) == 1 else None
    if error["type"] == "string_pattern_mismatch" and field and field.examples:
        return f"it should be such as {field.examples[0]}"
    # pydantic says "Input should be ..." or "String should ...", our own validators "it should be ...".
    wanted = error["msg"].removeprefix("Value error, ").partition("should")[2]
    return f"it should{wanted}" if wanted else error["msg"].removeprefix("Value error, ")


def _unreadable(said: str, prefix: str) -> SettingError:
    """pydantic-settings names the field, and nothing else of use."""
    field = re.search(r'field "(\w+)"', said)
    name = f"{prefix}{field[1]}".upper() if field else prefix
    return SettingError(name, "it is no JSON", "look at brackets, quotes and commas (docs/settings.md)")

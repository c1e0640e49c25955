"""Settings from the environment: read once, complete, frozen; a wrong one is told in a sentence.

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
from typing import Literal, NoReturn, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings

EXIT_BAD_SETTING = 2

LogFormat = Literal["text", "json"]  # of the lines that log.py makes

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
        raise _explained(error.errors()[0], prefix) from None


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


def _explained(error: ErrorDetails, prefix: str) -> SettingError:
    name = f"{prefix}{error['loc'][0]}".upper() if error["loc"] else prefix
    if error["type"] == "missing":
        return SettingError(name, "is not set", "set it in the environment")
    # pydantic says "Input should be ..." or "String should ...", our own validators "it should be ...".
    wanted = error["msg"].removeprefix("Value error, ").partition("should")[2]
    remedy = f"it should{wanted}" if wanted else error["msg"]
    given = _USER_OF_URL.sub("//...@", repr(error["input"]))
    return SettingError(name, f"{given} will not do", remedy)

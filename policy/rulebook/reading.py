"""A policy file over the shipped policy: merged and checked.

    tables of shipped.toml  <-  tables of the file: a key of the file goes before the shipped one
    new gates                   begin open
    profiles with `like`        begin as the other profile is, with all that the file says of that one

What is wrong is said in a sentence for each thing, with its line in the file: what is shipped is right.
"""

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from policy.engine.rulebook import Rulebook
from policy.engine.sources import Network
from policy.rulebook import lines, model, words
from policy.rulebook.faults import Fault, PolicyFileError
from policy.rulebook.making import Tables, rulebook_of

SHIPPED = Path(__file__).with_name("shipped.toml")
ALWAYS_ENFORCED = (
    "credential-is-active",
    "message-has-no-secret",
    "sender-is-owned",
    "author-is-named",
    "author-is-owned",
    "sender-fields-are-owned",
    "names-show-no-foreign-address",
)

_MOST_FAULTS = 100  # that are looked for in the text: it is another kind of file then
_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")  # how tomllib ends its sentences
_OF_A_KEY = "[key]"  # how pydantic says that a key of a table is meant, and not its value
_OF_OTHERS: Final[Mapping[str, str]] = {"profiles": "person", "gates": "default"}  # whose keys new ones may have

_SENTENCES: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "int_type": lambda _: "is no whole number",
    "float_type": lambda _: "is no number",
    "string_type": lambda _: "is no text; write it in quotes",
    "dict_type": lambda _: "is no table",
    "model_type": lambda _: "is no table",
    "tuple_type": lambda _: "is no list of tables; begin each with [[exemptions]]",
    "greater_than_equal": lambda at: f"is too small; at least {at['ge']}",
    "greater_than": lambda at: f"is too small; more than {at['gt']:g}",
    "less_than_equal": lambda at: f"is too large; at most {at['le']:g}",
    "less_than": lambda at: f"is too large; less than {at['lt']:g}",
}


def shipped() -> Rulebook:
    """The shipped policy."""
    return _shipped()


def load(path: Path) -> Rulebook:
    """A file over the shipped policy; PolicyFileError, also where there is no such file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PolicyFileError(str(path), [Fault(1, f"the file cannot be read ({error.strerror})")]) from None
    try:
        return parse(content.decode(), str(path))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PolicyFileError(str(path), [Fault(line, "the file is not UTF-8")]) from None


def parse(text: str, name: str) -> Rulebook:
    """The same of a text; `name` is what faults call it."""
    given = _read(text, name)
    try:
        merged = _with_likes(_with_gates(_merged(shipped_tables(), given)), given)
        file = model.PolicyFile.model_validate(merged)
        _check_pools(file.sources)
        _check_members(file)
    except _Faulty as error:
        raise PolicyFileError(name, [_fault(text, error.path, error.value, error.why)]) from None
    except ValidationError as error:
        wrong = error.errors()
        # A new profile that says little lacks many keys: the first one stands for all of them.
        faults = {fault.key: fault for fault in reversed([_explained(text, one) for one in wrong[:_MOST_FAULTS]])}
        last, left = text.rstrip("\n").count("\n") + 1, len(wrong) - _MOST_FAULTS
        more = [Fault(last, f"that is not all: {left} more are wrong")] if left > 0 else []
        raise PolicyFileError(name, [*faults.values(), *more]) from None
    return rulebook_of(file)


def shipped_tables() -> Tables:
    """As they are written in shipped.toml; nobody changes them."""
    return _shipped_tables()


class _Faulty(Exception):
    """Something that is wrong between tables."""

    def __init__(self, path: lines.Path, value: object, why: str) -> None:
        super().__init__(why)
        self.path, self.value, self.why = path, value, why


@cache
def _shipped() -> Rulebook:
    return parse("", SHIPPED.name)


@cache
def _shipped_tables() -> Tables:
    return tomllib.loads(SHIPPED.read_text(encoding="utf-8"))


def _read(text: str, name: str) -> Tables:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = _AT.search(str(error))
        line, column = (int(at[1]), int(at[2])) if at and at[1] else (text.rstrip("\n").count("\n") + 1, 0)
        raise PolicyFileError(name, [Fault(line, _AT.sub("", str(error)), column=column)]) from None
    except (ValueError, RecursionError):  # a number of thousands of digits, brackets in thousands of brackets
        raise PolicyFileError(name, [Fault(1, "the file is no policy")]) from None


def _merged(below: Tables, above: Tables) -> Tables:
    """Tables are merged, everything else is replaced."""
    both = {
        key: _merged(below[key], value) if isinstance(value, dict) and isinstance(below.get(key), dict) else value
        for key, value in above.items()
    }
    return {**below, **both}


def _with_gates(merged: Tables) -> Tables:
    """A new gate is open but for what it says: one that took after the default gate would be closed by its changes."""
    gates, is_open = merged["gates"], shipped_tables()["gates"]["default"]
    if not isinstance(gates, dict):
        return merged
    whole = {name: {**is_open, **gate} if isinstance(gate, dict) else gate for name, gate in gates.items()}
    return {**merged, "gates": whole}


def _with_likes(merged: Tables, given: Tables) -> Tables:
    profiles, own = merged["profiles"], given.get("profiles")
    if not isinstance(own, dict):
        return merged
    resolved = {name: _resolved(name, profiles, own, ()) for name in profiles}
    return {**merged, "profiles": resolved}


def _resolved(name: str, profiles: Tables, own: Tables, asked: tuple[str, ...]) -> object:
    """What a profile is with all that the other one is like which it is. `asked` are those who ask for it."""
    said = own.get(name)
    like = said.get("like") if isinstance(said, dict) else None
    if not isinstance(said, dict) or not isinstance(like, str):
        return profiles[name]
    path = ("profiles", name, "like")
    if like not in profiles:
        raise _Faulty(path, like, f"{words.shown(like)} is no profile{_did_you_mean(like, profiles)}")
    if like in (*asked, name):
        raise _Faulty(path, like, "goes round in a circle; one of them must say everything itself")
    base = _resolved(like, profiles, own, (*asked, name))
    return {**base, "identities": [], **said} if isinstance(base, dict) else said


def _check_pools(sources: model.Sources) -> None:
    """A network counts as one source, so it is in one pool."""
    seen: dict[Network, str] = {}
    for name, networks in sources.pools.items():
        for network in networks:
            if (other := seen.setdefault(network, name)) != name:
                why = f"{network} is in the pool {words.shown(other)}, too; leave it in one of them"
                raise _Faulty(("sources", "pools", name), str(network), why)


def _check_members(file: model.PolicyFile) -> None:
    """An identity has one profile."""
    seen: dict[str, str] = {}
    for name, profile in file.profiles.items():
        for identity in sorted(profile.identities):
            if (other := seen.setdefault(identity, name)) != name:
                why = f"{identity} has the profile {words.shown(other)} already; leave it in one of them"
                raise _Faulty(("profiles", name, "identities"), identity, why)


def _explained(text: str, error: ErrorDetails) -> Fault:
    path = tuple(part for part in error["loc"] if part != _OF_A_KEY)
    given, wrong = error["input"], error.get("ctx", {}).get("error")
    if error["type"] == "missing":
        return _missing(text, path)
    if error["type"] == "extra_forbidden":
        return _fault(text, path, None, _unknown(path))
    if isinstance(wrong, words.WordError):
        return _fault(text, path, wrong.given, f"{words.shown(wrong.given)} {wrong}")
    sentence = _SENTENCES.get(error["type"])
    why = sentence(error.get("ctx", {})) if sentence else error["msg"]
    return _fault(text, path, given, f"{words.shown(given)} {why}")


def _fault(text: str, path: lines.Path, value: object, why: str) -> Fault:
    return Fault(lines.line_of(text, path, value), why, _dotted(path))


def _dotted(path: lines.Path) -> str:
    """`exemptions[0].until`"""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def _missing(text: str, path: lines.Path) -> Fault:
    if path[0] != "profiles":
        return _fault(text, path, None, "is missing")
    why = f'{path[-1]} is missing; a new profile says everything, or like = "person" and what is different'
    return _fault(text, path[:-1], None, why)


def _unknown(path: lines.Path) -> str:
    *above, last = path
    if above == ["modes"] and last in ALWAYS_ENFORCED:
        return "this rule is always enforced and has no mode"
    return f"there is no such {'rule' if above == ['modes'] else 'key'}{_did_you_mean(str(last), _keys_at(above))}"


def _did_you_mean(given: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(given.lower().replace("_", "-"), known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _keys_at(path: list[str | int]) -> list[str]:
    """The keys that a table may have."""
    if path and path[0] == "exemptions":
        return list(model.Exemption.model_fields)
    table: Any = {**shipped_tables(), "exemptions": {}}
    for part in path:
        above = path[0] if part is not path[0] else ""
        table = table.get(part, table.get(_OF_OTHERS.get(str(above), ""), {}))
    return [*table, "like", "identities"] if path and path[0] == "profiles" else list(table)

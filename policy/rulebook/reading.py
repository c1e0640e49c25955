"""A policy file over the shipped policy: merged and checked.

    tables of shipped.toml  <-  tables of the file: a key of the file goes before the shipped one
    new gates                   begin open
    profiles with `like`        begin as the other profile is, with all that the file says of that one

What is wrong is said in a sentence for each thing, with its line in the file: what is shipped is right.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
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
from policy.rulebook.wrong import Wrong
from service.sentence import Sentence

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

_SORTS: Final[Mapping[str, Wrong]] = {  # pydantic's kinds of errors
    "int_type": Wrong.NO_WHOLE_NUMBER,
    "float_type": Wrong.NO_NUMBER,
    "string_type": Wrong.NO_TEXT,
    "dict_type": Wrong.NO_TABLE,
    "model_type": Wrong.NO_TABLE,
    "tuple_type": Wrong.NO_TABLES,
}
_BOUNDS: Final[Mapping[str, tuple[Wrong, str, str]]] = {  # and of its context, what is the bound
    "greater_than_equal": (Wrong.AT_LEAST, "least", "ge"),
    "greater_than": (Wrong.MORE_THAN, "least", "gt"),
    "less_than_equal": (Wrong.AT_MOST, "most", "le"),
    "less_than": (Wrong.LESS_THAN, "most", "lt"),
}
_OF_TOML: Final[Mapping[str, Wrong]] = {  # how sentences of tomllib begin; those of other versions are TOML
    "Invalid statement": Wrong.TOML_STATEMENT,
    "Expected newline": Wrong.TOML_END,
    "Expected '='": Wrong.TOML_EQUALS,
    "Invalid initial character for a key": Wrong.TOML_KEY,
    "Invalid value": Wrong.TOML_VALUE,
    "Invalid date": Wrong.TOML_VALUE,
    "Unterminated string": Wrong.TOML_STRING,
    "Illegal character": Wrong.TOML_STRING,
    "Found invalid character": Wrong.TOML_STRING,
    "Unescaped": Wrong.TOML_STRING,
    "Invalid hex": Wrong.TOML_STRING,
    "Escaped character": Wrong.TOML_STRING,
    "Expected ']": Wrong.TOML_BRACKET,
    "Unclosed": Wrong.TOML_BRACKET,
    "Cannot": Wrong.TOML_TWICE,
    "Duplicate": Wrong.TOML_TWICE,
}


def shipped() -> Rulebook:
    """The shipped policy."""
    return _shipped()


def load(path: Path) -> Rulebook:
    """A file over the shipped policy; PolicyFileError, also where there is no such file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PolicyFileError(str(path), [Fault(1, Wrong.FILE_UNREADABLE.of(error=str(error.strerror)))]) from None
    try:
        return parse(content.decode(), str(path))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PolicyFileError(str(path), [Fault(line, Wrong.NOT_UTF_8.of())]) from None


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
        more = [Fault(last, Wrong.MORE.of(number=left))] if left > 0 else []
        raise PolicyFileError(name, [*faults.values(), *more]) from None
    return rulebook_of(file)


def shipped_tables() -> Tables:
    """As they are written in shipped.toml; nobody changes them."""
    return _shipped_tables()


class _Faulty(Exception):
    """Something that is wrong between tables."""

    def __init__(self, path: lines.Path, value: object, why: Sentence) -> None:
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
        raise PolicyFileError(name, [Fault(line, _of_toml(_AT.sub("", str(error))), column=column)]) from None
    except (ValueError, RecursionError):  # a number of thousands of digits, brackets in thousands of brackets
        raise PolicyFileError(name, [Fault(1, Wrong.NO_POLICY.of())]) from None


def _of_toml(said: str) -> Sentence:
    """The library's own sentence, with the nearest of ours for other languages."""
    return next((wrong for begin, wrong in _OF_TOML.items() if said.startswith(begin)), Wrong.TOML).instead_of(said)


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
        why = _or_near(Wrong.NO_PROFILE, Wrong.NO_PROFILE_BUT, like, profiles, given=words.shown(like))
        raise _Faulty(path, like, why)
    if like in (*asked, name):
        raise _Faulty(path, like, Wrong.CIRCLE.of())
    base = _resolved(like, profiles, own, (*asked, name))
    return {**base, "identities": [], **said} if isinstance(base, dict) else said


def _check_pools(sources: model.Sources) -> None:
    """A network counts as one source, so it is in one pool."""
    seen: dict[Network, str] = {}
    for name, networks in sources.pools.items():
        for network in networks:
            if (other := seen.setdefault(network, name)) != name:
                why = Wrong.IN_TWO_POOLS.of(network=str(network), other=words.shown(other))
                raise _Faulty(("sources", "pools", name), str(network), why)


def _check_members(file: model.PolicyFile) -> None:
    """An identity has one profile."""
    seen: dict[str, str] = {}
    for name, profile in file.profiles.items():
        for identity in sorted(profile.identities):
            if (other := seen.setdefault(identity, name)) != name:
                why = Wrong.IN_TWO_PROFILES.of(identity=identity, other=words.shown(other))
                raise _Faulty(("profiles", name, "identities"), identity, why)


def _explained(text: str, error: ErrorDetails) -> Fault:
    path = tuple(part for part in error["loc"] if part != _OF_A_KEY)
    given, wrong = error["input"], error.get("ctx", {}).get("error")
    if error["type"] == "missing":
        return _missing(text, path)
    if error["type"] == "extra_forbidden":
        return _fault(text, path, None, _unknown(path))
    if isinstance(wrong, words.WordError):
        return _fault(text, path, wrong.given, wrong.sentence)
    return _fault(text, path, given, _in_words(error["type"], words.shown(given), error.get("ctx", {})))


def _in_words(kind: str, given: str, context: Mapping[str, Any]) -> Sentence:
    """What pydantic has found."""
    if kind in _BOUNDS:
        wrong, name, bound = _BOUNDS[kind]
        most = context[bound]
        return wrong.of(given=given, **{name: f"{most:g}" if isinstance(most, float) else most})
    return _SORTS.get(kind, Wrong.NOT_POSSIBLE).of(given=given)


def _fault(text: str, path: lines.Path, value: object, why: Sentence) -> Fault:
    return Fault(lines.line_of(text, path, value), why, _dotted(path))


def _dotted(path: lines.Path) -> str:
    """`exemptions[0].until`"""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def _missing(text: str, path: lines.Path) -> Fault:
    if path[0] != "profiles":
        return _fault(text, path, None, Wrong.MISSING.of())
    return _fault(text, path[:-1], None, Wrong.PROFILE_LACKS.of(key=str(path[-1])))


def _unknown(path: lines.Path) -> Sentence:
    *above, last = path
    if above == ["modes"] and last in ALWAYS_ENFORCED:
        return Wrong.ALWAYS_ENFORCED.of()
    kinds = (Wrong.NO_RULE, Wrong.NO_RULE_BUT) if above == ["modes"] else (Wrong.NO_KEY, Wrong.NO_KEY_BUT)
    return _or_near(*kinds, str(last), _keys_at(above))


def _or_near(wrong: Wrong, but: Wrong, name: str, known: Iterable[str], **values: str) -> Sentence:
    """With what was perhaps meant."""
    near = difflib.get_close_matches(name.lower().replace("_", "-"), known, n=1)
    return but.of(near=near[0], **values) if near else wrong.of(**values)


def _keys_at(path: list[str | int]) -> list[str]:
    """The keys that a table may have."""
    if path and path[0] == "exemptions":
        return list(model.Exemption.model_fields)
    table: Any = {**shipped_tables(), "exemptions": {}}
    for part in path:
        above = path[0] if part is not path[0] else ""
        table = table.get(part, table.get(_OF_OTHERS.get(str(above), ""), {}))
    return [*table, "like", "identities"] if path and path[0] == "profiles" else list(table)

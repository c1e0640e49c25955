"""The logs: docs/logs.md has every event; nobody logs past the vocabularies; no secret and no content can be logged."""

import ast
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

import gateway.log
import policy.log
import queue_agent.log
import sink.log

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "logs.md").read_text()
VOCABULARIES = {"gateway": gateway.log, "policy": policy.log, "queue_agent": queue_agent.log, "sink": sink.log}
HEADINGS = {"gateway": "gateway", "policy": "policy,", "queue_agent": "queue agent", "sink": "sink"}
PACKAGES = ("gateway", "maillog", "policy", "queue_agent", "service", "sink")
# What must not be a parameter, nor a field: secrets, content, who gets mail. No name is let through for its context.
DENIED = {
    "authorization", "body", "challenge", "content", "cookie", "data", "email", "envelope", "from_address", "head",
    "header", "headers", "line_text", "message", "password", "passphrase", "rcpt", "recipient", "recipient_addresses",
    "response", "reverse_path", "sasl", "secret", "sender", "text", "token", "user_agent", "value",
}  # fmt: skip
# What is handed over whole, and which of its fields may go into a line.
WHOLE = {
    "facts": {"submission", "session", "client_address", "recipients", "listener", "gate"},
    "verdict": {"action", "held", "reason"},
    "outcome": {"reservation", "outcome", "queue_id"},
    "handed": {"submission", "session", "queue_id", "client_address", "identity", "recipients", "strangers"},
    "decision": {"action", "held", "reason", "rule", "observed"},
    "reply": {"code"},
}


class Event(NamedTuple):
    """As a vocabulary has it."""

    name: str
    level: str
    fields: tuple[str, ...]
    function: ast.FunctionDef


def events(service: str) -> Iterator[Event]:
    """Each function of a vocabulary that logs; there is one line in it."""
    for function in ast.parse((ROOT / service / "log.py").read_text()).body:
        if not isinstance(function, ast.FunctionDef):
            continue
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
            if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "_log":
                name = call.args[0]
                assert isinstance(name, ast.Constant), ast.unparse(call)
                assert not call.args[1:], ast.unparse(call)
                fields = tuple("exception" if one.arg == "exc_info" else str(one.arg) for one in call.keywords)
                yield Event(str(name.value), call.func.attr, fields, function)


@pytest.mark.parametrize("service", VOCABULARIES)
def test_every_event_is_documented_and_no_other(service: str) -> None:
    """Name, level and fields, in both directions; and each has a meaning."""
    part = next(one for one in PAGE.split("\n## ") if one.startswith(HEADINGS[service]))
    rows = re.findall(r"^\| `([a-z-]+)` \| ([a-z]+) \|([^|]*)\| ([^|]+) \|$", part, re.MULTILINE)
    told = sorted((name, level, tuple(re.findall(r"`([^`]+)`", cell))) for name, level, cell, _ in rows)
    assert told == sorted((one.name, one.level, one.fields) for one in events(service))


@pytest.mark.parametrize("service", VOCABULARIES)
def test_an_event_is_said_in_one_way(service: str) -> None:
    """No event comes from two functions: whoever looks for one finds the place."""
    names = [one.name for one in events(service)]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z][a-z0-9-]*", name) for name in names)


def test_nobody_logs_past_the_vocabularies() -> None:
    """structlog is imported where the words are, and logging where libraries are quietened."""
    loggers = {f"{service}/log.py" for service in VOCABULARIES} | {"service/log.py"}
    quiet = {
        "policy/__main__.py",
        "policy/alerting/__main__.py",
        "policy/console/__main__.py",
        "queue_agent/__main__.py",
        "sink/__main__.py",
    }
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            name = path.relative_to(ROOT).as_posix()
            nodes = list(ast.walk(ast.parse(path.read_text())))
            modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
            modules |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
            roots = {module.partition(".")[0] for module in modules}
            assert "structlog" not in roots or name in loggers, name
            assert "logging" not in roots or name in quiet | {"service/log.py"}, name
            used = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
            said = {
                one for one in used if re.fullmatch(r"logging\.(debug|info|warning|error|critical|exception|log)", one)
            }
            assert not said, name


def _is_object(annotation: ast.expr) -> bool:
    return ast.unparse(annotation) not in {"str", "int", "float", "bool", "Sequence[str]"}


@pytest.mark.parametrize("service", VOCABULARIES)
def test_no_secret_and_no_content_has_a_parameter(service: str) -> None:
    """By name; and of what is handed over whole only the fields that are listed here are touched."""
    for event in events(service):
        arguments = event.function.args
        names = {one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
        objects = {
            one.arg for one in (*arguments.args, *arguments.kwonlyargs) if one.annotation and _is_object(one.annotation)
        }
        assert not arguments.vararg, event.name
        assert not arguments.kwarg, event.name
        assert not DENIED & (names | set(event.fields)), event.name
        for node in ast.walk(event.function):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in WHOLE:
                assert node.attr in WHOLE[node.value.id], (event.name, node.attr)
        for call in (node for node in ast.walk(event.function) if isinstance(node, ast.keyword)):
            if isinstance(call.value, ast.Name) and call.value.id in objects:  # as it stands, with all of it
                assert call.arg == "exc_info", (event.name, call.value.id)


def test_the_lists_are_looked_at() -> None:
    """A vocabulary that were read wrongly would pass everything."""
    assert {service: len(list(events(service))) > 5 for service in VOCABULARIES} == dict.fromkeys(VOCABULARIES, True)
    recipients = next(one for one in events("policy") if one.name == "message-judged")
    assert "recipients" in recipients.fields  # how many


HOSTILE = 'a=b "c"\r\n2026-11-27T00:00:00Z [info     ] forged x=\u202e\x1b[31m\\'


class _Whole:
    """Stands in for whatever is handed over whole: every field of it is hostile text, every list has one of it."""

    recipients = observed = held = (HOSTILE,)
    strangers = 0
    code = 250

    def __getattr__(self, _: str) -> str:
        return HOSTILE

    def __str__(self) -> str:
        return HOSTILE


def _value(parameter: inspect.Parameter) -> Any:
    """Something of that type, as bad as it can be."""
    kind = str(parameter.annotation)
    if "Sequence" in kind:
        return [HOSTILE, HOSTILE]
    if "Error" in kind or "Exception" in kind:
        return OSError(5, HOSTILE)
    for plain, value in (("bool", True), ("int", 7), ("float", 1.5), ("str", HOSTILE)):
        if f"'{plain}'" in kind or kind == plain:
            return value
    return _Whole()


def say(module: ModuleType) -> int:
    """Every event of a vocabulary, once."""
    functions: list[Callable[..., None]] = [
        one
        for name, one in inspect.getmembers(module, inspect.isfunction)
        if one.__module__ == module.__name__ and not name.startswith("_")
    ]
    for function in functions:
        function(**{name: _value(one) for name, one in inspect.signature(function).parameters.items()})
    return len(functions)


def _said(log_format: str) -> list[str]:
    """The lines of all vocabularies, from a process of its own: the log is configured once."""
    program = (
        "import sys; sys.path[:0] = ['tests/unit', '.']\n"
        "from service import log; log.configure(sys.argv[1])\n"
        "import test_log_vocabulary as it\n"
        "print('said', sum(it.say(one) for one in it.VOCABULARIES.values()), file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, log_format]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert f"said {sum(1 for service in VOCABULARIES for _ in events(service))}" in done.stderr.decode()
    return done.stdout.decode().split("\n")[:-1]


def test_json_is_one_object_for_each_event() -> None:
    """Whatever strangers chose: as many lines as events, each with its name, level, time and the documented fields."""
    known = {(one.name, one.level, one.fields) for service in VOCABULARIES for one in events(service)}
    lines = [json.loads(line) for line in _said("json")]
    assert len(lines) == sum(1 for service in VOCABULARIES for _ in events(service))
    for line in lines:
        name, level = line.pop("event"), line.pop("level")
        assert re.fullmatch(r"[0-9T:.-]+Z", line.pop("timestamp"))
        assert (name, level, tuple(line)) in known


_TEXT = re.compile(
    r"\S+Z \[(?:info|warning|error) +\] [a-z-]+((?: [a-z_]+=(?:[!#-&(-<>-~]*|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"))*)"
)


def test_text_is_one_line_for_each_event() -> None:
    """A traceback follows its own, and has no value in it; nothing else is a line, and no value looks like a field."""
    lines = _said("text")
    events_said = [line for line in lines if re.match(r"[0-9T:.-]+Z \[", line)]
    assert len(events_said) == sum(1 for service in VOCABULARIES for _ in events(service))
    for line in events_said:
        assert _TEXT.fullmatch(line), line
    rest = set(lines) - set(events_said)
    assert rest <= {"OSError"}, rest  # raised nowhere: a class without frames

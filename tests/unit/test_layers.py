"""The rules of the house that are about the code itself: who imports whom, and what stays pure."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PURE = [
    *sorted((ROOT / "policy" / "engine").glob("*.py")),
    ROOT / "policy" / "addresses.py",
    ROOT / "policy" / "alerting" / "kinds.py",
    ROOT / "policy" / "alerting" / "owner_words.py",
    ROOT / "policy" / "alerting" / "pacing.py",
    ROOT / "policy" / "alerting" / "subjects.py",
    ROOT / "policy" / "alerting" / "undelivered.py",
    ROOT / "policy" / "alerting" / "watch.py",
    ROOT / "policy" / "alerting" / "wording.py",
    ROOT / "policy" / "bearer.py",
    ROOT / "policy" / "bridges" / "issuer_keys.py",
    ROOT / "policy" / "bridges" / "ldap_messages.py",
    ROOT / "policy" / "bridges" / "ldap_text.py",
    ROOT / "policy" / "bridges" / "tokens.py",
    ROOT / "maillog" / "events.py",
    ROOT / "maillog" / "joining.py",
    ROOT / "maillog" / "journal.py",
    ROOT / "maillog" / "outcomes.py",
    ROOT / "maillog" / "syslog.py",
    ROOT / "maillog" / "wording.py",
    ROOT / "policy" / "dkim" / "rotation.py",
    ROOT / "policy" / "finding.py",
    ROOT / "policy" / "geo" / "shapes.py",
    ROOT / "policy" / "publishing" / "compared.py",
    ROOT / "policy" / "publishing" / "mta_sts.py",
    ROOT / "policy" / "publishing" / "reached.py",
    ROOT / "policy" / "publishing" / "records.py",
    ROOT / "policy" / "publishing" / "spf.py",
    ROOT / "policy" / "publishing" / "world.py",
    ROOT / "policy" / "authpolicy" / "asked.py",
    ROOT / "policy" / "authpolicy" / "verdicts.py",
    ROOT / "policy" / "delegation" / "envelopes.py",
    ROOT / "policy" / "delegation" / "protocol.py",
    ROOT / "policy" / "delegation" / "wording.py",
    ROOT / "policy" / "rulebook" / "wrong.py",
    ROOT / "policy" / "sasl.py",
    ROOT / "policy" / "scram.py",
    ROOT / "policy" / "single_sign_on" / "errand.py",
    ROOT / "policy" / "single_sign_on" / "id_tokens.py",
    ROOT / "policy" / "contract.py",
    ROOT / "policy" / "queue_contract.py",
    ROOT / "policy" / "store" / "incident_advice.py",
    ROOT / "policy" / "visible.py",
    ROOT / "policy" / "part_status.py",
    ROOT / "policy" / "cli" / "frame.py",
    ROOT / "gateway" / "framing.py",
    ROOT / "gateway" / "address.py",
    ROOT / "gateway" / "client_hello.py",
    ROOT / "gateway" / "display_names.py",
    ROOT / "gateway" / "envelope.py",
    ROOT / "gateway" / "extensions.py",
    ROOT / "gateway" / "facts.py",
    ROOT / "gateway" / "leaks.py",
    ROOT / "gateway" / "mailboxes.py",
    ROOT / "gateway" / "proxy.py",
    ROOT / "gateway" / "relay_commands.py",
    ROOT / "gateway" / "replies.py",
    ROOT / "gateway" / "scan_words.py",
    ROOT / "queue_agent" / "spool.py",
    ROOT / "service" / "ailments.py",
    ROOT / "service" / "sentence.py",
    ROOT / "service" / "spans.py",
    ROOT / "sink" / "answers.py",
]
MAPS = [
    "gateway", "maillog", "policy", "policy/alerting", "policy/api", "policy/authpolicy", "policy/bridges",
    "policy/budgets", "policy/complaints", "policy/console", "policy/console/staff", "policy/containment",
    "policy/delegation", "policy/dkim", "policy/engine", "policy/enrolment", "policy/geo", "policy/learning",
    "policy/migrating", "policy/people", "policy/publishing", "policy/replay", "policy/rulebook", "policy/simulation",
    "policy/simulation/scenarios", "policy/single_sign_on", "policy/store", "queue_agent", "service", "sink",
]  # fmt: skip
IMPURE = {"asyncio", "logging", "os", "pathlib", "random", "secrets", "socket", "structlog", "time"}


def imports(path: Path) -> set[str]:
    """The full names of the modules that a file imports."""
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return found


def files(package: str) -> Iterator[Path]:
    yield from sorted((ROOT / package).rglob("*.py"))


def test_gateway_imports_only_the_contract_of_policy() -> None:
    """A gateway that was broken into finds no rule, no store and no key."""
    for path in files("gateway"):
        foreign = {name for name in imports(path) if name.split(".")[0] == "policy"}
        assert all(name.startswith("policy.contract") for name in foreign), path


def test_policy_imports_nothing_of_gateway() -> None:
    """Policy must run where no gateway is."""
    for path in files("policy"):
        assert not {name for name in imports(path) if name.split(".")[0] in ("gateway", "sink")}, path


@pytest.mark.parametrize("package", ["maillog", "queue_agent"])
def test_what_is_beside_the_queue_knows_no_rule(package: str) -> None:
    """It has a way out to the internet: there is no store, no key and no rule in its image."""
    for path in files(package):
        foreign = {name for name in imports(path) if name.split(".")[0] in ("policy", "gateway", "sink")}
        assert all(name.startswith(("policy.contract", "policy.queue_contract")) for name in foreign), path


@pytest.mark.parametrize("package", ["service", "sink"])
def test_what_is_shared_knows_none_of_the_services(package: str) -> None:
    """Settings and log lines are everybody's; the sink stands in for strangers."""
    for path in files(package):
        assert not {name for name in imports(path) if name.split(".")[0] in ("gateway", "policy")}, path


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(ROOT)))
def test_decisions_are_pure(path: Path) -> None:
    """No async, no clock, no file, no socket, no logger: time comes in as a number."""
    assert not {name.split(".")[0] for name in imports(path)} & IMPURE
    calls = [node.func.id for node in ast.walk(ast.parse(path.read_text())) if _is_named_call(node)]
    assert "open" not in calls
    assert not any(isinstance(node, ast.AsyncFunctionDef | ast.Await) for node in ast.walk(ast.parse(path.read_text())))


def _is_named_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


@pytest.mark.parametrize("package", MAPS)
def test_a_package_tells_where_everything_is(package: str) -> None:
    """Its docstring names each of its modules and packages: a reader knows which one to open."""
    folder = ROOT / package
    told = set(re.findall(r"[\w.]+(?:\.py|/)", (folder / "__init__.py").read_text()))
    modules = {path.name for path in folder.glob("*.py")} - {"__init__.py"}
    assert modules | {f"{path.parent.name}/" for path in folder.glob("*/__init__.py")} <= told


@pytest.mark.parametrize("package", ["gateway", "maillog", "policy", "queue_agent", "service", "sink"])
def test_every_module_says_what_it_is(package: str) -> None:
    """A newcomer reads the first lines of a file to know whether to read on."""
    for path in files(package):
        assert ast.get_docstring(ast.parse(path.read_text())), path


@pytest.mark.parametrize("package", ["gateway", "maillog", "policy", "queue_agent", "service", "sink"])
def test_modules_and_functions_stay_small(package: str) -> None:
    """500 lines and 60 lines are where a reader gives up."""
    for path in files(package):
        assert len(path.read_text().splitlines()) <= 500, path
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 60, f"{path}: {node.name}"


def test_the_clock_is_read_where_a_process_starts() -> None:
    """A clock that is read anywhere else cannot be replaced by a test."""
    readers = {
        str(path.relative_to(ROOT))
        for package in ("gateway", "policy")
        for path in files(package)
        if re.search(r"\btime\.(time|monotonic)\b|\bdatetime\.now\b", path.read_text())
    }
    services = {"gateway/__main__.py", "gateway/workers.py", "policy/__main__.py", "policy/console/__main__.py"}
    services |= {"policy/alerting/__main__.py"}
    assert {one for one in readers if not one.startswith("policy/cli/")} == services  # each command is a process

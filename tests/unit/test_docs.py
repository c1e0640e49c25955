"""Docs and code say the same: settings, replies, files that the docs send a reader to."""

import re
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

import gateway.settings
import policy.settings
import queue_agent.settings
import sink.settings
from gateway import replies
from gateway.replies import FOR_REASON, Reply
from gateway.scoreboard import COUNTERS, DURATIONS, GAUGES
from policy.contract import Reason

ROOT = Path(__file__).parent.parent.parent
SETTINGS = (ROOT / "docs" / "settings.md").read_text()
DOCS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")] + sorted((ROOT / "docs").glob("*.md"))
KINDS: list[type[BaseSettings]] = [
    gateway.settings.Settings,
    policy.settings.Settings,
    queue_agent.settings.Settings,
    sink.settings.Settings,
]
REPLIES = {name: value for name, value in vars(replies).items() if isinstance(value, Reply)}
REPLIES_PAGE = (ROOT / "docs" / "replies.md").read_text()
# Replies that are made for each session, as the page writes them
MADE = [
    str(replies.greeting("HOSTNAME")),
    "250 HOSTNAME",
    "250-...",
    "250 ENHANCEDSTATUSCODES",
    "334 CHALLENGE",
    str(replies.accepted("ID")),
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__module__)
def test_every_setting_is_documented_with_its_default(kind: type[BaseSettings]) -> None:
    """A row for each, and the default that the code has where it is one word or number."""
    prefix = kind.model_config["env_prefix"]
    for name, setting in kind.model_fields.items():
        full = f"`{prefix}{name}`".upper()
        rows = [line for line in SETTINGS.splitlines() if full in line]
        assert rows, full
        if isinstance(setting.default, int | float | str) and f"| {full} |" in rows[0]:
            assert f"`{setting.default:g}`" in rows[0] if isinstance(setting.default, float) else True, rows[0]
            assert str(setting.default).removesuffix(".0") in rows[0], rows[0]


def test_no_setting_is_documented_that_is_none() -> None:
    """A table row promises that the name does something."""
    known = {f"{kind.model_config['env_prefix']}{name}".upper() for kind in KINDS for name in kind.model_fields}
    told = set(re.findall(r"`((?:GATEWAY|POLICY|QUEUE_AGENT|SINK)_[A-Z0-9_]+)`", SETTINGS))
    assert told == known


def test_env_example_is_complete() -> None:
    """Each SALLYPORT_ name that compose.yaml reads can be found in .env.example, and the other way round."""
    read = {"SALLYPORT_WITH"}  # which files there are beside it
    for file in ("compose.yaml", "compose.test.yaml"):
        read |= set(re.findall(r"\$\{(SALLYPORT_[A-Z_]+)", (ROOT / file).read_text()))
    assert read == set(re.findall(r"^#?(SALLYPORT_[A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert read <= set(re.findall(r"`(SALLYPORT_[A-Z_]+)`", SETTINGS))


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_files_that_the_docs_name_exist(path: Path) -> None:
    """A reader who is sent to a file finds it."""
    named = re.findall(
        r"`((?:gateway|maillog|policy|queue_agent|service|sink|postfix|dovecot|stack|tests|docs)/[a-z0-9_/.]*)`",
        path.read_text(),
    )
    named += re.findall(r"\]\(((?!http)[^)#]+)\)", path.read_text())
    for name in named:
        assert (ROOT / name).exists() or (path.parent / name).exists(), name


def test_the_readme_leads_to_every_page() -> None:
    """What nobody is sent to is read by nobody."""
    linked = set(re.findall(r"\]\(docs/([\w-]+\.md)", (ROOT / "README.md").read_text()))
    assert linked == {path.name for path in (ROOT / "docs").glob("*.md")}


def _anchors(path: Path) -> set[str]:
    """Of a page's headings, as they are made where pages are shown."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_headings_that_the_docs_link_to_exist(path: Path) -> None:
    """A renamed heading is renamed in all links to it."""
    for page, anchor in re.findall(r"\]\(((?!http)[^)#\s]*)#([^)\s]+)\)", path.read_text()):
        target = path.parent / page if page else path
        assert target.suffix != ".md" or anchor in _anchors(target), f"{page}#{anchor}"


def test_every_reason_has_its_reply() -> None:
    """A verdict without words would be an internal error to the client."""
    assert set(FOR_REASON) == set(Reason)


@pytest.mark.parametrize("reply", [*REPLIES.values(), *FOR_REASON.values()], ids=str)
def test_replies_are_well_formed(reply: Reply) -> None:
    """RFC 2034: the status's class is the code's; RFC 5321 section 4.5.3.1.5: a line has 512 octets."""
    assert len(f"{reply}\r\n") <= 512
    assert str(reply).isascii()
    assert str(reply).isprintable()
    assert reply.code != 521
    if reply.status:
        assert reply.status[0] == str(reply.code)[0]
    else:
        assert reply.code == 354


def test_every_reply_is_on_its_page_once() -> None:
    """In a row of its own with cause and remedy; and no row is of a reply that nobody says any more."""
    rows = [line for line in REPLIES_PAGE.splitlines() if re.match(r"\| `\d", line)]
    told = [reply for row in rows for reply in re.findall(r"`([^`]+)`", row.split(" | ")[0])]
    said = [str(reply) for reply in {**REPLIES, **FOR_REASON}.values()]
    assert sorted(told) == sorted({*said, *MADE})
    for row in rows:
        assert row.count(" | ") == 3, row


def test_the_replies_page_names_what_there_is() -> None:
    """A remedy that names a setting or a metric that is none is no remedy."""
    settings = {f"{kind.model_config['env_prefix']}{name}".upper() for kind in KINDS for name in kind.model_fields}
    assert set(re.findall(r"`((?:GATEWAY|POLICY)_[A-Z0-9_]+)`", REPLIES_PAGE)) <= settings
    metrics = {f"sallyport_gateway_{name}" for name, *_ in (*COUNTERS, *GAUGES, *DURATIONS)}
    assert set(re.findall(r"`(sallyport_gateway_\w+)`", REPLIES_PAGE)) <= metrics


def test_what_conformance_names_is_there() -> None:
    """Every test and every dialog; and no row is without one, unless it says that something is missing."""
    page = (ROOT / "docs" / "conformance.md").read_text()
    for path, name in re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", page):
        assert f"def {name}(" in (ROOT / path).read_text(), name
    for name in re.findall(r"`([\w.-]+\.smtp)`", page):
        assert name == "name.smtp" or (ROOT / "tests" / "dialogs" / name).exists(), name
    for row in re.findall(r"^\| (?!#|-|octets).*", page, re.MULTILINE):
        assert re.search(r"\.smtp`|::test_", row.rsplit(" | ", 1)[1]) or " gap: " in row, row


def test_conformance_has_all_rows() -> None:
    """68 requirements and 38 attacks, each numbered once."""
    page = (ROOT / "docs" / "conformance.md").read_text()
    requirements, attacks = page.split("\n## Attacks\n")
    for table, rows in ((requirements, 68), (attacks, 38)):
        assert [int(number) for number in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == list(range(1, rows + 1))

"""Docs and code say the same: settings, replies, files that the docs send a reader to."""

import re
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

import gateway.settings
import policy.settings
import sink.settings
from gateway import replies
from gateway.replies import FOR_REASON, Reply
from policy.contract import Reason

ROOT = Path(__file__).parent.parent.parent
SETTINGS = (ROOT / "docs" / "settings.md").read_text()
DOCS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")] + sorted((ROOT / "docs").glob("*.md"))
KINDS: list[type[BaseSettings]] = [gateway.settings.Settings, policy.settings.Settings, sink.settings.Settings]
REPLIES = {name: value for name, value in vars(replies).items() if isinstance(value, Reply)}


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
    told = set(re.findall(r"`((?:GATEWAY|POLICY|SINK)_[A-Z0-9_]+)`", SETTINGS))
    assert told == known


def test_env_example_is_complete() -> None:
    """Each SALLYPORT_ name that compose.yaml reads can be found in .env.example, and the other way round."""
    read = set()
    for file in ("compose.yaml", "compose.test.yaml"):
        read |= set(re.findall(r"\$\{(SALLYPORT_[A-Z_]+)", (ROOT / file).read_text()))
    assert read == set(re.findall(r"^#?(SALLYPORT_[A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert read <= set(re.findall(r"`(SALLYPORT_[A-Z_]+)`", SETTINGS))


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_files_that_the_docs_name_exist(path: Path) -> None:
    """A reader who is sent to a file finds it."""
    named = re.findall(
        r"`((?:gateway|policy|service|sink|postfix|dovecot|stack|tests|docs)/[a-z0-9_/.]*)`", path.read_text()
    )
    named += re.findall(r"\]\(((?!http)[^)#]+)\)", path.read_text())
    for name in named:
        assert (ROOT / name).exists() or (path.parent / name).exists(), name


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

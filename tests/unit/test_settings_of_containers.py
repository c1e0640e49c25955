"""docs/settings.md and the settings that no Python reads: those of Dovecot, Postfix and rspamd, and of the overlays.

Their scripts and templates say which there are; compose*.yaml and deploy/ say which are set from outside.
"""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

import gateway.settings
import policy.settings
import queue_agent.settings
import sink.settings

KINDS: list[type[BaseSettings]] = [
    gateway.settings.Settings,
    policy.settings.Settings,
    queue_agent.settings.Settings,
    sink.settings.Settings,
]
ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "settings.md").read_text()
PREFIXES: Mapping[str, str] = {"dovecot": "DOVECOT", "postfix": "POSTFIX", "rspamd": "RSPAMD"}
COMPOSE = sorted(ROOT.glob("compose*.yaml"))
# What a manifest needs to put another value together, and no part reads.
PARTS_OF_VALUES = {"CLUSTER_DOMAIN", "LOAD_BALANCER"}
_PREFIX = r"(?:GATEWAY|POLICY|QUEUE_AGENT|SINK|DOVECOT|POSTFIX|RSPAMD)"


def _files(*folders: str) -> Iterator[str]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.read_text()


def _read(part: str) -> set[str]:
    """Each setting of a part that some file of its folder names; rspamd makes `env.NAME` of RSPAMD_NAME by itself."""
    found: set[str] = set()
    for text in _files(part):
        found |= set(re.findall(rf"\b{PREFIXES[part]}_[A-Z][A-Z_]*\b", text))
        if part == "rspamd":
            found |= {f"RSPAMD_{name}" for name in re.findall(r"\benv\.([A-Z]+)\b", text)}
    return found


def _rows(name: str) -> Sequence[str]:
    return [line for line in PAGE.splitlines() if line.startswith("| ") and f"`{name}`" in line.split(" | ")[0]]


@pytest.mark.parametrize("part", PREFIXES)
def test_the_page_has_what_the_part_reads_and_nothing_else(part: str) -> None:
    told = set(re.findall(rf"`({PREFIXES[part]}_[A-Z_]+)`", PAGE))
    assert told == _read(part)
    for name in told:
        assert len(_rows(name)) == 1, name


@pytest.mark.parametrize("part", PREFIXES)
def test_the_page_has_the_defaults_of_the_scripts(part: str) -> None:
    """Where the start of its container says one that is not made from something else."""
    script = (ROOT / part / "entrypoint").read_text()
    found = dict(re.findall(rf"\$?\{{?({PREFIXES[part]}_[A-Z_]+):[-=]([^}}\"$]+)\}}?\"", script))
    assert len(found) >= 2, script
    for name, default in found.items():
        (row,) = _rows(name)
        assert f"`{default}`" in row.split(" | ")[1], row


def test_what_compose_and_kubernetes_set_is_on_the_page() -> None:
    for text in (*(path.read_text() for path in COMPOSE), *_files("deploy/kubernetes")):
        names = re.findall(rf"\b({_PREFIX}_[A-Z][A-Z0-9_]*): ", text)
        names += re.findall(r"\bname: ([A-Z][A-Z0-9_]*[A-Z0-9])\b", text)
        for name in set(names) - PARTS_OF_VALUES:
            assert _rows(name), name


def test_what_every_overlay_of_compose_reads_is_on_the_page() -> None:
    """tests/unit/test_docs.py compares those of compose.yaml with .env.example; the overlays read some more."""
    for path in COMPOSE:
        for name in set(re.findall(r"\$\{(SALLYPORT_[A-Z_]+)", path.read_text())):
            assert _rows(name), f"{path.name}: {name}"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__module__)
def test_a_default_is_in_the_cell_of_defaults(kind: type[BaseSettings]) -> None:
    """Numbers, words, paths and lists of them, also where a row has two names."""
    for name, field in kind.model_fields.items():
        full = f"{kind.model_config['env_prefix']}{name}".upper()
        given = field.default if isinstance(field.default, tuple) else (field.default,)
        if not all(isinstance(one, int | float | str | Path) for one in given) or given in ((), ("",)):
            continue
        (row,) = _rows(full)
        told = ",".join(f"{one:g}" if isinstance(one, float) else str(one) for one in given)
        cells = re.findall(r"`([^`]+)`", row.split(" | ")[1])
        place = re.findall(r"`([^`]+)`", row.split(" | ")[0]).index(full)
        assert cells[place].lower() == told.lower() if len(cells) > place else False, row


@pytest.mark.parametrize(
    ("script", "name"),
    [
        ("dovecot/entrypoint", "DOVECOT_PICKUP_NAME"),
        ("postfix/entrypoint", "POSTFIX_RELAY_NAME"),
        ("rspamd/entrypoint", "RSPAMD_LISTEN_NAME"),
    ],
)
def test_a_name_without_an_address_ends_the_start(script: str, name: str) -> None:
    """In place of listening everywhere: one sentence that says which setting, and what to do."""
    environment = {"PATH": os.environ["PATH"], name: "nobody.invalid"}
    done = subprocess.run(
        [ROOT / script],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 2
    assert f"{name}: nobody.invalid has no address; give this container that alias" in done.stderr

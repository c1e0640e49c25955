"""Engines other than root's Docker Engine: nothing that they refuse is in our files; what they do otherwise is said."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from stack_scripts import CHECKOUT

FILES = sorted(CHECKOUT.glob("compose*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=[one.name for one in FILES])
def test_no_tmpfs_has_an_owner(path: Path) -> None:
    """podman: unknown mount option "uid=10001": invalid mount option."""
    assert not re.search(r":size=\S*\b[ug]id=", path.read_text())


@pytest.mark.parametrize("path", FILES, ids=[one.name for one in FILES])
def test_what_others_than_root_write_into_has_its_mode_at_each_start(path: Path) -> None:
    """runc mounts a tmpfs with the mode of the folder below it, and with the one in the file where there is none."""
    dockerfiles = [*CHECKOUT.glob("*/Dockerfile"), *CHECKOUT.glob("deploy/**/Dockerfile")]
    images = "".join(one.read_text() for one in dockerfiles)
    for folder in re.findall(r"- (/\S+):size=\S*\bmode=1777", path.read_text()):
        assert folder == "/tmp" or f"install -d -m 1777 {folder}\n" in images, folder


def test_no_health_check_asks_a_proxy() -> None:
    """promtool goes by the environment, where an engine's client puts the proxy that it has for builds."""
    (line,) = re.findall(r"^HEALTHCHECK .*", (CHECKOUT / "monitoring" / "Dockerfile").read_text(), re.MULTILINE)
    assert '["env", "NO_PROXY=*", "promtool"' in line


ROOTLESS = "A rootless engine mostly hides who connects: a thief would look at home (docs/operating.md, Who connects)."
OUT = "podman lets the gateway, Dovecot and the console out to the internet (docs/operating.md, Other engines)."


@pytest.mark.parametrize(
    ("name", "security", "notes"),
    [
        ("Docker Engine - Community", "[name=seccomp,profile=builtin]", []),
        ("Docker Engine - Community", "[name=seccomp,profile=builtin name=rootless]", [ROOTLESS]),
        ("Podman Engine", "[name=seccomp,profile=default]", [OUT]),
        ("Podman Engine", "[name=seccomp,profile=default name=rootless]", [ROOTLESS, OUT]),
    ],
)
def test_up_says_what_the_engine_does_differently(tmp_path: Path, name: str, security: str, notes: list[str]) -> None:
    engine = tmp_path / "docker"
    engine.write_text(f'#!/bin/sh\ncase "$1" in version) echo "{name}" ;; info) echo "{security}" ;; esac\n')
    engine.chmod(0o755)
    script = (
        ". stack/lib.sh; . stack/next-steps.sh; containers_cli() { :; }; STACK=main WAY=containers; print_state host"
    )
    ports = {f"SALLYPORT_{one}_PORT": "1" for one in ("SUBMISSION", "SUBMISSIONS", "IMAPS")}
    environment = os.environ | ports | {"SALLYPORT_BIND": "0.0.0.0", "SALLYPORT_CONSOLE_URL": "https://localhost:8443"}
    environment["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        ["/bin/bash", "-euc", script], cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=True
    )
    assert re.findall(r"  NOTE          (.*)", done.stdout) == notes

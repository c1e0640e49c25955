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
        ". stack/lib.sh; . stack/containers.sh; . stack/next-steps.sh; containers_cli() { :; }; "
        "STACK=main WAY=containers; print_state host"
    )
    ports = {f"SALLYPORT_{one}_PORT": "1" for one in ("SUBMISSION", "SUBMISSIONS", "IMAPS")}
    environment = os.environ | ports | {"SALLYPORT_BIND": "0.0.0.0", "SALLYPORT_CONSOLE_URL": "https://localhost:8443"}
    environment["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        ["/bin/bash", "-euc", script], cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=True
    )
    assert re.findall(r"  NOTE          (.*)", done.stdout) == notes


CONTAINERS = (
    "set -euo pipefail; . stack/lib.sh; . stack/settings.sh; . stack/containers.sh; STACK=main WAY=containers; "
    "take_environment; fill_in_defaults; "
)


def up(script: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """What `make up` looks at before it builds anything."""
    environment = {"PATH": os.environ["PATH"]} | settings
    command = ["/bin/bash", "-c", CONTAINERS + script]
    return subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("setting", ["SALLYPORT_BIND", "SALLYPORT_CONSOLE_BIND"])
def test_a_compose_that_takes_no_ipv6_address_is_told_what_to_do(setting: str) -> None:
    """Its own words name neither the setting nor a remedy."""
    refusing = 'compose() { echo "Invalid ip address ::: address :::: too many colons in address" >&2; return 1; }; '
    done = up(refusing + "refuse_unfit_parts", **{setting: "::"})
    assert done.returncode == 2
    assert done.stderr.startswith(f"sallyport: {setting} is ::, and this Compose takes no IPv6 address; set it to ")
    assert "WAY=native" in done.stderr
    done = up(refusing + "refuse_unfit_parts")
    assert "Compose refuses these files (Invalid ip address" in done.stderr


PRIVILEGED = [
    # what it shows, security options, lowest free port, capabilities of rootlesskit, own ports, whether it goes on
    ("root's engine", "name=seccomp", 1024, "", "", True),
    ("a rootless one", "name=rootless", 1024, "", "", False),
    ("the kernel lets everybody open them", "name=rootless", 465, "", "", True),
    ("the kernel lets everybody open some", "name=rootless", 500, "", "", False),
    ("the engine's helper may", "name=rootless", 1024, "/usr/bin/rootlesskit cap_net_bind_service=ep", "", True),
    ("it runs already", "name=rootless", 1024, "", "587 465 993", True),
]


@pytest.mark.parametrize(
    ("security", "lowest", "capabilities", "own", "goes_on"),
    [row[1:] for row in PRIVILEGED],
    ids=[row[0] for row in PRIVILEGED],
)
def test_ports_that_a_rootless_engine_may_not_open(
    security: str, lowest: int, capabilities: str, own: str, *, goes_on: bool
) -> None:
    """The engine says so after everything has been built, and names the first one alone."""
    stubs = (
        f'docker() {{ say "[{security}]"; }}; lowest_free_port() {{ say {lowest}; }}; '
        f'getcap() {{ say "{capabilities}"; }}; refuse_ports_of_root "{own}"'
    )
    done = up(stubs)
    assert done.returncode == (0 if goes_on else 2)
    if lowest == 1024 and not goes_on:
        named = (("587", "SUBMISSION"), ("465", "SUBMISSIONS"), ("993", "IMAPS"))
        ports = ", ".join(f"port {port} of SALLYPORT_{name}_PORT" for port, name in named)
        assert f"sallyport: only root may open {ports} here; " in done.stderr
        assert "docs/operating.md, Other engines" in done.stderr

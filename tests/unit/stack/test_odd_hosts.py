"""`make up` on machines that are not as one expects: interrupted, without a home, with another run's remains."""

import os
import subprocess
from pathlib import Path

import pytest
from stack_scripts import CHECKOUT, Run

SOURCED = "set -euo pipefail; . stack/lib.sh; . stack/settings.sh; . stack/native.sh; STACK=main; "
OURS = "#!/bin/sh\n# Sallyport's make up, while it installs packages\nexit 101\n"
THEIRS = "#!/bin/sh\nexit 101\n"


def scripted(script: str, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Functions of stack/, called one by one; the arguments are $1 and so on."""
    return subprocess.run(
        ["env", "--default-signal=INT", "/bin/bash", "-c", SOURCED + script, "test", *arguments],
        cwd=CHECKOUT,
        env={"PATH": os.environ["PATH"]} | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return folder


def test_an_interrupt_ends_it(run: Run, tmp_path: Path) -> None:
    """Also where the program that ran at that moment, as apt-get does, ends as if nothing had been."""
    engine = program(tmp_path / "bin", "docker", "trap '' INT; kill -INT 0; exit 1")  # to all, as a terminal does
    done = run("stack/up", TEST="1", PATH=f"{engine}:{os.environ['PATH']}")
    assert done.returncode == 130
    assert done.stderr.startswith("sallyport: interrupted; make up TEST=1 goes on from here")
    assert not (tmp_path / "run").exists()


def test_an_interrupt_leaves_no_rule_for_other_packages(tmp_path: Path) -> None:
    """Or no service that is installed later would ever be started."""
    rule = tmp_path / "rule"
    apt = program(tmp_path / "bin", "apt-get", f"cp {rule} {tmp_path}/seen; kill -INT $PPID")
    script = (
        "STARTS_RULE=$1; PATH=$2:$PATH; is_root() { :; }; trap 'complain stopped; exit 130' INT; apt_install postfix"
    )
    done = scripted(script, rule, apt, TMPDIR=str(tmp_path))
    assert (done.returncode, rule.exists(), done.stderr) == (130, False, "sallyport: stopped\n")
    assert (tmp_path / "seen").read_text() == OURS


REMAINS = [
    # what it shows, what stands there, whether it stays
    ("of a run that was killed", OURS, False),
    ("of the administrator", THEIRS, True),
]


@pytest.mark.parametrize(("content", "stays"), [row[1:] for row in REMAINS], ids=[row[0] for row in REMAINS])
def test_a_rule_that_is_there_already(tmp_path: Path, content: str, stays: bool) -> None:
    rule = tmp_path / "rule"
    rule.write_text(content)
    script = "STARTS_RULE=$1; is_root() { :; }; missing_packages() { :; }; install_missing_packages"
    assert scripted(script, rule).returncode == 0
    assert rule.exists() is stays


def test_who_has_no_home_in_the_environment_has_one(tmp_path: Path) -> None:
    """cron, systemd and sudo may leave it out."""
    done = scripted('is_root() { false; }; set_native_paths; say "$RUN"')
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("/.local/share/sallyport\n")


def test_who_has_no_name_calls_by_number_without_a_word(tmp_path: Path) -> None:
    """A CI gives a container any user's number; `id` complains of it at each command."""
    nameless = program(tmp_path / "bin", "id", 'echo "id: cannot find name for user ID 4711" >&2; echo 4711; exit 1')
    done = scripted("who_calls", PATH=f"{nameless}:{os.environ['PATH']}")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"4711@{os.uname().nodename}", "")


def test_a_run_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = scripted("RUN=$1; take_run_directory", tmp_path / "file" / "run")
    assert done.returncode == 1
    assert done.stderr == (
        f"sallyport: the run directory {tmp_path}/file/run cannot be made (Not a directory); "
        "name another one with SALLYPORT_RUN_DIR.\n"
    )


INNER_PORTS = [
    # what it shows, the ports of the last start, whether it still runs, the scanner's port
    ("at the first start", "", False, "7590"),
    # Debian's own rspamd starts with the package and at each boot, and takes 11333 after we have seen that it is free.
    ("from a version that took rspamd's own", "INNER_SCAN_PORT=11333", False, "7590"),
    ("which runs", "INNER_SCAN_PORT=11333\nINNER_QUEUE_PORT=7590", True, "7591"),
    ("the one of the last start", "INNER_SCANNER_PORT=7600", True, "7600"),
]


@pytest.mark.parametrize(
    ("last", "runs", "port"), [row[1:] for row in INNER_PORTS], ids=[row[0] for row in INNER_PORTS]
)
def test_the_scanners_port_is_nobody_elses(tmp_path: Path, last: str, runs: bool, port: str) -> None:
    """Or the gateway would ask Debian's rspamd, which answers, knows none of our rules and signs nothing."""
    (tmp_path / "ports").write_text(f"{last}\n")
    running = f"native_runs() {{ {str(runs).lower()}; }}; port_is_taken() {{ false; }}; "
    done = scripted(running + "RUN=$1 WAY=native; take_environment; fill_in_defaults; choose_inner_ports", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"INNER_SCANNER_PORT={port}\n" in (tmp_path / "ports").read_text()


def test_every_port_that_is_taken_is_named_at_once(tmp_path: Path) -> None:
    """Beside a second stack all of them are, and one refusal for each would be a game."""
    table = (
        "port_is_taken() { [ $2 != 993 ]; }; WAY=native; take_environment; fill_in_defaults; refuse_taken_ports 8443"
    )
    done = scripted(
        table, SALLYPORT_SUBMISSION_PORT="587", SALLYPORT_SUBMISSIONS_PORT="465", SALLYPORT_IMAPS_PORT="993"
    )
    assert done.returncode == 2
    assert "port 587 of SALLYPORT_SUBMISSION_PORT, port 465 of SALLYPORT_SUBMISSIONS_PORT; set " in done.stderr
    assert "IMAPS" not in done.stderr


MADE = [
    # what it shows, what init says, what `make up` tells
    ("nothing", "nothing was missing", ""),
    ("the first start", "made: digest key, self-signed certificate, administrator", ""),
    (
        "another name, in a container's log",
        "\x1b[2Kmade: self-signed certificate for b.example, in place of the one for a.example",
        "for b.example, in place of the one for a.example\n",
    ),
    (
        "another name",
        "made: self-signed certificate for b.example, in place of the one for a.example, DKIM keys of example.org",
        "for b.example, in place of the one for a.example\n",
    ),
]


@pytest.mark.parametrize(("said", "told"), [row[1:] for row in MADE], ids=[row[0] for row in MADE])
def test_a_certificate_that_was_made_anew_is_told(said: str, told: str) -> None:
    """Clients that were given the old one do not connect any more, which nobody should have to guess."""
    done = scripted('. stack/next-steps.sh; printf "an earlier line\\n%s\\n" "$1" | renamed_certificate', said)
    assert (done.returncode, done.stdout) == (0, told)


@pytest.mark.parametrize("setting", ["SALLYPORT_BIND", "SALLYPORT_CONSOLE_BIND"])
def test_an_address_of_ipv6_where_that_is_off(setting: str) -> None:
    """Listeners start on :: there, and whoever waits for an answer waits until the time is up."""
    off = 'has_ipv6() { false; }; WAY=native; load_settings "$1"; refuse_absent_ipv6'
    done = scripted(off, "/nonexistent", **{setting: "::"})
    assert done.returncode == 2
    assert done.stderr.startswith(f"sallyport: {setting} is ::, and IPv6 is off on this machine")
    assert scripted(off, "/nonexistent", **{setting: "127.0.0.1"}).returncode == 0


def test_destroy_keeps_the_users_of_a_stack_that_runs_elsewhere(tmp_path: Path) -> None:
    """Also those who have no process at the moment: without its mailboxes' user Dovecot takes no mail."""
    stubs = (
        'getent() { say "$2:x:1:1:$USER_NOTE:/:/"; }; '
        'userdel() { [ "$1" != sallyport-policy ] && say "$1" >>"$HOME/removed"; }; '
    )
    done = scripted(stubs + "remove_users", HOME=str(tmp_path))
    assert done.returncode == 0
    assert not (tmp_path / "removed").exists()


@pytest.mark.parametrize("call", ["require_namespace", "inside true", "as_nobody true"])
def test_no_namespace_is_asked_for_where_there_is_none(tmp_path: Path, call: str) -> None:
    """There unshare (2.41) leaves a helper behind that has our output open: `make up | tee` would not end."""
    refusing = 'echo "$*" >>"$HOME/asked"; echo "unshare: unshare failed: Operation not permitted" >&2; exit 1'
    path = program(tmp_path / "bin", "unshare", refusing)
    done = scripted(
        f"is_root() {{ false; }}; RUN=/run SEEN=/mnt; {call}", PATH=f"{path}:{os.environ['PATH']}", HOME=str(tmp_path)
    )
    assert done.returncode == 1
    assert done.stderr
    assert (tmp_path / "asked").read_text() == "--user true\n"


def test_a_new_certificate_is_given_to_its_readers_while_all_runs(tmp_path: Path) -> None:
    """As docs/operating.md says: what root has put there only root can read, and nothing else has changed."""
    stubs = (
        "native_runs() { :; }; native_fingerprint() { say same; }; prepare_host() { :; }; choose_inner_ports() { :; }; "
        'refuse_taken_ports() { :; }; run_inside() { say "inside: $*"; }; '
    )
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".sallyport").touch()
    (tmp_path / "run" / "fingerprint").write_text("same\n")
    done = scripted(
        stubs + "WAY=native; take_environment; fill_in_defaults; native_up", SALLYPORT_RUN_DIR=str(tmp_path / "run")
    )
    assert (done.returncode, done.stdout) == (0, "inside: certificate\n")

"""The commands where there is nothing to do or nothing that may be done: a clear sentence, and nothing is touched."""

import os
import socket
import subprocess
from pathlib import Path

import pytest
from harness import free_port
from stack_scripts import CHECKOUT, Run


def free_ports() -> dict[str, str]:
    """The public ports of a stack that `make up` finds free; the other tests take theirs meanwhile."""
    return {f"SALLYPORT_{one}_PORT": str(free_port()) for one in ("SUBMISSION", "SUBMISSIONS", "IMAPS", "CONSOLE")}


def test_the_command_line_says_when_no_stack_is_up(run: Run) -> None:
    done = run("sallyport", "identity", "list", WAY="native")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("sallyport: no stack is up; start it with `make up`")


def has_namespaces() -> bool:
    """Whoever is not root needs one for plain processes; containers mostly refuse them."""
    script = ". stack/lib.sh; . stack/native-host.sh; is_root || in_namespace --mount true"
    return not subprocess.run(["/bin/bash", "-c", script], cwd=CHECKOUT, capture_output=True, check=False).returncode


@pytest.mark.skipif(not has_namespaces(), reason="neither root nor a user namespace here")
def test_a_stack_that_does_not_start_can_be_restored(run: Run, tmp_path: Path) -> None:
    """The way back after an upgrade: the old version does not start on the newer data; the restore is the remedy."""
    program = tmp_path / "run" / "bin" / "sallyport"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "restored: $*"\n')
    program.chmod(0o755)
    (tmp_path / "run" / ".sallyport").write_text("")
    done = run("sallyport", "restore", "-", "--replace", WAY="native")
    assert (done.returncode, done.stdout) == (0, "restored: restore - --replace\n")
    assert run("sallyport", "identity", "list", WAY="native").returncode == 1


def test_so_can_containers(run: Run, tmp_path: Path) -> None:
    engine = tmp_path / "bin" / "docker"
    engine.parent.mkdir()
    engine.write_text(
        '#!/bin/sh\ncase "$*" in *" run "*) echo "$*" ;; *config*) echo "name: s" ;; *"ps --all"*) echo 1 ;; esac\n'
    )
    engine.chmod(0o755)
    done = run("sallyport", "restore", "-", WAY="containers", PATH=f"{engine.parent}:{os.environ['PATH']}")
    assert (done.returncode, done.stderr) == (0, "")
    assert " run --rm --no-deps -T " in done.stdout
    assert done.stdout.endswith(" policy sallyport restore -\n")


@pytest.mark.parametrize("arguments", [("--test", "identity", "list"), ("identity", "list")])
def test_the_test_stack_can_be_asked_for(run: Run, arguments: tuple[str, ...]) -> None:
    done = run("sallyport", *arguments, WAY="native", SALLYPORT_STACK="test")
    assert done.returncode == 1
    assert "no stack is up" in done.stderr


def test_an_unknown_stack_is_refused(run: Run) -> None:
    done = run("sallyport", "identity", "list", SALLYPORT_STACK="prod")
    assert done.returncode == 2
    assert 'SALLYPORT_STACK is "prod"' in done.stderr


@pytest.mark.parametrize("test", ["", "1"])
def test_down_and_destroy_are_harmless_when_nothing_runs(run: Run, tmp_path: Path, test: str) -> None:
    for command in ("stack/down", "stack/destroy"):
        done = run(command, WAY="native", TEST=test)
        assert (done.returncode, done.stderr) == (0, "")
        assert "othing" in done.stdout
    assert not (tmp_path / "run").exists()


WITHOUT_POLICY = """#!/bin/sh
# An engine that runs Postfix alone: policy has ended, or the start was interrupted before it.
case "$*" in
  *" down "*) echo "$*" >>"$HOME/stopped" ;;
  *" ps "*policy*) ;;
  "compose "*" ps "*) echo 0123456789ab ;;
esac
"""


@pytest.mark.parametrize(("test", "files"), [("", ""), ("1", " -f compose.test.yaml")])
def test_down_stops_what_runs_without_policy(run: Run, tmp_path: Path, test: str, files: str) -> None:
    """`make up` says that `make down` does, where it was interrupted."""
    engine = tmp_path / "bin" / "docker"
    engine.parent.mkdir()
    engine.write_text(WITHOUT_POLICY)
    engine.chmod(0o755)
    done = run("stack/down", TEST=test, PATH=f"{engine.parent}:{os.environ['PATH']}")
    assert (done.returncode, done.stdout) == (0, f"The {'test' if test else 'main'} stack is down; its data is kept.\n")
    assert (tmp_path / "stopped").read_text() == f"compose -f compose.yaml{files} down --remove-orphans\n"


def test_a_command_that_is_named_is_about_this_stack(tmp_path: Path) -> None:
    """In the way that is meant, also where WAY is set in the environment of the next command."""
    script = (
        ". stack/lib.sh; . stack/containers.sh; . stack/native.sh; STACK=test; set_native_paths; take_run_directory; "
        "running_ways() { say native; }; engine_answers() { true; }; choose_way"
    )
    environment = {"PATH": os.environ["PATH"], "SALLYPORT_RUN_DIR": str(tmp_path / "run"), "WAY": "containers"}
    command = ["/bin/bash", "-euc", script]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "or run make down TEST=1 WAY=native first." in done.stderr
    assert "make destroy TEST=1 removes it." in (tmp_path / "run" / ".sallyport").read_text()


def test_destroy_does_not_go_ahead_without_an_answer(run: Run, tmp_path: Path) -> None:
    kept = tmp_path / "run" / ".sallyport"
    kept.parent.mkdir()
    kept.write_text("")
    done = run("stack/destroy", WAY="native")
    assert done.returncode == 2
    assert "YES=1" in done.stderr
    assert f"the run directory {kept.parent} (you are in {CHECKOUT})" in done.stderr
    assert kept.exists()


ENGINE = """#!/bin/sh
# An engine with one stack, whose checkout is not the one that asks.
case "$*" in
  *destroy* | *down*) echo "$*" >>"$HOME/destroyed" ;;
  *config*) echo "name: ${COMPOSE_PROJECT_NAME:-sallyport}" ;;
  "compose "*" ps "*) echo 0123456789ab ;;
  "ps "*) echo /srv/first ;;
esac
"""


@pytest.mark.parametrize(("named", "project"), [("", "sallyport"), ("second", "second")])
def test_destroy_names_the_project_and_where_it_came_from(run: Run, tmp_path: Path, named: str, project: str) -> None:
    """Two checkouts on one machine drive the same stack, unless it has another name."""
    engine = tmp_path / "bin" / "docker"
    engine.parent.mkdir()
    engine.write_text(ENGINE)
    engine.chmod(0o755)
    path = f"{engine.parent}:{os.environ['PATH']}"
    done = run("stack/destroy", WAY="containers", PATH=path, COMPOSE_PROJECT_NAME=named)
    assert done.returncode == 2
    assert f"the Compose project {project} (started from /srv/first, you are in {CHECKOUT})" in done.stderr
    assert not (tmp_path / "destroyed").exists()


def test_podman_compose_is_no_compose(run: Run, tmp_path: Path) -> None:
    """It answers under Docker's name, and does not understand our files."""
    engine = tmp_path / "bin" / "docker"
    engine.parent.mkdir()
    engine.write_text('#!/bin/sh\ncase "$*" in *version*) echo "podman-compose version 1.3.0" ;; *) exit 0 ;; esac\n')
    engine.chmod(0o755)
    done = run("stack/up", WAY="containers", PATH=f"{engine.parent}:{os.environ['PATH']}")
    assert done.returncode == 2
    assert "no container engine with Compose v2 answers (podman-compose is none)" in done.stderr


def test_an_engine_without_compose_is_not_passed_over(run: Run, tmp_path: Path) -> None:
    """As of Debian 12's docker-compose: whoever has an engine did not ask for packages on the machine itself."""
    engine = tmp_path / "bin" / "docker"
    engine.parent.mkdir()
    engine.write_text('#!/bin/sh\n[ "$1" = info ]\n')
    engine.chmod(0o755)
    done = run("stack/up", PATH=f"{engine.parent}:{os.environ['PATH']}")
    assert (done.returncode, done.stdout) == (2, "")
    assert "a container engine answers, but not its Compose v2" in done.stderr
    assert not (tmp_path / "run").exists()


KEEPER = """#!/bin/sh
# An engine that answers where there is a file of that name, and has what the folder of volumes has.
case "$*" in
  *config*) echo "name: sallyport"; exit ;;
  *ps*) exit ;;
esac
[ -e "$HOME/answers" ] || exit 1
case "$*" in *"volume ls"*) ls "$HOME/volumes" ;; esac
"""


@pytest.mark.parametrize(
    ("answers", "native", "volume", "way"),
    [
        (True, False, False, "containers"),
        (True, False, True, "containers"),
        (True, True, False, "native"),
        (True, True, True, "has data in both ways; say WAY=containers or WAY=native,"),
        (False, False, False, "native"),
        (False, True, False, "native"),
        (False, False, True, "has its data in containers' volumes, and the engine does not answer; start it,"),
        (False, True, True, "has data in both ways; say WAY=containers or WAY=native,"),
    ],
)
def test_up_goes_the_way_whose_data_is_there(
    tmp_path: Path, answers: bool, native: bool, volume: bool, way: str
) -> None:
    """After `make down`, or before the engine is up at boot: the other way would begin with an empty store."""
    engine = tmp_path / "bin" / "docker"
    engine.parent.mkdir()
    engine.write_text(KEEPER)
    engine.chmod(0o755)
    (tmp_path / "run").mkdir()
    (tmp_path / "volumes").mkdir()
    for is_there, path in (
        (answers, "answers"),
        (native, "run/.sallyport"),
        (volume, "volumes/sallyport_policy-state"),
    ):
        if is_there:
            (tmp_path / path).touch()
    script = ". stack/lib.sh; . stack/containers.sh; . stack/native.sh; STACK=main; ENGINE_VOLUMES=$HOME/volumes; "
    path = f"{engine.parent}:{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(tmp_path), "SALLYPORT_RUN_DIR": str(tmp_path / "run")}
    command = ["/bin/bash", "-euc", script + "choose_way; say $WAY"]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    if " " in way:
        assert (done.returncode, done.stdout) == (2, "")
        assert f"sallyport: the main stack {way}" in done.stderr
    else:
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{way}\n", "")


STARTED_WITH_MORE = """#!/bin/sh
# An engine whose stack somebody has started by hand, on PostgreSQL.
case "$*" in
  *" up "*) echo "$*" >>"$HOME/upped"; exit 1 ;;
  "ps "*config_files*) echo /srv/sallyport/compose.yaml,/srv/sallyport/compose.postgresql.yaml ;;
  *"config --quiet"*) ;;
  *config*) echo "name: sallyport" ;;
esac
"""


@pytest.mark.parametrize("parts", ["", "metrics", "postgresql,metrics"])
def test_up_keeps_what_runs_or_says_what_it_would_leave_out(run: Run, tmp_path: Path, parts: str) -> None:
    """Without its PostgreSQL policy would start on an empty database, and nobody's login would be known."""
    engine = tmp_path / "bin" / "docker"
    engine.parent.mkdir()
    engine.write_text(STARTED_WITH_MORE)
    engine.chmod(0o755)
    path = f"{engine.parent}:{os.environ['PATH']}"
    done = run("stack/up", WAY="containers", PATH=path, SALLYPORT_WITH=parts, **free_ports())
    started = tmp_path / "upped"
    if parts == "postgresql,metrics":
        wanted = "compose -f compose.yaml -f compose.postgresql.yaml -f compose.metrics.yaml up "
        assert started.read_text().startswith(wanted)
    else:
        assert done.returncode == 2
        assert "more than make up would start: postgresql; add SALLYPORT_WITH=postgresql to .env" in done.stderr
        assert not started.exists()


TAKEN_DOWN = """#!/bin/sh
# An engine whose stack ran on PostgreSQL and Valkey until `make down`, which keeps the volumes.
case "$*" in
  *" up "*) echo "$*" >>"$HOME/upped"; exit 1 ;;
  "volume ls"*) printf '%s\\n' sallyport_policy-state sallyport_postgresql-data sallyport_valkey-data ;;
  *"config --quiet"*) ;;
  *config*) echo "name: sallyport" ;;
esac
"""


@pytest.mark.parametrize(
    ("parts", "lost"),
    [
        ("", ("postgresql", "valkey")),
        ("postgresql", ("valkey",)),
        ("valkey", ("postgresql",)),
        ("postgresql,valkey", ()),
    ],
)
def test_up_does_not_begin_beside_the_data_that_down_has_kept(
    run: Run, tmp_path: Path, parts: str, lost: tuple[str, ...]
) -> None:
    """A line that .env has lost is no wish for an empty database, nor for budgets of which nothing is spent."""
    engine = tmp_path / "bin" / "docker"
    engine.parent.mkdir()
    engine.write_text(TAKEN_DOWN)
    engine.chmod(0o755)
    path = f"{engine.parent}:{os.environ['PATH']}"
    done = run("stack/up", WAY="containers", PATH=path, SALLYPORT_WITH=parts, **free_ports())
    assert (tmp_path / "upped").exists() == (not lost)
    if lost:
        assert done.returncode == 2
        volumes = " ".join(f"sallyport_{one}-data" for one in lost)
        for told in (f"add SALLYPORT_WITH={','.join(lost)} to .env", f"docker volume rm {volumes} "):
            assert told in done.stderr


OF_ANOTHER = """#!/bin/sh
# An engine whose stack another checkout has started.
case "$*" in
  *" up "* | *" down "*) echo "$*" >>"$HOME/driven"; exit 1 ;;
  *"config --quiet"*) ;;
  *config*) echo "name: sallyport" ;;
  "compose "*" ps "*) echo 0123456789ab ;;
  "ps "*working_dir*) cat "$HOME/from" ;;
esac
"""


@pytest.mark.parametrize("command", ["stack/up", "stack/down"])
@pytest.mark.parametrize(
    ("started_from", "named", "is_driven"),
    [("another", "", False), ("another", "sallyport", True), ("gone", "", True), ("link", "", True)],
)
def test_a_checkout_does_not_drive_the_stack_of_another(
    run: Run, tmp_path: Path, command: str, started_from: str, named: str, is_driven: bool
) -> None:
    """Both would have the same name. Who names it means it; and a checkout may have been moved."""
    engine = tmp_path / "bin" / "docker"
    engine.parent.mkdir()
    engine.write_text(OF_ANOTHER)
    engine.chmod(0o755)
    (tmp_path / "another").mkdir()
    (tmp_path / "link").symlink_to(CHECKOUT)
    (tmp_path / "from").write_text(f"{tmp_path / started_from}\n")
    path = f"{engine.parent}:{os.environ['PATH']}"
    done = run(command, WAY="containers", PATH=path, COMPOSE_PROJECT_NAME=named, **free_ports())
    assert (tmp_path / "driven").exists() == is_driven
    if not is_driven:
        assert done.returncode == 2
        assert f"was started from {tmp_path / 'another'}, and you are in {CHECKOUT}" in done.stderr
        assert "COMPOSE_PROJECT_NAME=sallyport" in done.stderr


def test_plain_processes_have_no_optional_parts(run: Run) -> None:
    done = run("stack/up", WAY="native", SALLYPORT_WITH="metrics")
    assert done.returncode == 2
    assert 'SALLYPORT_WITH is "metrics", and these parts are containers;' in done.stderr


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"WAY": "podman"}, 'WAY is "podman"'),
        ({"TEST": "yes"}, 'TEST is "yes"'),
        ({"WAY": "native", "SALLYPORT_RUN_DIR": "relative"}, 'SALLYPORT_RUN_DIR is "relative"'),
        ({"WAY": "native", "SALLYPORT_RUN_DIR": "/tmp/with blank"}, "SALLYPORT_RUN_DIR is"),
    ],
)
def test_up_refuses_what_it_does_not_know(run: Run, variables: dict[str, str], named: str) -> None:
    done = run("stack/up", **variables)
    assert (done.returncode, done.stdout) == (2, "")
    assert named in done.stderr


def test_up_names_the_setting_of_a_port_that_is_in_use(run: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = str(held.getsockname()[1])
        others = {f"SALLYPORT_{one}_PORT": str(free_port()) for one in ("SUBMISSION", "SUBMISSIONS", "CONSOLE")}
        done = run("stack/up", WAY="native", SALLYPORT_BIND="127.0.0.1", SALLYPORT_IMAPS_PORT=port, **others)
    assert done.returncode == 2
    assert f"already in use on this machine: port {port} of SALLYPORT_IMAPS_PORT;" in done.stderr
    assert not (tmp_path / "run").exists()


def test_up_leaves_a_folder_alone_that_is_not_its_own(run: Run, tmp_path: Path) -> None:
    foreign = tmp_path / "run" / "thesis.tex"
    foreign.parent.mkdir()
    foreign.write_text("precious")
    done = run("stack/up", WAY="native")
    assert done.returncode == 2
    assert "SALLYPORT_RUN_DIR" in done.stderr
    assert [file.name for file in foreign.parent.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("there", "told"),
    [
        ([], "  apt-get install --yes swaks libnet-ssleay-perl curl </dev/null\n"),
        (["swaks"], "  apt-get install --yes curl </dev/null\n"),
        (["swaks", "curl"], ""),
    ],
)
def test_what_the_lines_to_paste_need_is_named_where_it_is_missing(tmp_path: Path, there: list[str], told: str) -> None:
    for name in there:
        (tmp_path / name).symlink_to("/bin/true")
    script = ". stack/lib.sh; . stack/next-steps.sh; PATH=$1; print_missing_tools"
    done = subprocess.run(
        ["/bin/bash", "-ec", script, "test", tmp_path], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert done.stdout == told


@pytest.mark.parametrize(
    ("bind", "option"), [("0.0.0.0", "-4 "), ("127.0.0.1", "-4 "), ("::", ""), ("2001:db8::1", "")]
)
def test_swaks_goes_where_the_gateway_listens(bind: str, option: str) -> None:
    """Some of its versions try the first address of a name alone, and localhost's is ::1."""
    script = (
        ". stack/lib.sh; . stack/next-steps.sh; test_flag= certificate=c login=l secret=s address=a; print_messages"
    )
    environment = os.environ | {"SALLYPORT_BIND": bind, "SALLYPORT_SUBMISSION_PORT": "587", "host": "localhost"}
    done = subprocess.run(
        ["/bin/bash", "-ec", script], cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=True
    )
    assert f"  swaks {option}--server localhost " in done.stdout


@pytest.mark.parametrize(("bind", "both"), [("::", "0.0.0.0,::"), ("::1", "::1"), ("192.0.2.1", "192.0.2.1")])
def test_the_double_colon_is_both_families(tmp_path: Path, bind: str, both: str) -> None:
    """The gateway and Dovecot bind each address by itself, and clients without IPv6 would be refused."""
    functions = (CHECKOUT / "stack" / "native-inside").read_text().removesuffix('main "$@"\n')
    script = functions + "set +u; env() { printf '%s\\n' \"$@\"; }; render_dovecot; gateway_environment"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=CHECKOUT,
        env={
            "PATH": "/usr/bin:/bin",
            "SALLYPORT_RUN": str(tmp_path),
            "SALLYPORT_STACK": "main",
            "SALLYPORT_BIND": bind,
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert {f"GATEWAY_BIND={both}", f"DOVECOT_BIND={both}"} <= set(done.stdout.split())

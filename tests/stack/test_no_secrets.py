"""After use no secret stands anywhere but where it belongs: not in the database, no log, no environment, no file.

Everything that takes or makes a secret is used once, rightly and wrongly (secrets_in_use.py). Then each secret is
looked for in each form (secret_search.py) in each place.
"""

import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from harness import Sink, until
from secrets_in_use import look_at_everything, misuse_submission, use_api, use_console, use_devices, use_other_proofs
from services_in_use import Run
from sqlalchemy import inspect, make_url, text

import postgresql

# The files that are meant to hold a secret, and which.
MEANT: Mapping[str, tuple[str, ...]] = {
    "gateway.token": ("token of the gateway",),
    "dovecot.token": ("token of Dovecot",),
    "dovecot/config/doveadm.conf": ("token of Dovecot",),
    "state/queue.token": ("token of the queue agent",),
    "state/digest.key": ("digest key", "digest key, in octets"),
    "key.pem": ("key of TLS",),
    "state/client-ca/key.pem": ("key of the client CA",),
}
_COPY = re.compile(r"dovecot/config/tls\.\w+/key\.pem")


@pytest.fixture(params=["sqlite", "postgresql"])
def run(request: pytest.FixtureRequest, tmp_path: Path, sink: Sink) -> Iterator[Run]:
    """All services, on either database, with logs for people and for programs."""
    url = ""
    if request.param == "postgresql":
        if not postgresql.is_possible():
            pytest.skip(postgresql.NOT_INSTALLED)
        url = postgresql.cluster().create_empty().render_as_string()
    one = Run(tmp_path, sink, "text" if request.param == "sqlite" else "json", url)
    if url:
        log_every_statement(one)
    try:
        one.start()
        yield one
    finally:
        one.stop()


def log_every_statement(run: Run) -> None:
    """As an administrator of PostgreSQL may have it; without parameters, as SECURITY.md says."""
    with run.sallyport.store() as connection:
        name = make_url(run.database_url).database
        for setting, value in {
            "log_statement": "all",
            "log_parameter_max_length": "0",
            "log_parameter_max_length_on_error": "-1",
        }.items():
            connection.execute(text(f"ALTER DATABASE {name} SET {setting} = '{value}'"))


def test_no_secret_is_left(run: Run, sink: Sink) -> None:
    """Names of secrets and places in the failure, and no value."""
    add_keys(run)
    for use in (use_devices, misuse_submission, use_other_proofs, use_console, use_api, look_at_everything):
        use(run)
    until(lambda: "alert-not-sent" in run.sallyport.policy.text() or alerts(sink), "the administrator was told")
    places = logs(run) | database(run) | processes(run) | said(run) | alerts(sink)
    assert_complete(run, places)
    found = run.wanted.found_in(places)
    for place, content in files(run).items():
        found += run.wanted.found_in({place: content}, but=meant(place))
    keys = [name for names in MEANT.values() for name in names]
    found += run.wanted.found_in(backup(run), but=keys)
    assert not found, "\n".join(sorted({str(one) for one in found}))


def meant(place: str) -> tuple[str, ...]:
    """Dovecot's own copy of the pair (dovecot/take) is in a folder with a name by chance."""
    return MEANT["key.pem"] if _COPY.fullmatch(place) else MEANT.get(place, ())


def add_keys(run: Run) -> None:
    """What `sallyport init` has made."""
    for file, (name, *_) in MEANT.items():
        path = run.sallyport.folder / file
        if path.suffix == ".pem":
            run.wanted.add(name, path.read_bytes().splitlines()[2])
        elif path.suffix in {".token", ".key"}:
            run.wanted.add(name, path.read_text().strip())
    digest_key = (run.sallyport.folder / "state" / "digest.key").read_text().strip()
    run.wanted.add("digest key, in octets", bytes.fromhex(digest_key))


def assert_complete(run: Run, places: Mapping[str, bytes]) -> None:
    """A place that is empty, or a use that left no trace, would prove nothing."""
    assert len(run.wanted.secrets) > 80
    assert not [name for name, content in places.items() if not content]
    for event in (b"login-granted", b"login-refused", b"login-deferred", b"trap-closed", b"old-login-tried", b"alert",
                  b"question-failed", b"question-refused", b"directory-failed", b"issuer-failed"):  # fmt: skip
        assert event in places["policy.log"], event
    for event in (b"console-failed", b"signed-in", b"sign-in-refused", b"second-factor-refused", b"question-failed"):
        assert event in places["console.log"], event
    assert b"policy-failed" in places["gateway.log"]
    assert b"ada@sallyport.test" in places["dump of the database"]
    if run.pickup:
        assert b"policy did not decide" in places["dovecot.log"]


def logs(run: Run) -> dict[str, bytes]:
    every = {
        "gateway.log": run.sallyport.gateway.log,
        "policy.log": run.sallyport.policy.log,
        "console.log": run.console.log,
    }
    if run.pickup:
        every["dovecot.log"] = run.pickup.process.log
    if run.database_url:
        every["log of PostgreSQL"] = postgresql.cluster().folder / "log"
    return {name: path.read_bytes() for name, path in every.items()} | {
        "metrics of the gateway": run.sallyport.status("metrics").encode()
    }


def database(run: Run) -> dict[str, bytes]:
    """A dump of every table. The octets of SQLite's files are among files()."""
    with run.sallyport.store() as connection:
        driver = connection.connection.driver_connection
        if not run.database_url:
            assert driver
            return {"dump of the database": "\n".join(driver.iterdump()).encode()}
        rows = [
            str(value)
            for table in inspect(connection).get_table_names()
            for (value,) in connection.execute(text(f'SELECT CAST(t AS TEXT) FROM "{table}" AS t'))  # noqa: S608
        ]
    return {"dump of the database": "\n".join(rows).encode()}


def processes(run: Run) -> dict[str, bytes]:
    """Arguments and environment of every process of ours, workers too."""
    services = {"gateway": run.sallyport.gateway, "policy": run.sallyport.policy, "console": run.console}
    if run.pickup:
        services["dovecot"] = run.pickup.process
    found: dict[str, bytes] = {}
    for service, process in services.items():
        assert process.running
        for number in descendants(process.running.pid):
            for file in ("cmdline", "environ"):
                content = Path(f"/proc/{number}/{file}").read_bytes()
                found[f"{file} of {service}, process {number}"] = content or b"(empty)"
    return found


def descendants(number: int) -> list[int]:
    """The process and those that it started."""
    below = Path(f"/proc/{number}/task/{number}/children").read_text().split()
    return [number, *[one for child in below for one in descendants(int(child))]]


def said(run: Run) -> dict[str, bytes]:
    return {"output of commands that make no secret": "\n".join(run.said).encode()}


def alerts(sink: Sink) -> dict[str, bytes]:
    """What was mailed to the administrator."""
    return {f"message {one['id']}": sink.raw(one["id"]) for one in sink.messages("subject=trap")}


def files(run: Run) -> dict[str, bytes]:
    """Everything below the folder of the services; the logs once more, and what nobody thought of."""
    folder = run.sallyport.folder
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def backup(run: Run) -> dict[str, bytes]:
    """What is in the backup, unpacked. The keys belong there: whoever has it can verify secrets."""
    with tarfile.open(run.files / "backup.tar.gz") as archive:
        parts = {one.name: archive.extractfile(one) for one in archive.getmembers() if one.isfile()}
        return {f"{name} of the backup": content.read() for name, content in parts.items() if content}

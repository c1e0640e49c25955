"""`sallyport import` and `sallyport dns`: whole organisations, all or nothing, told once."""

import contextlib
import io
import json
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from harness import ROOT
from sqlalchemy import Engine, func, select

from policy.brain import Brain
from policy.cli import main
from policy.contract import LoginOutcome, LoginStep
from policy.enrolment.migration import LABEL, read_passwd_file
from policy.enrolment.users import read_users
from policy.foreign_hashes import verify
from policy.store.audit import Actor
from policy.store.database import open_database
from policy.store.errors import StoreError
from policy.store.handles import Kind, digest
from policy.store.health_reports import try_to_write
from policy.store.identities import IdentityStore
from policy.store.models import Audit, Credentials, Identities, Invites
from policy.store.organisation import organisation
from policy.store.together import together

T = 1_000_000.0  # any moment
ACTOR = Actor("cli:test", "localhost")
HASH = "{SSHA}LvTMm4nAECIgLjHymnpZJvAjkBSCw+fN"
SECRET = "Grüße, Käthe 9"
UNTIL = (datetime.now(UTC) + timedelta(days=60)).strftime("%Y-%m-%d")
USERS = b"""name;address;owner;profile;device;language
ada;ada@sallyport.test ada.loewe@sallyport.test;Ada L\xc3\xb6we;;;de
bob;bob@elsewhere.example;Bob <b>;;Phone;
printer;@sallyport.test;Printer;app;Hall;
"""


def nobody_watches(_done: int) -> None:
    """Progress."""


@dataclass(frozen=True)
class Told:
    """What a command said."""

    code: int | str | None
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code in (0, None), self.err
        return json.loads(self.out)


Run = Callable[..., Told]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`sallyport` on a store in a folder of its own."""
    for name, value in {
        "POLICY_STATE_DIR": "state",
        "POLICY_GATEWAY_TOKEN_FILE": "gateway.token",
        "POLICY_DOVECOT_TOKEN_FILE": "dovecot.token",
        "POLICY_TLS_CERT": "cert.pem",
        "POLICY_TLS_KEY": "key.pem",
    }.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    monkeypatch.setenv("POLICY_CONSOLE_URL", "https://console.example.org")

    def command(*arguments: str | Path) -> Told:
        monkeypatch.setattr(sys, "argv", ["sallyport", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return Told(ended.value.code, *capsys.readouterr())

    assert command("init").code == 0
    return command


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes | str], Path]:
    """A file of an administrator."""

    def written(content: bytes | str) -> Path:
        path = tmp_path / "import.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written


# The store, on both databases


def test_together_is_all_or_nothing(engine: Engine, key: bytes) -> None:
    """What is not committed was never there; what failed within leaves no trace of its own."""
    with together(engine) as work:
        IdentityStore(work.engine, key, ACTOR).add_identity("ada", ("ada@example.org",), T)
    assert IdentityStore(engine, key, ACTOR).identities() == []
    with together(engine) as work:
        store = IdentityStore(work.engine, key, ACTOR)
        store.add_identity("ada", ("ada@example.org",), T)
        with pytest.raises(Exception, match="belongs to 'ada'"):
            store.add_identity("eve", ("ada@example.org",), T)
        store.add_identity("bob", ("bob@example.org",), T)
        work.commit()
    assert [one.name for one in IdentityStore(engine, key, ACTOR).identities()] == ["ada", "bob"]


def test_nobody_waits_for_an_import(engine: Engine, key: bytes, store: IdentityStore) -> None:
    """Messages are counted and parts say how they are while every line is tried, and what they write is no obstacle."""
    users, _ = read_users(USERS)
    with organisation(engine, key, ACTOR) as work:
        work.enrol(users, 14, T, nobody_watches)
        try_to_write(engine)
        work.commit()
    assert [one.name for one in store.identities()] == ["ada", "bob", "printer"]


def test_what_somebody_changes_meanwhile_ends_an_import(engine: Engine, key: bytes, store: IdentityStore) -> None:
    """Nobody knows whether its lines are still in order."""
    users, _ = read_users(USERS)
    with organisation(engine, key, ACTOR) as work:
        work.enrol(users, 14, T, nobody_watches)
        store.add_identity("eve", ("ada@sallyport.test",), T)
        with pytest.raises(StoreError, match="changed something meanwhile; nothing was imported"):
            work.commit()
    assert [one.name for one in store.identities()] == ["eve"]
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(Audit)) == 1


def test_an_import_gives_no_number_again(engine: Engine, key: bytes, store: IdentityStore) -> None:
    """An open session is known by that of its credential, and would be somebody else's."""
    store.add_identity("eve", ("eve@example.org",), T)
    store.add_credential("eve", "phone", T)
    numbers = select(Credentials.id, Credentials.login)
    with engine.connect() as connection:
        (gone,) = connection.execute(numbers).all()
    store.remove_identity("eve", T)
    users, _ = read_users(USERS)
    with organisation(engine, key, ACTOR) as work:
        work.enrol(users, 14, T, nobody_watches)
        work.commit()
    with engine.connect() as connection:
        found = connection.execute(numbers.order_by(Credentials.id)).all()
    assert min(number for number, _ in found) > gone.id
    made = [one.credential.login for one in work.enrolled if one.credential]
    assert [login for _, login in found] == made
    assert [one.identity for one in store.credentials()] == ["bob", "printer"]


def test_an_organisation_is_enrolled(engine: Engine, key: bytes, store: IdentityStore) -> None:
    """A link for a person, a device for who needs one; each act is in the audit log, and no secret is."""
    users, bad = read_users(USERS)
    assert not bad
    with organisation(engine, key, ACTOR) as work:
        work.enrol(users, 14, T, nobody_watches)
        assert work.bad == []
        work.commit()
    ada, bob, printer = work.enrolled
    assert (ada.token != "", ada.credential) == (True, None)
    assert bob.credential is not None
    assert printer.credential is not None
    assert store.identity("ada").addresses == ("ada@sallyport.test", "ada.loewe@sallyport.test")
    with engine.connect() as connection:
        kept = connection.scalar(select(Credentials.digest).where(Credentials.login == bob.credential.login))
        assert kept == digest(bob.credential.secret, key)
        acts = connection.execute(select(Audit.actor, Audit.action, Audit.before, Audit.after)).all()
    assert {act.action for act in acts} == {"identity-added", "invite-made", "credential-added"}
    assert {act.actor for act in acts} == {ACTOR.name}
    assert not any(secret in str(acts) for secret in (ada.token, bob.credential.secret))
    assert bob.credential.secret not in repr(work.enrolled)
    assert ada.token not in repr(work.enrolled)


def test_four_hundred_lines_with_planted_errors(sqlite_database: Path, key: bytes) -> None:
    """Every one of them is told with its number, and nothing else; then nothing is in the store."""
    engine = open_database(sqlite_database)
    store = IdentityStore(engine, key, ACTOR)
    store.add_identity("taken", ("somebody@example.org",), T)
    rows = [f"user{number},user{number}@example.org,User {number}" for number in range(400)]
    planted = {
        10: ("Not A Name,x@example.org", "cannot be a name"),
        100: ("nobody,no-address", "is not an address"),
        101: (",missing@example.org", "has no name"),
        177: ("user5,other@example.org", "'user5' is in line 7 already"),
        200: ("taken,new@example.org", "there is an identity 'taken'"),
        300: ("fresh,Somebody@Example.org", "belongs to 'taken'"),
        399: ("last,last@example.org," + "x" * 101, "owner's name"),
    }
    for number, (row, _) in planted.items():
        rows[number] = row
    users, bad = read_users("\n".join(["name,address,owner", *rows]).encode())
    with organisation(engine, key, ACTOR) as work:
        work.enrol(users, 14, T, nobody_watches)
        bad += work.bad
    told = {one.number: one.why for one in bad}
    assert told.keys() == {number + 2 for number in planted}
    for number, (_, part) in planted.items():
        assert part in told[number + 2]
    assert len(work.enrolled) == 400 - len(planted)
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(Identities)) == 1
        assert connection.scalar(select(func.count()).select_from(Invites)) == 0
    engine.dispose()


def test_a_second_address_comes_along(engine: Engine, key: bytes, store: IdentityStore) -> None:
    """And is refused where it is no other one."""
    rows = ["name,address,notice-address", "ada,ada@example.org,Ada@Elsewhere.example", "bob,bob@example.org,"]
    users, bad = read_users("\n".join(rows).encode())
    assert not bad
    with organisation(engine, key, ACTOR) as work:
        work.enrol(users, 14, T, nobody_watches)
        assert not work.bad
        work.commit()
    assert [store.identity(name).notice_address for name in ("ada", "bob")] == ["ada@elsewhere.example", ""]
    users, _ = read_users(b"name,address,notice-address\neve,eve@example.org,eve@example.org\n")
    with organisation(engine, key, ACTOR) as work:
        work.enrol(users, 14, T, nobody_watches)
        assert [one.number for one in work.bad] == [2]


def test_a_migration_keeps_logins_and_hashes(engine: Engine, key: bytes, store: IdentityStore) -> None:
    """With the identity that has the address, or a new one; again it does nothing, but for another last day."""
    store.add_identity("countess", ("ada@example.org",), T)
    store.add_identity("bob", ("bob@example.net",), T)
    found = read_passwd_file(
        f"ada@example.org:{HASH}\nbob@example.org:{HASH}:::Bob\nlocal:{{PLAIN}}in the clear\n".encode(), "example.org"
    )
    assert not found.bad
    for until, is_new in ((T + 10, True), (T + 10, False), (T + 99, False)):
        with organisation(engine, key, ACTOR) as work:
            work.migrate(found.migrants, until, T, nobody_watches)
            assert work.bad == []
            work.commit()
        assert [(one.name, one.is_new) for one in work.enrolled] == [
            ("countess", is_new),
            ("bob-example.org", is_new),
            ("local", is_new),
        ]
        logins = {one.login: one for one in store.credentials()}
        assert logins.keys() == {"ada@example.org", "bob@example.org", "local"}
        for one in logins.values():
            assert (one.kind, one.label, one.expires_at) == (Kind.MIGRATED, LABEL, until)
    assert store.identity("bob-example.org").owner == "Bob"
    with engine.connect() as connection:
        kept = {row.login: row.password for row in connection.execute(select(Credentials.login, Credentials.password))}
        assert kept["ada@example.org"] == HASH
        assert verify(str(kept["local"]), "in the clear")
        assert not verify(str(kept["ada@example.org"]), "in the clear")
        log = str(connection.execute(select(Audit.before, Audit.after)).all())
    assert "LvTM" not in log
    assert "in the clear" not in log


def test_a_revoked_old_login_stays_revoked(engine: Engine, key: bytes, store: IdentityStore) -> None:
    """Another import of the same file must not give a stolen password back."""
    found = read_passwd_file(f"ada:{HASH}".encode(), "example.org")
    for _ in range(2):
        with organisation(engine, key, ACTOR) as work:
            work.migrate(found.migrants, T + 10, T, nobody_watches)
            work.commit()
        if store.credential("ada").revoked_at is None:
            store.revoke("ada", T)
    assert work.bad == []
    assert store.credential("ada").revoked_at == T


async def test_the_old_password_logs_in_until_the_last_day(brain: Brain, engine: Engine, key: bytes) -> None:
    """From Dovecot's file to the answer that the gateway gets; afterwards it is a wrong login as any other."""
    found = read_passwd_file(f"ada@example.org:{HASH}\nbob:{{PLAIN}}in the clear\n".encode(), "example.org")
    with organisation(engine, key, ACTOR) as work:
        work.migrate(found.migrants, T + 10, T, nobody_watches)
        work.commit()
    outcomes = []
    for now in (T, T + 10):
        at_that_time = replace(brain, clock=lambda now=now: now)
        for login, secret in (("Ada@Example.org", SECRET), ("bob", "in the clear"), ("bob", "wrong")):
            step = LoginStep(
                session="s1",
                exchange="e1",
                client_address="192.0.2.1",
                listener="submission",
                mechanism="PLAIN",
                responses=(f"\0{login}\0{secret}".encode(),),
            )
            outcomes.append((await at_that_time.login(step)).outcome)
    granted, refused = LoginOutcome.GRANTED, LoginOutcome.REFUSED
    assert outcomes == [granted, granted, refused, refused, refused, refused]


# The commands


def test_import_users_with_sheets(run: Run, file: Callable[..., Path], tmp_path: Path) -> None:
    """A sheet for each, for its owner's eyes alone; the second time there is nothing to do."""
    path, sheets = file(USERS), tmp_path / "sheets"
    done = run("import", "users", path, "--sheets", sheets)
    assert done.code in (0, None), done.err
    assert done.out == "3 imported; 0 were there already\n"
    assert "give each person their sheet" in done.err
    assert "elsewhere.example is delivered elsewhere" in done.err
    assert sorted(one.name for one in sheets.iterdir()) == [
        "ada.html", "ada.txt", "bob.html", "bob.txt", "printer.html", "printer.txt",
    ]  # fmt: skip
    assert stat.S_IMODE(sheets.stat().st_mode) == 0o700
    assert {stat.S_IMODE(one.stat().st_mode) for one in sheets.iterdir()} == {0o600}
    assert re.search(r"https://console\.example\.org/invite/[\w-]{40,}", (sheets / "ada.txt").read_text())
    assert "Ihre Einladung" in (sheets / "ada.html").read_text()
    bobs = (sheets / "bob.html").read_text()
    (login,) = (one["login"] for one in run("credential", "list", "bob", "--json").json)
    assert login in bobs
    assert "Bob &lt;b&gt;" in bobs
    assert "printer@sallyport.test" in (sheets / "printer.txt").read_text()
    again = run("import", "users", path, "--sheets", tmp_path / "others")
    assert again.out == "0 imported; 3 were there already\n"
    assert list((tmp_path / "others").iterdir()) == []


def test_import_users_by_standard_input_and_output(tmp_path: Path) -> None:
    """For who is outside of the container: the file comes in, and the sheets go out as an archive."""
    environment = {
        "POLICY_STATE_DIR": str(tmp_path),
        "POLICY_GATEWAY_TOKEN_FILE": str(tmp_path / "gateway.token"),
        "POLICY_DOVECOT_TOKEN_FILE": str(tmp_path / "dovecot.token"),
        "POLICY_TLS_CERT": str(tmp_path / "cert.pem"),
        "POLICY_TLS_KEY": str(tmp_path / "key.pem"),
    }
    command = [sys.executable, "-c", "from policy.cli import main; main()"]
    options = {"cwd": ROOT, "env": os.environ | environment, "capture_output": True}
    subprocess.run([*command, "init"], check=True, **options)
    done = subprocess.run([*command, "import", "users", "-", "--sheets", "-"], input=USERS, check=True, **options)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        assert [one.name for one in archive] == ["sheets"] + [
            f"sheets/{name}.{kind}" for name in ("ada", "bob", "printer") for kind in ("html", "txt")
        ]
        assert {one.mode for one in archive} == {0o700, 0o600}
        page = archive.extractfile("sheets/bob.html")
        assert page is not None
        assert b"Bob &lt;b&gt;" in page.read()
    assert done.stderr.startswith(b"note: mail TO")
    assert b"3 imported; 0 were there already" in done.stderr


def test_import_users_with_json(run: Run, file: Callable[..., Path]) -> None:
    """What a script needs: the link or the login and the secret, once."""
    ada, bob, printer = run("import", "users", file(USERS), "--json").json
    assert ada.keys() == {"line", "name", "is_new", "url"}
    assert bob.keys() == {"line", "name", "is_new", "login", "secret", "identity", "label"}
    assert (ada["line"], printer["label"]) == (2, "Hall")
    assert all(one.keys() == {"line", "name", "is_new"} for one in run("import", "users", file(USERS), "--json").json)


def test_a_rehearsal_changes_nothing(run: Run, file: Callable[..., Path], tmp_path: Path) -> None:
    """And tells no secret, because there is none."""
    before = run("identity", "list", "--json").json
    done = run("import", "users", file(USERS), "--dry-run", "--sheets", tmp_path / "sheets")
    assert done.out == "3 would be imported, nothing was changed; 0 were there already\n"
    assert all(
        one.keys() == {"line", "name", "is_new"}
        for one in run("import", "users", file(USERS), "--dry-run", "--json").json
    )
    assert not (tmp_path / "sheets").exists()
    assert run("identity", "list", "--json").json == before


TWO_BAD_LINES = b"name,address\nx y,a@b.example\nada,nothing\n"
ONE_BAD_LINE = b"name,address\nada,nothing\n"
BAD = [
    # what it shows, file, options, code, parts of what is said
    ("nowhere to tell secrets", USERS, (), 1, ["--sheets"]),
    ("two things on standard output", USERS, ("--json", "--sheets", "-"), 2, ["at once"]),
    ("bad lines", TWO_BAD_LINES, ("--json",), 1, ["line 2:", "line 3:", "2 lines are wrong; nothing was imported"]),
    ("one bad line", ONE_BAD_LINE, ("--json",), 1, ["line 2:", "1 line is wrong; nothing was imported"]),
    ("no CSV", b"\xff\xfe", ("--json",), 1, ["not UTF-8"]),
    ("no such language", USERS, ("--language", "fr", "--json"), 2, ["fr"]),
    ("too many days", USERS, ("--days", "1000", "--json"), 2, ["90"]),
]


@pytest.mark.parametrize(
    ("content", "options", "code", "parts"), [case[1:] for case in BAD], ids=[case[0] for case in BAD]
)
def test_what_is_not_imported(
    run: Run, file: Callable[..., Path], content: bytes, options: tuple[str, ...], code: int, parts: list[str]
) -> None:
    """The sentence, the exit code, nothing on standard output, and nothing in the store."""
    done = run("import", "users", file(content), *options)
    assert (done.code, done.out) == (code, "")
    for part in parts:
        assert part in done.err
    assert [one["name"] for one in run("identity", "list", "--json").json] == ["administrator"]


def test_sheets_that_cannot_be_written_end_the_import(run: Run, file: Callable[..., Path], tmp_path: Path) -> None:
    """Nothing is imported, a sheet that was there is kept, and half a set of sheets is not left behind."""
    sheets = tmp_path / "sheets"
    sheets.mkdir()
    (sheets / "bob.html").write_text("an older one")
    done = run("import", "users", file(USERS), "--sheets", sheets)
    assert done.code == 1
    assert "bob.html is there already" in done.err
    assert [one.name for one in sheets.iterdir()] == ["bob.html"]
    assert (sheets / "bob.html").read_text() == "an older one"
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert "cannot be made" in run("import", "users", file(USERS), "--sheets", blocked / "sheets").err
    said = run("import", "users", tmp_path / "nowhere.csv", "--json").err
    assert "nowhere.csv cannot be read (No such file or directory); in containers, and after make up: - < FILE" in said
    assert "containers" not in run("import", "users", tmp_path, "--json").err  # a folder is there
    assert [one["name"] for one in run("identity", "list", "--json").json] == ["administrator"]


def test_import_from_dovecot_and_who_is_pending(run: Run, file: Callable[..., Path]) -> None:
    """Until a day; then they are listed until they have moved."""
    path = file(f"ada:{HASH}\nbob@elsewhere.example:{HASH}\n")
    assert run("import", "dovecot-passwd", path, "--until", UNTIL).out == "2 imported; 0 were there already\n"
    again = run("import", "dovecot-passwd", path, "--until", UNTIL, "--json").json
    assert again == [{"line": 1, "name": "ada", "is_new": False}, {"line": 2, "name": "bob", "is_new": False}]
    pending = run("import", "pending", "--json").json
    midnight = (datetime.fromisoformat(UNTIL) + timedelta(days=1)).strftime("%Y-%m-%dT00:00:00Z")
    assert pending == [
        {"identity": "ada", "login": "ada", "last_used_at": None, "expires_at": midnight, "has_device": False},
        {
            "identity": "bob",
            "login": "bob@elsewhere.example",
            "last_used_at": None,
            "expires_at": midnight,
            "has_device": False,
        },
    ]
    assert re.search(r"ada +ada +" + midnight + " +no", run("import", "pending").out)
    assert run("credential", "revoke", "ada").code in (0, None)
    assert [one["identity"] for one in run("import", "pending", "--json").json] == ["bob"]


def test_import_from_mailcow(run: Run, file: Callable[..., Path]) -> None:
    """Who was switched off there is told and passed over."""
    path = file(f"username,password,name,active\nada@sallyport.test,{HASH},Ada,1\noff@sallyport.test,{HASH},Off,0\n")
    rehearsed = run("import", "mailcow", path, "--until", UNTIL, "--dry-run")
    assert rehearsed.out == "1 would be imported, nothing was changed; 0 were there already\n"
    assert "line 3: 'off@sallyport.test' is not active: passed over" in rehearsed.err
    assert run("import", "mailcow", path, "--until", UNTIL, "--json").json == [
        {"line": 2, "name": "ada", "is_new": True}
    ]


@pytest.mark.parametrize(
    ("until", "content", "part"),
    [
        ("2001-01-01", f"ada:{HASH}", "is over"),
        ("tomorrow", f"ada:{HASH}", "is no day"),
        (UNTIL, "", "no user"),
        (UNTIL, "ada:{DES-CRYPT}Jnl7DKYBCnvm.", "line 1: 'ada': DES-CRYPT"),
    ],
)
def test_migrations_that_are_refused(run: Run, file: Callable[..., Path], until: str, content: str, part: str) -> None:
    """A sentence, and nothing in the store."""
    done = run("import", "dovecot-passwd", file(content), "--until", until)
    assert (done.code, done.out) == (1, "")
    assert part in done.err
    assert run("credential", "list", "--json").json == []


@pytest.mark.skipif(not shutil.which("doveadm"), reason="needs doveadm (Debian: dovecot-core)")
def test_what_dovecot_hashed_is_what_is_verified(run: Run, file: Callable[..., Path], tmp_path: Path) -> None:
    """From Dovecot's own tool through the file and the store."""
    command = ["doveadm", "pw", "-s", "SHA512-CRYPT", "-p", SECRET]
    made = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run("import", "dovecot-passwd", file(f"ada:{made.stdout}"), "--until", UNTIL).code in (0, None)
    with contextlib.closing(sqlite3.connect(tmp_path / "state" / "sallyport.db")) as connection:
        ((kept,),) = connection.execute("SELECT password FROM credential")
    assert verify(kept, SECRET)


def test_dns(run: Run) -> None:
    """A zone file on standard output, the notes beside it; or JSON."""
    done = run("dns")
    assert "_submissions._tcp.sallyport.test." in done.out
    assert all(" IN " in line for line in done.out.splitlines())
    assert done.err.startswith("note: The certificate of the console")
    found = run("dns", "--json").json
    assert {one["type"] for one in found} == {"TXT", "SRV", "CNAME", "TLSA"}
    assert len(found) == len(done.out.splitlines())


def test_dns_of_a_console_that_nobody_else_reaches(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after the first `make up`: the zone file itself says what is not in it, and JSON has none of it."""
    monkeypatch.setenv("POLICY_CONSOLE_URL", "https://localhost:8443")
    done = run("dns")
    assert done.out.startswith("; ")
    assert "localhost." not in done.out
    assert {one["type"] for one in run("dns", "--json").json} == {"TXT", "SRV", "TLSA"}

"""`sallyport identity|address|credential|decoy|network|audit`: the administrator's work from end to end."""

import json
import os
import pty
import re
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import PROGRAM, CommandLine, InProcess, clean_environment, is_one_sentence, prepared
from harness import ROOT

T = 1_000_000.0  # any moment
FOR_EVER = "2100-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def sallyport(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """One store for the tests of this module; each of them uses names of its own."""
    return prepared(InProcess, tmp_path_factory.mktemp("cli_store"))


def done(sallyport: CommandLine, *arguments: str, **settings: str) -> str:
    """What a command prints that succeeds."""
    ran = sallyport(*arguments, **settings)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def refused(sallyport: CommandLine, *arguments: str) -> str:
    """The sentence of a command that cannot be done."""
    ran = sallyport(*arguments)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert is_one_sentence(ran.stderr), ran.stderr
    return ran.stderr


def test_an_identity_changes_and_goes(sallyport: CommandLine) -> None:
    """Added, renamed, suspended, resumed, removed; each command answers with what it is now."""
    sallyport.json("identity", "add", "alma", "--owner", "Alma", "--profile", "app", "--address", "@alma.example")
    assert sallyport.json("identity", "change", "alma", "--owner", "Alma M.")["owner"] == "Alma M."
    told = sallyport.json("identity", "change", "alma", "--notice-address", "Alma@Elsewhere.example")
    assert (told["notice_address"], told["owner"]) == ("alma@elsewhere.example", "Alma M.")
    assert sallyport.json("identity", "change", "alma", "--notice-address", "")["notice_address"] == ""
    assert sallyport.json("identity", "suspend", "alma")["suspended_at"]
    assert done(sallyport, "identity", "list", "--search", "alma").count("Alma M.") == 1
    assert sallyport.json("identity", "resume", "alma")["suspended_at"] is None
    shown = sallyport.json("identity", "show", "alma")
    assert (shown["profile"], shown["addresses"]) == ("app", ["@alma.example"])
    assert "owner          Alma M.\n" in done(sallyport, "identity", "show", "alma")
    assert done(sallyport, "identity", "suspend", "alma") == "alma (suspended): @alma.example\n"
    assert done(sallyport, "identity", "remove", "alma", "--yes") == "alma: removed\n"
    assert "no identity 'alma'" in refused(sallyport, "identity", "show", "alma")


def test_an_address_and_who_may_send_as_it(sallyport: CommandLine) -> None:
    """Subaddresses on and off, send-as, and away."""
    sallyport.json("identity", "add", "bea", "--address", "sales@sallyport.test")
    sallyport.json("identity", "add", "bert")
    changed = sallyport.json("address", "change", "sales@sallyport.test", "--subaddresses")
    assert changed["subaddressed"] == ["sales@sallyport.test"]
    assert sallyport.json("address", "change", "sales@sallyport.test", "--no-subaddresses")["subaddressed"] == []
    assert sallyport.json("address", "allow", "Sales@sallyport.test", "bert")["sends_as"] == ["sales@sallyport.test"]
    assert done(sallyport, "address", "disallow", "sales@sallyport.test", "bert") == "bert: no address yet\n"
    sallyport.json("address", "allow", "sales@sallyport.test", "bert")
    assert sallyport.json("address", "remove", "sales@sallyport.test", "--yes")["addresses"] == []
    assert sallyport.json("identity", "show", "bert")["sends_as"] == []
    added = sallyport.json("address", "add", "bea", "info@sallyport.test", "--subaddresses")
    assert added["subaddressed"] == ["info@sallyport.test"]


def test_an_address_in_unicode(sallyport: CommandLine) -> None:
    """It is kept, and told, in the form that is compared; POLICY_DOMAINS may have the other one."""
    ran = sallyport("identity", "add", "udo", "--address", "üdo@Bücher.example", POLICY_DOMAINS="bücher.example")
    assert (ran.stdout, ran.stderr) == ("udo: üdo@xn--bcher-kva.example\n", "")


def test_the_terms_of_a_credential(sallyport: CommandLine) -> None:
    """Scopes, networks and expiry from the start; then changed, each for itself."""
    sallyport.json("identity", "add", "cleo")
    login = sallyport.json(
        "credential", "add", "cleo", "--label", "printer", "--scope", "submit", "--network", "192.0.2.0/24",
        "--network", "2001:db8::/48", "--expires", "2100-01-01",
    )["login"]  # fmt: skip
    shown = sallyport.json("credential", "show", login)
    assert (shown["scopes"], shown["networks"]) == (["submit"], ["192.0.2.0/24", "2001:db8::/48"])
    assert shown["expires_at"] == FOR_EVER
    changed = sallyport.json("credential", "change", login, "--network", "everywhere", "--label", "old printer")
    assert (changed["networks"], changed["label"], changed["expires_at"]) == ([], "old printer", FOR_EVER)
    both = ("--scope", "imap", "--scope", "submit")
    changed = sallyport.json("credential", "change", login, "--expires", "never", *both)
    assert (changed["scopes"], changed["expires_at"]) == (["submit", "imap"], None)
    assert "scopes         submit, imap\n" in done(sallyport, "credential", "show", login)


def test_a_renewed_secret_is_shown_once(sallyport: CommandLine) -> None:
    """The login stays."""
    sallyport.json("identity", "add", "dana", "--address", "dana@sallyport.test")
    made = sallyport.json("credential", "add", "dana", "--label", "laptop")
    renewed = sallyport.json("credential", "renew", made["login"], "--yes")
    assert renewed.keys() == made.keys()
    assert renewed == made | {"secret": renewed["secret"]}
    assert renewed["secret"] != made["secret"]
    everything = done(sallyport, "credential", "list", "--json") + done(sallyport, "audit", "list", "--json")
    assert renewed["secret"] not in everything


OTHER_PROOFS = [
    # what it shows, options, what is told of it
    ("a claim", ["--oidc", "8c1F"], "oidc, as 8c1F"),
    ("a DN", ["--ldap", "u4711", "--dn", "cn=Eva,dc=example"], "ldap, as cn=Eva,dc=example"),
    ("a name of the directory", ["--ldap", "u4712"], "ldap"),
]
BRIDGES = {
    "POLICY_OIDC_ISSUER": "https://issuer.example",
    "POLICY_LDAP_URL": "ldaps://directory.example",
    "POLICY_LDAP_SEARCH_BASE": "dc=example",
}


@pytest.mark.parametrize(("options", "told"), [c[1:] for c in OTHER_PROOFS], ids=[c[0] for c in OTHER_PROOFS])
def test_a_login_without_a_secret(sallyport: CommandLine, options: list[str], told: str) -> None:
    """What proves it stands where the secret stands otherwise."""
    if sallyport("identity", "show", "eva").returncode:
        sallyport.json("identity", "add", "eva")
    shown = done(sallyport, "credential", "add", "eva", "--label", "directory", *options, **BRIDGES)
    assert re.fullmatch(rf"login    \S+\nproof    {re.escape(told)}\nsends as no address yet\n", shown)


NO_BRIDGE = [
    # what it shows, options, settings, the setting that is missing
    ("no issuer", ["--oidc", "8c1F"], {}, "POLICY_OIDC_ISSUER"),
    ("no LDAP server", ["--ldap", "u1", "--dn", "cn=a"], {}, "POLICY_LDAP_URL"),
    ("nobody to bind as", ["--ldap", "u1"], {"POLICY_LDAP_URL": "ldaps://directory.example"}, "POLICY_LDAP_BIND_DN"),
]


@pytest.mark.parametrize(("options", "settings", "missing"), [c[1:] for c in NO_BRIDGE], ids=[c[0] for c in NO_BRIDGE])
def test_a_login_that_nothing_could_prove(
    sallyport: CommandLine, options: list[str], settings: dict[str, str], missing: str
) -> None:
    """The setting is named, with exit code 2."""
    ran = sallyport("credential", "add", "administrator", "--label", "x", *options, **settings)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert is_one_sentence(ran.stderr), ran.stderr
    assert ran.stderr.startswith(f"sallyport: {missing}: ")


def test_lists_of_what_can_go(sallyport: CommandLine) -> None:
    """Filters of `credential list`, and its pages."""
    sallyport.json("identity", "add", "finn")
    logins = [sallyport.json("credential", "add", "finn", "--label", str(n))["login"] for n in range(3)]
    database = sqlite3.connect(sallyport.folder / "state" / "sallyport.db")
    for login, column, value in (
        (logins[0], "last_used_at", time.time()),
        (logins[1], "expires_at", T),
        (logins[1], "created_at", T),
        (logins[2], "created_at", T),
    ):
        database.execute(f"UPDATE credential SET {column} = ? WHERE login = ?", (value, login))  # noqa: S608
    database.commit()
    database.close()

    def listed(*options: str) -> list[str]:
        return [one["login"] for one in sallyport.json("credential", "list", "finn", *options)]

    assert listed() == logins
    assert listed("--unused-since", "90d") == logins[1:]
    assert listed("--unused-since", "1970-01-02") == []
    assert listed("--expired") == [logins[1]]
    assert listed("--limit", "2") == logins[:2]
    assert listed("--after", logins[0], "--limit", "1") == [logins[1]]
    assert listed("--after", logins[2]) == []


def test_decoys(sallyport: CommandLine) -> None:
    """Made, listed, forgotten."""
    made = sallyport.json("decoy", "add", "--label", "note in the wiki")
    assert made in sallyport.json("decoy", "list")
    assert "note in the wiki" in done(sallyport, "decoy", "list")
    assert done(sallyport, "decoy", "remove", made["login"], "--yes") == f"{made['login']}: removed\n"
    assert made not in sallyport.json("decoy", "list")
    assert re.fullmatch(r"login    \S+\n", done(sallyport, "decoy", "add", "--label", "old mail"))


def test_networks(sallyport: CommandLine) -> None:
    """Vouched for, listed, taken out."""
    sallyport.json("identity", "add", "gus")
    (confirmed,) = sallyport.json("network", "confirm", "gus", "192.0.2.9")
    assert (confirmed["network"], confirmed["days"]) == ("192.0.2.0/24", 0)
    assert sallyport.json("network", "list", "gus") == [confirmed]
    assert "192.0.2.0/24" in done(sallyport, "network", "list", "gus")
    assert sallyport.json("network", "forget", "gus", "192.0.2.0/24") == [confirmed]
    assert sallyport.json("network", "list", "gus") == []


def audit(sallyport: CommandLine, *options: str) -> list[dict[str, object]]:
    """JSON lines, one act each."""
    return [json.loads(line) for line in done(sallyport, "audit", "list", "--json", *options).splitlines()]


def test_the_audit_log(sallyport: CommandLine) -> None:
    """Who it was is the login name at this host; a table for people, a line of JSON for each act."""
    sallyport.json("identity", "add", "hera", "--owner", "Hera")
    login = sallyport.json("credential", "add", "hera", "--label", "laptop")["login"]
    newest, oldest = audit(sallyport, "--subject", "hera")
    assert (newest["action"], newest["subject"]) == ("credential-added", login)
    assert oldest["action"] == "identity-added"
    assert str(oldest["actor"]).startswith("cli:")
    assert oldest["source"] == socket.gethostname()
    assert oldest["after"] == {"profile": "person", "owner": "Hera", "role": "owner", "addresses": []}
    assert audit(sallyport, "--subject", "hera", "--limit", "1") == [newest]
    assert audit(sallyport, "--subject", "hera", "--since", "2100-01-01") == []
    assert audit(sallyport, "--subject", "hera", "--actor", "sallyport") == []
    assert [act["subject"] for act in audit(sallyport, "--actor", "sallyport")] == ["sallyport.test", "administrator"]
    assert audit(sallyport, "--limit", "0")[-1]["subject"] == "administrator"
    shown = done(sallyport, "audit", "list", "--subject", "hera")
    assert "owner: Hera" in shown
    assert "addresses: none" in shown


def test_who_it_was_outside_of_the_container(sallyport: CommandLine) -> None:
    """Inside, everybody is the same user."""
    done(sallyport, "identity", "add", "iris", SALLYPORT_CALLER="ada@server.example")
    (act,) = audit(sallyport, "--subject", "iris")
    assert (act["actor"], act["source"]) == ("cli:ada", "server.example")


def test_long_lists(sallyport: CommandLine, tmp_path: Path) -> None:
    """A table ends after a thousand rows and says so; JSON goes on to the end, and the log, too."""
    many = prepared(InProcess, tmp_path)
    database = sqlite3.connect(tmp_path / "state" / "sallyport.db")
    database.executemany(
        "INSERT INTO identity (name, created_at) VALUES (?, 0)", [(f"user{number:04}",) for number in range(2500)]
    )
    database.executemany(
        "INSERT INTO audit (at, actor, source, action, subject, before, after) VALUES (0, '', '', '', ?, '{}', '{}')",
        [(f"user{number:04}",) for number in range(2500)],
    )
    database.commit()
    database.close()
    names = ["administrator", *(f"user{number:04}" for number in range(2500))]
    assert [one["name"] for one in many.json("identity", "list")] == names
    assert [one["name"] for one in many.json("identity", "list", "--limit", "1500")] == names[:1500]
    assert [one["name"] for one in many.json("identity", "list", "--after", "user2497")] == names[-2:]
    table = many("identity", "list")
    assert table.stdout.count("user") == 999
    assert table.stderr == "note: these are the first 1000; --limit or --json shows more\n"
    longer = many("identity", "list", "--limit", "1500")
    assert (longer.stdout.count("user"), longer.stderr) == (1499, "")
    assert len(audit(many, "--limit", "0")) == 2502
    assert len(audit(many, "--limit", "1200")) == 1200
    assert len(audit(many)) == 100


REFUSED = [
    # what it shows, arguments, a part of the sentence
    ("removing nobody", ["identity", "remove", "nobody", "--yes"], "no identity 'nobody'"),
    ("no change", ["identity", "change", "administrator"], "nothing to change"),
    ("resuming who is not suspended", ["identity", "resume", "administrator"], "is not suspended"),
    ("a whole domain for a person", ["address", "add", "administrator", "@example.org"], "only an application (app)"),
    ("removing nobody's address", ["address", "remove", "x@example.org", "--yes"], "belongs to nobody"),
    ("a credential of no use", ["credential", "add", "administrator", "--label", "x", "--network", "office"],
     "'office' is not a network"),
    ("an expiry that is past", ["credential", "add", "administrator", "--label", "x", "--expires", "2020-01-01"],
     "in the past"),
    ("a secret of no login", ["credential", "renew", "nothing", "--yes"], "no login 'nothing'"),
    ("a page after nothing", ["credential", "list", "--after", "nothing"], "no login 'nothing'"),
    ("no decoy", ["decoy", "remove", "nothing", "--yes"], "no decoy 'nothing'"),
    ("no network", ["network", "confirm", "administrator", "office"], "'office' is neither"),
    ("networks of nobody", ["network", "list", "nobody"], "no identity 'nobody'"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "part"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED])
def test_what_cannot_be_done_is_a_sentence(sallyport: CommandLine, arguments: list[str], part: str) -> None:
    """Exit code 1, nothing on standard output, one sentence on standard error."""
    assert part in refused(sallyport, *arguments)


WRONG = [
    # what it shows, arguments, a part of what is said
    ("an unknown profile", ["identity", "add", "x", "--profile", "robot"], "'robot' is not one of"),
    ("an unknown scope", ["credential", "add", "administrator", "--label", "x", "--scope", "pop"], "'pop' is not one"),
    ("two proofs", ["credential", "add", "administrator", "--label", "x", "--oidc", "a", "--ldap", "b"], "choose one"),
    ("a DN of nothing", ["credential", "add", "administrator", "--label", "x", "--dn", "cn=a"], "goes with --ldap"),
    ("no date", ["credential", "list", "--unused-since", "soon"], "'soon' is no date"),
    ("a day that is none", ["credential", "list", "--unused-since", "2026-02-30"], "is no date"),
    ("a negative number of days", ["audit", "list", "--since", "-3d"], "is no date"),
    ("digits of another script", ["audit", "list", "--since", "\u0663d"], "is no date"),
    ("neither on nor off", ["address", "change", "x@example.org"], "subaddresses"),
]


@pytest.mark.parametrize(("arguments", "part"), [c[1:] for c in WRONG], ids=[c[0] for c in WRONG])
def test_wrong_arguments(sallyport: CommandLine, arguments: list[str], part: str) -> None:
    """Exit code 2, and what is wrong."""
    ran = sallyport(*arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert part in re.sub(r"[\s│]+", " ", ran.stderr)
    assert "Traceback" not in ran.stderr


DESTROYING = [
    # what it shows, arguments after "NAME", what is asked
    ("an identity", ("identity", "remove", "{name}"), "Remove '{name}' with its logins and addresses for good?"),
    ("an address", ("address", "remove", "{name}@sallyport.test"), "Take {name}@sallyport.test away from '{name}'"),
    ("a secret", ("credential", "renew", "{login}"), "Refuse the secret of 'laptop' of '{name}'"),
    ("a decoy", ("decoy", "remove", "{decoy}"), "Remove the decoy {decoy} (mail)?"),
]


def prepare(sallyport: CommandLine, name: str) -> dict[str, str]:
    """Something to destroy of each kind."""
    sallyport.json("identity", "add", name, "--address", f"{name}@sallyport.test")
    login = sallyport.json("credential", "add", name, "--label", "laptop")["login"]
    return {"name": name, "login": login, "decoy": sallyport.json("decoy", "add", "--label", "mail")["login"]}


@pytest.mark.parametrize(
    ("number", "command", "question"),
    [(number, *c[1:]) for number, c in enumerate(DESTROYING)],
    ids=[c[0] for c in DESTROYING],
)
def test_nothing_is_destroyed_without_a_yes(
    sallyport: CommandLine, number: int, command: tuple[str, ...], question: str
) -> None:
    """A script that has not said --yes is refused; nothing has happened."""
    names = prepare(sallyport, f"jan{number}")
    before = audit(sallyport, "--limit", "0")
    sentence = refused(sallyport, *(word.format(**names) for word in command))
    assert question.format(**names) in sentence
    assert "say --yes" in sentence
    assert audit(sallyport, "--limit", "0") == before


@pytest.mark.parametrize(("answer", "is_gone"), [("y", True), ("n", False), ("", False)])
def test_a_person_is_asked(sallyport: CommandLine, answer: str, is_gone: bool) -> None:
    """At a terminal; no answer is no."""
    name = f"kim{answer}"
    sallyport.json("identity", "add", name)
    ours, theirs = pty.openpty()
    os.write(ours, answer.encode() + b"\n")
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, "identity", "remove", name],
        env=clean_environment() | sallyport.environment,
        stdin=theirs,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    os.close(ours)
    os.close(theirs)
    assert "for good? [y/N]" in ran.stderr
    assert ran.returncode == (0 if is_gone else 1)
    assert "Traceback" not in ran.stderr
    assert (sallyport("identity", "show", name).returncode != 0) is is_gone


def completed(sallyport: CommandLine, *words: str, **settings: str) -> list[str]:
    """What bash is offered for the last word."""
    ran = sallyport(
        _SALLYPORT_COMPLETE="complete_bash",
        COMP_WORDS=" ".join(["sallyport", *words]),
        COMP_CWORD=str(len(words)),
        **settings,
    )
    assert "Traceback" not in ran.stderr
    return ran.stdout.split()


def test_completion(sallyport: CommandLine, tmp_path: Path) -> None:
    """Commands, names and logins; where there is no store there is nothing to offer, and nothing is said."""
    sallyport.json("identity", "add", "lena", "--address", "magdalena@sallyport.test")
    login = sallyport.json("credential", "add", "lena", "--label", "laptop")["login"]
    assert "identity" in completed(sallyport, "id")
    assert completed(sallyport, "identity", "show", "len") == ["lena"]
    assert completed(sallyport, "identity", "show", "magda") == []
    assert completed(sallyport, "credential", "revoke", login[:9]) == [login]
    done(sallyport, "credential", "revoke", login)
    assert completed(sallyport, "credential", "revoke", login[:9]) == []
    assert completed(sallyport, "identity", "show", "len", POLICY_STATE_DIR=str(tmp_path)) == []
    assert completed(sallyport, "identity", "show", "len", POLICY_PORT="none") == []


def test_completion_can_be_installed(sallyport: CommandLine) -> None:
    """The shell's part of it. Which shell that is, is found out by who started it."""
    shown = subprocess.run(
        ["bash", "-c", '"$@"; exit "$?"', "bash", sys.executable, "-c", PROGRAM, "--show-completion"],
        env=clean_environment() | sallyport.environment,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "_SALLYPORT_COMPLETE=complete_bash" in shown.stdout, shown.stderr

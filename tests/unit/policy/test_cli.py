"""`sallyport` as people and scripts call it: a process, its exit code, one JSON document or one sentence."""

import json
import re
import sqlite3
from typing import Any

import pytest
from command_line import CommandLine, InProcess, Started, is_one_sentence, prepared
from command_tree import command_tree
from cryptography import x509
from harness import ROOT
from typer.testing import CliRunner

from policy.certificate import new_key, self_signed
from policy.cli import app
from service import VERSION


@pytest.fixture(scope="module")
def sallyport(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """One store for the tests of this module; each of them uses names of its own. No process: that is a second."""
    return prepared(InProcess, tmp_path_factory.mktemp("cli"))


@pytest.fixture
def process(sallyport: CommandLine) -> CommandLine:
    """The same as a process: what is printed, to where, and the exit code."""
    return Started(sallyport.folder)


def test_a_second_init_says_that_nothing_was_missing(process: CommandLine) -> None:
    """It is run before every start."""
    done = process("init")
    assert (done.returncode, done.stdout, done.stderr) == (0, "nothing was missing\n", "")


def test_identity(process: CommandLine) -> None:
    """What `add` answers is what `list` shows."""
    added = process.json("identity", "add", "ada", "--address", "Ada@Example.org", "--address", "ada@sallyport.test")
    assert (added["profile"], added["owner"], added["suspended_at"]) == ("person", "", None)
    assert (added["name"], added["addresses"]) == ("ada", ["ada@example.org", "ada@sallyport.test"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", added["created_at"])
    assert added in process.json("identity", "list")


def test_address(sallyport: CommandLine) -> None:
    """An address is added to those that there are."""
    sallyport.json("identity", "add", "bob", "--address", "bob@sallyport.test")
    added = sallyport.json("address", "add", "bob", "robert@sallyport.test")
    assert added["addresses"] == ["bob@sallyport.test", "robert@sallyport.test"]


def test_an_address_of_another_domain_is_noted(sallyport: CommandLine) -> None:
    """People expect that an address they send as receives here, too; the note does not disturb a script."""
    sallyport.json("identity", "add", "carol")
    elsewhere = sallyport("address", "add", "carol", "carol@elsewhere.example", "--json")
    assert json.loads(elsewhere.stdout)["addresses"] == ["carol@elsewhere.example"]
    assert elsewhere.stderr.startswith("note: mail TO carol@elsewhere.example is delivered elsewhere")
    sallyport.json("identity", "add", "carla")
    assert sallyport("address", "add", "carla", "carla@sallyport.test").stderr == ""


def test_credential(sallyport: CommandLine) -> None:
    """The secret is in the answer to `add` and in no other; revoking leaves a row that says when."""
    sallyport.json("identity", "add", "dora", "--address", "dora@sallyport.test")
    made = sallyport.json("credential", "add", "dora", "--label", "laptop")
    assert made.keys() == {"login", "secret", "identity", "label", "addresses"}
    assert (made["identity"], made["label"], made["addresses"]) == ("dora", "laptop", ["dora@sallyport.test"])
    (row,) = sallyport.json("credential", "list", "dora")
    assert (row["login"], row["identity"], row["label"]) == (made["login"], "dora", "laptop")
    assert (row["last_used_at"], row["revoked_at"]) == (None, None)
    (revoked,) = sallyport.json("credential", "revoke", made["login"])
    assert revoked == row | {"revoked_at": revoked["revoked_at"]}
    assert revoked["revoked_at"]
    everything = sallyport("credential", "list", "--json").stdout + sallyport("credential", "list").stdout
    assert made["login"] in everything
    assert made["secret"] not in everything


def test_a_certificate_for_a_login(sallyport: CommandLine) -> None:
    """No secret: the login is proven by the key of the certificate, whose fingerprint is all that is kept."""
    sallyport.json("identity", "add", "ivan", "--address", "ivan@sallyport.test")
    pem = str(sallyport.folder / "cert.pem")
    added = sallyport.json("credential", "add", "ivan", "--label", "server", "--certificate", pem)
    fingerprint = sallyport("certificate", "--fingerprint").stdout.strip().replace(":", "").lower()
    assert (added["kind"], added["certificate"], added["identity"]) == ("certificate", fingerprint, "ivan")
    assert added["addresses"] == ["ivan@sallyport.test"]
    assert "secret" not in added
    (row,) = sallyport.json("credential", "list", "ivan")
    assert row == {name: value for name, value in added.items() if name != "addresses"}
    again = sallyport("credential", "add", "ivan", "--label", "server", "--certificate", pem)
    assert (again.returncode, again.stdout) == (1, "")
    assert f"belongs to the login '{added['login']}'" in again.stderr


def test_a_certificate_for_people(sallyport: CommandLine) -> None:
    """What it is proven by stands where the secret stands otherwise."""
    (sallyport.folder / "own.pem").write_bytes(self_signed("x.example.org", new_key(), 1_750_000_000.0))
    sallyport.json("identity", "add", "judy")
    shown = sallyport(
        "credential", "add", "judy", "--label", "x", "--certificate", str(sallyport.folder / "own.pem")
    ).stdout
    assert re.fullmatch(r"login    \S+\nproof    the key of certificate [0-9a-f]{64}\nsends as no address yet\n", shown)


SUBMISSION = {
    "id": "3f9c0a7d52e14b68", "at": "2026-01-02T03:04:05Z", "session": "s1", "identity": "kate",
    "login": "fosem-4k7q-talir", "listener": "submission", "client_address": "192.0.2.1",
    "client_name": "laptop.example", "reverse_path": "", "recipients": 2, "message_bytes": 100,
    "action": "accept", "reason": None, "outcome": "relayed", "queue_id": "4Q8kXz0Zg",
    "held_queue_id": "4Q8kXz1Zh", "held": 1, "rule": "new-recipients", "rulebook": "5e1f", "origin": "AS3320 DE",
    "new_recipients": 1, "known_recipients": 1,
}  # fmt: skip


@pytest.fixture
def kate(sallyport: CommandLine) -> None:
    """An identity that has handed in three messages, the middle one of which was refused."""
    if any(one["name"] == "kate" for one in sallyport.json("identity", "list")):
        return
    sallyport.json("identity", "add", "kate")
    refused = {"id": "refused", "action": "defer", "reason": "budget-spent", "outcome": "", "queue_id": ""}
    database = sqlite3.connect(sallyport.folder / "state" / "sallyport.db")
    for number, changed in enumerate(({}, refused, {"id": "newest", "action": "hold"})):
        row = SUBMISSION | {"at": 1767323045.0 + number, "reason": ""} | changed
        database.execute(
            f"INSERT INTO submission ({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)})",  # noqa: S608
            row,
        )
    held = "(queue_id, submission, identity, login, at, reason, recipients, message_bytes, state, state_at)"
    for number, (one, state) in enumerate(
        (("newest", "gone"), (SUBMISSION["id"], "purging"), (SUBMISSION["id"], "purged"))
    ):
        values = (f"4Q8kXz{number}Zh", one, "kate", "", number, "new-recipients", 1, 100, state, number)
        database.execute(f"INSERT INTO held {held} VALUES ({', '.join('?' * len(values))})", values)  # noqa: S608
    database.commit()
    database.close()


def test_a_submission(sallyport: CommandLine, kate: None) -> None:
    """All that is known of one id, for programs and for people."""
    assert sallyport.json("submission", "show", "3f9c0a7d52e14b68") == SUBMISSION
    shown = sallyport("submission", "show", "3f9c0a7d52e14b68").stdout
    assert "identity         kate\n" in shown
    assert "known recipients 1\n" in shown
    assert "queue id         4Q8kXz0Zg\n" in shown
    assert "reverse path\n" in shown


def test_submissions(sallyport: CommandLine, kate: None) -> None:
    """Newest first; a refused one says why, and one that was held what became of that."""
    ids = [one["id"] for one in sallyport.json("submission", "list", "--identity", "kate")]
    assert ids == ["newest", "refused", "3f9c0a7d52e14b68"]
    assert [one["id"] for one in sallyport.json("submission", "list", "--limit", "1")] == ["newest"]
    assert sallyport.json("submission", "list", "--identity", "administrator") == []
    shown = sallyport("submission", "list", "--identity", "kate").stdout
    assert "budget-spent" in shown
    assert [word in shown for word in ("relayed; purged", " gone ", "relayed; gone")] == [True, True, False]


def test_tables_for_people(sallyport: CommandLine) -> None:
    """A pipe has no width: nothing that somebody wants to copy is cut, and nothing is taken for markup."""
    sallyport.json("identity", "add", "erin", "--address", f"{'e' * 60}@sallyport.test")
    made = sallyport.json("credential", "add", "erin", "--label", "[red]phone[/red]")
    assert f"{'e' * 60}@sallyport.test" in sallyport("identity", "list").stdout
    listed = sallyport("credential", "list", "erin").stdout
    assert made["login"] in listed
    assert "[red]phone[/red]" in listed


def test_a_secret_for_people(sallyport: CommandLine) -> None:
    """It comes with its login, the addresses, and the sentence that it is shown this once."""
    sallyport.json("identity", "add", "frank", "--address", "frank@sallyport.test")
    shown = sallyport("credential", "add", "frank", "--label", "laptop").stdout
    assert re.match(r"login    \S+\nsecret   \S+\nsends as frank@sallyport.test\n", shown)
    assert "shown this once" in shown


def test_first_login_is_shown_once(process: CommandLine) -> None:
    """Whoever comes second is told that somebody was there before, and what to do."""
    first = process.json("first-login")
    assert (first["identity"], first["addresses"]) == ("administrator", ["postmaster@sallyport.test"])
    second = process("first-login")
    assert (second.returncode, second.stdout) == (1, "")
    assert is_one_sentence(second.stderr)
    assert "shown already" in second.stderr
    assert "sallyport credential add administrator" in second.stderr
    assert first["secret"] not in second.stderr


def test_certificate(sallyport: CommandLine) -> None:
    """The PEM can be put into a file, and the fingerprint is that of the file."""
    pem = sallyport("certificate").stdout
    assert pem == (sallyport.folder / "cert.pem").read_text()
    fingerprint = sallyport("certificate", "--fingerprint").stdout.strip()
    assert re.fullmatch(r"[0-9A-F]{2}(:[0-9A-F]{2}){31}", fingerprint)
    assert x509.load_pem_x509_certificate(pem.encode())


def test_version(process: CommandLine) -> None:
    """Asked for in every report of a fault."""
    assert process("--version").stdout == f"sallyport {VERSION}\n"


README = f"{ROOT}/README.md"
REFUSED = [
    # what it shows, arguments, a part of the sentence
    ("a name that is none", ["identity", "add", "Not A Name"], "cannot be a name"),
    ("a name that is taken", ["identity", "add", "administrator"], "'administrator' already"),
    ("an address that is none", ["identity", "add", "gina", "--address", "nonsense"], "'nonsense' is not an address"),
    ("an address that is taken", ["address", "add", "administrator", "postmaster@sallyport.test"], "belongs to"),
    ("an address for nobody", ["address", "add", "nobody", "x@sallyport.test"], "no identity 'nobody'"),
    ("a credential for nobody", ["credential", "add", "nobody", "--label", "x"], "no identity 'nobody'"),
    ("an empty label", ["credential", "add", "administrator", "--label", ""], "a label is"),
    ("credentials of nobody", ["credential", "list", "nobody", "--json"], "no identity 'nobody'"),
    ("a login that is none", ["credential", "revoke", "nobody"], "no login 'nobody'"),
    ("a certificate that is not there", ["credential", "add", "administrator", "--label", "x", "--certificate", "none"],
     "none is no readable certificate"),
    ("a certificate that is none", ["credential", "add", "administrator", "--label", "x", "--certificate", README],
     "README.md is no readable certificate"),
    ("a submission that is none", ["submission", "show", "nothing"], "no submission 'nothing'; they are kept for 30"),
    ("submissions of nobody", ["submission", "list", "--identity", "nobody"], "no identity 'nobody'"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "part"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED])
def test_what_cannot_be_done_is_a_sentence(sallyport: CommandLine, arguments: list[str], part: str) -> None:
    """Exit code 1, nothing on standard output, one sentence on standard error."""
    done = sallyport(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert is_one_sentence(done.stderr), done.stderr
    assert part in done.stderr


def test_a_second_revocation_is_a_sentence(process: CommandLine) -> None:
    """A script learns that nothing happened."""
    process.json("identity", "add", "hugo")
    made = process.json("credential", "add", "hugo", "--label", "x")
    assert process("credential", "revoke", made["login"]).returncode == 0
    done = process("credential", "revoke", made["login"])
    assert (done.returncode, done.stdout) == (1, "")
    assert "was revoked already" in done.stderr


WRONG_SETTINGS = [
    # what it shows, arguments, setting, its value, a part of the sentence
    ("no number", ["identity", "list"], "POLICY_SUBMISSIONS_KEPT_DAYS", "many", "valid integer"),
    ("days of nothing", ["init"], "POLICY_SUBMISSIONS_KEPT_DAYS", "0", "greater than 0"),
    ("a limit that moved", ["init"], "POLICY_RECIPIENTS_PER_HOUR", "200", "say it in the policy file"),
    ("a port out of range", ["init"], "POLICY_PORT", "65536", "65535"),
    ("no domain", ["init"], "POLICY_DOMAINS", "localhost", "domains such as example.org"),
    ("no hostname", ["init"], "POLICY_HOSTNAME", "-mail", "POLICY_HOSTNAME"),
    ("misspelt", ["identity", "list"], "POLICY_DOMIANS", "a.test", "did you mean POLICY_DOMAINS?"),
    ("like none", ["first-login"], "POLICY_XYZZY_XYZZY_XYZZY", "5", "remove it"),
    ("no store there", ["identity", "list"], "POLICY_STATE_DIR", "/nonexistent", "run `sallyport init` first"),
    ("no certificate there", ["certificate"], "POLICY_TLS_CERT", "/nonexistent", "no readable certificate"),
]


@pytest.mark.parametrize(
    ("arguments", "setting", "value", "part"), [c[1:] for c in WRONG_SETTINGS], ids=[c[0] for c in WRONG_SETTINGS]
)
def test_a_wrong_setting_is_a_sentence(
    sallyport: CommandLine, arguments: list[str], setting: str, value: str, part: str
) -> None:
    """Exit code 2, and the sentence begins with the setting's name."""
    done = sallyport(*arguments, **{setting: value})
    assert (done.returncode, done.stdout) == (2, "")
    assert is_one_sentence(done.stderr), done.stderr
    assert done.stderr.startswith(f"sallyport: {setting}: ")
    assert part in done.stderr


def test_a_store_that_was_never_made_is_a_sentence(process: CommandLine) -> None:
    """An empty file where the database should be is what a start that was cut off leaves."""
    (process.folder / "half").mkdir()
    (process.folder / "half" / "sallyport.db").touch()
    (process.folder / "half" / "digest.key").write_text("00" * 32)
    done = process("identity", "list", POLICY_STATE_DIR=str(process.folder / "half"))
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert is_one_sentence(done.stderr), done.stderr


WRONG_ARGUMENTS = [
    # what it shows, arguments
    ("an unknown command", ["identities"]),
    ("an unknown option", ["identity", "list", "--xml"]),
    ("a missing argument", ["identity", "add"]),
    ("a missing option", ["credential", "add", "administrator"]),
]


@pytest.mark.parametrize("arguments", [c[1] for c in WRONG_ARGUMENTS], ids=[c[0] for c in WRONG_ARGUMENTS])
def test_wrong_arguments_exit_2(sallyport: CommandLine, arguments: list[str]) -> None:
    """As every command of the system does."""
    done = sallyport(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage: " in done.stderr
    assert "Traceback" not in done.stderr


COMMANDS = command_tree().items()


@pytest.mark.parametrize(("path", "node"), COMMANDS, ids=[" ".join(path) or "sallyport" for path, _ in COMMANDS])
def test_every_command_explains_itself(path: tuple[str, ...], node: Any) -> None:
    """Its purpose, and a text for each option and argument."""
    shown = CliRunner().invoke(app, [*path, "--help"])
    assert shown.exit_code == 0
    assert "Usage: " in shown.output
    assert node.help
    assert node.help.strip()
    without_text = [one.name for one in node.params if not getattr(one, "help", None)]
    assert not without_text

"""`sallyport policy` as people and scripts call it."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import PROGRAM, CommandLine, InProcess, clean_environment, is_one_sentence
from harness import ROOT

from policy.rulebook import parse, shipped
from policy.rulebook.making import tables_of
from policy.rulebook.toml import written
from policy.store.rulebooks import RulebookRecords
from policy.store.transactions import open_transactions

SMALL = '# for tests\n[profiles.person]\nrecipients = "2/hour"\n'
SMALL_DIGEST = parse(SMALL, "small").digest
BROKEN = "[profiles.person]\nrecipients = 2\nsesions = 3\n"
BEFORE = ["120/10 minutes", "200/hour", "500/day"]
CHANGE = 'profiles.person.recipients: ["120/10 minutes", "200/hour", "500/day"] -> "2/hour"\n'


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A store."""
    made = InProcess(tmp_path_factory.mktemp("here"))
    assert made("init").returncode == 0
    return made


@pytest.fixture
def sallyport(prepared: CommandLine) -> Iterator[CommandLine]:
    """Without a policy file."""
    yield prepared
    for name in ("policy.toml", "policy.toml.before"):
        (prepared.folder / "state" / name).unlink(missing_ok=True)


@pytest.fixture
def in_use(sallyport: CommandLine) -> Path:
    """Where the file in use is."""
    return sallyport.folder / "state" / "policy.toml"


@pytest.fixture
def small(tmp_path: Path) -> str:
    """A good file."""
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return str(path)


@pytest.fixture
def broken(tmp_path: Path) -> str:
    """A file with two faults."""
    path = tmp_path / "broken.toml"
    path.write_text(BROKEN)
    return str(path)


def taken(sallyport: CommandLine, text: str, now: float) -> str:
    """The service has taken it: what it leaves in the store; its digest."""
    rulebook = parse(text, "taken")
    transactions = open_transactions(sallyport.folder / "state" / "sallyport.db")
    RulebookRecords(transactions).keep(rulebook.digest, written(tables_of(rulebook)), now)
    transactions.close()
    return rulebook.digest


def test_a_good_file(sallyport: CommandLine, small: str) -> None:
    done = sallyport("policy", "check", small)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{small}: good, policy {SMALL_DIGEST}\n", "")
    assert sallyport.json("policy", "check", small) == {"digest": SMALL_DIGEST, "faults": [], "warnings": []}


def test_a_broken_file(sallyport: CommandLine, broken: str) -> None:
    """Every fault on a line of its own, as compilers do it."""
    done = sallyport("policy", "check", broken)
    assert (done.returncode, done.stdout) == (1, "")
    head, first, second = done.stderr.splitlines()
    assert head == "sallyport: the policy file is broken"
    assert first.startswith(f"{broken}:2: profiles.person.recipients: 2 is no limit")
    assert second == f"{broken}:3: profiles.person.sesions: there is no such key; did you mean sessions?"
    done = sallyport("policy", "check", broken, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["digest"], [one["line"] for one in told["faults"]]) == (1, None, [2, 3])
    assert told["faults"][1]["key"] == "profiles.person.sesions"


def test_the_file_in_use_and_none(sallyport: CommandLine, in_use: Path) -> None:
    done = sallyport("policy", "check")
    assert done.stdout == f"there is no {in_use}: the shipped policy: good, policy {shipped().digest}\n"
    in_use.write_text(SMALL)
    assert sallyport("policy", "check").stdout == f"{in_use}: good, policy {SMALL_DIGEST}\n"


def test_an_exemption_that_is_over(sallyport: CommandLine, tmp_path: Path) -> None:
    """No fault: it was one until yesterday."""
    path = tmp_path / "over.toml"
    path.write_text('[[exemptions]]\nidentity = "administrator"\ncountries = ["KZ"]\nuntil = 2020-01-14\n')
    done = sallyport("policy", "check", str(path))
    assert (done.returncode, done.stderr) == (
        0,
        "note: the exemption of administrator ended 2020-01-15T00:00:00Z; it counts no more\n",
    )
    assert len(sallyport.json("policy", "check", str(path))["warnings"]) == 1


def test_an_identity_that_is_not_there(sallyport: CommandLine, tmp_path: Path) -> None:
    """Misspelt, or not added yet: what the file says of it bites nobody, and nobody would notice."""
    path = tmp_path / "names.toml"
    path.write_text(
        '[profiles.sales]\nlike = "person"\nidentities = ["administrator", "adda"]\n'
        '[[exemptions]]\nidentity = "bobb"\ncountries = ["KZ"]\nuntil = 2099-01-14\n'
    )
    done = sallyport("policy", "check", str(path))
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "note: there is no identity 'adda': what the file says of it is for nobody",
        "note: there is no identity 'bobb': what the file says of it is for nobody",
    ]
    assert len(sallyport.json("policy", "check", str(path))["warnings"]) == 2
    elsewhere = sallyport("policy", "check", str(path), POLICY_STATE_DIR=str(tmp_path))
    assert (elsewhere.returncode, elsewhere.stderr) == (0, "")


def test_show_prints_a_file_that_means_the_same(sallyport: CommandLine, in_use: Path) -> None:
    in_use.write_text(SMALL)
    done = sallyport("policy", "show")
    assert done.stdout.startswith(f"# Policy {SMALL_DIGEST}, all of it.\n")
    assert parse(done.stdout, "shown").digest == SMALL_DIGEST
    told = sallyport.json("policy", "show")
    assert (told["digest"], told["profiles"]["person"]["recipients"]) == (SMALL_DIGEST, "2/hour")


def test_show_an_earlier_policy(sallyport: CommandLine) -> None:
    """By the beginning of its digest, which stands in decisions."""
    digest = taken(
        sallyport, '[profiles.app]\nsessions = 77\n[[exemptions]]\nidentity = "a"\nuntil = 2027-01-14\n', 5.0
    )
    assert "sessions = 77\n" in sallyport("policy", "show", digest[:10]).stdout
    told = sallyport.json("policy", "show", digest.upper())
    assert (told["digest"], told["exemptions"][0]["until"]) == (digest, "2027-01-14")
    done = sallyport("policy", "show", "ffffffffffffffff")
    assert done.returncode == 1
    assert is_one_sentence(done.stderr)


def test_a_digest_that_several_have(sallyport: CommandLine) -> None:
    for number in range(17):  # two of them begin with the same digit
        taken(sallyport, f"[profiles.app]\nsessions = {100 + number}", 6.0)
    digits = [one for one in "0123456789abcdef" if "several" in sallyport("policy", "show", one).stderr]
    assert digits


def test_diff_as_diff_does_it(sallyport: CommandLine, in_use: Path, small: str, broken: str) -> None:
    """0 where nothing is different, 1 where something is, 2 where it cannot be said."""
    done = sallyport("policy", "diff", small)
    assert (done.returncode, done.stdout) == (1, CHANGE)
    done = sallyport("policy", "diff", small, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout) == [{"key": "profiles.person.recipients", "before": BEFORE, "after": "2/hour"}]
    in_use.write_text(f"{SMALL}# and a comment\n")
    done = sallyport("policy", "diff", small)
    assert (done.returncode, done.stdout) == (0, "nothing is different\n")
    assert sallyport("policy", "diff", "/dev/null", small).stdout == CHANGE
    for wrong in (broken, "/nonexistent/policy.toml"):
        done = sallyport("policy", "diff", wrong)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"sallyport: {wrong}")


def test_apply_and_undo(sallyport: CommandLine, in_use: Path, small: str) -> None:
    """The text as it is, comments and all; undone twice is done again; each is in the audit log."""
    done = sallyport("policy", "apply", small)
    assert done.returncode == 0
    assert done.stdout.startswith(CHANGE)
    assert f"policy {SMALL_DIGEST} is in force within two seconds" in done.stdout
    assert in_use.read_text() == SMALL
    assert sallyport("policy", "apply", "--undo").returncode == 0
    assert in_use.read_text() == ""
    assert sallyport.json("policy", "apply", "--undo") == [
        {"key": "profiles.person.recipients", "before": BEFORE, "after": "2/hour"}
    ]
    assert in_use.read_text() == SMALL
    acts = [
        json.loads(line) for line in sallyport("audit", "list", "--json", "--subject", "policy").stdout.splitlines()
    ]
    assert [act["action"] for act in acts] == ["policy-undone", "policy-undone", "policy-applied"]
    assert acts[2]["before"] == {"digest": shipped().digest}
    assert acts[2]["after"] == {"digest": SMALL_DIGEST, "changes": [CHANGE.strip()]}


def test_what_is_broken_is_not_applied(sallyport: CommandLine, in_use: Path, small: str, broken: str) -> None:
    assert sallyport("policy", "apply", small).returncode == 0
    acts = sallyport("audit", "list", "--json").stdout
    done = sallyport("policy", "apply", broken)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("sallyport: the policy file is broken, and nothing was changed\n")
    assert in_use.read_text() == SMALL
    assert sallyport("audit", "list", "--json").stdout == acts


def test_a_place_that_cannot_be_written(sallyport: CommandLine, small: str) -> None:
    """As a file that is mounted read-only; and then nothing is in the audit log either."""
    acts = sallyport("audit", "list", "--json").stdout
    done = sallyport("policy", "apply", small, POLICY_FILE="/proc/policy.toml")
    assert done.returncode == 1
    assert is_one_sentence(done.stderr)
    assert "/proc/policy.toml cannot be written" in done.stderr
    assert sallyport("audit", "list", "--json").stdout == acts


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (("--undo",), 1, "there is nothing to put back"),
        ((), 2, "name a file, or say --undo"),
        (("a.toml", "--undo"), 2, "name a file, or say --undo"),
        (("/nonexistent",), 1, "/nonexistent cannot be read (No such file or directory)"),
    ],
)
def test_what_cannot_be_applied(sallyport: CommandLine, arguments: tuple[str, ...], code: int, part: str) -> None:
    done = sallyport("policy", "apply", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert part in done.stderr


def test_reload_says_what_is_in_force(sallyport: CommandLine, in_use: Path) -> None:
    """As the service has written it down; without one, or with a broken file, it says so."""
    in_use.write_text("[profiles.app]\nsessions = 55\n")
    done = sallyport("policy", "reload", "--wait", "0")
    assert done.returncode == 1
    assert is_one_sentence(done.stderr)
    assert "does policy run?" in done.stderr
    digest = taken(sallyport, in_use.read_text(), time.time())
    assert sallyport("policy", "reload", "--wait", "0").stdout.startswith(f"policy {digest} is in force since 2")
    assert sallyport.json("policy", "reload")["digest"] == digest
    in_use.write_text(BROKEN)
    done = sallyport("policy", "reload", "--wait", "0")
    assert done.returncode == 1
    assert done.stderr.startswith("sallyport: the policy file is broken, what was in force stays so\n")
    done = sallyport("policy", "show")
    assert (done.returncode, "sessions = 55" in done.stdout) == (0, True)
    assert done.stderr.startswith("note: the policy file is broken, an earlier policy is in force\n")


def test_standard_input(sallyport: CommandLine) -> None:
    """In a container there are no files of those outside."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "policy", "check", "-"],
        env=clean_environment() | sallyport.environment,
        input=SMALL,
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert done.stdout == f"-: good, policy {SMALL_DIGEST}\n"


def test_the_schema_is_json(sallyport: CommandLine) -> None:
    assert json.loads(sallyport("policy", "schema").stdout)["title"] == "Sallyport policy file"

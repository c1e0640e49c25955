"""`sallyport invite` and `person`: links for people."""

import json
import re
from pathlib import Path

import pytest
from command_line import CommandLine, InProcess, is_one_sentence, prepared

from policy.people.errors import InviteInvalid
from policy.settings import Settings
from policy.store.audit import Actor
from policy.store.database import open_database
from policy.store.identities import read_key
from policy.store.people import People

LINK = re.compile(r"https://mail\.sallyport\.test:8443/invite/([\w-]{43})")


@pytest.fixture
def sallyport(tmp_path: Path) -> CommandLine:
    return prepared(InProcess, tmp_path)


def is_good(sallyport: CommandLine, url: str, now: float) -> bool:
    """Whether the console would take this link."""
    state = sallyport.folder / "state"
    engine = open_database(state / "sallyport.db")
    try:
        people = People(engine, read_key(state / "digest.key"), Actor("cli:test", "host"))
        return bool(people.open_invite(url.rpartition("/")[2], now))
    except InviteInvalid:
        return False
    finally:
        engine.dispose()


def test_invite_somebody_new(sallyport: CommandLine) -> None:
    """One command makes the identity and the link."""
    made = sallyport.json("invite", "ada", "--address", "ada@sallyport.test", "--owner", "Ada Lovelace")
    assert LINK.fullmatch(made["url"])
    assert (made["identity"], made["owner"], made["addresses"]) == ("ada", "Ada Lovelace", ["ada@sallyport.test"])
    assert "token" not in made
    (identity,) = [one for one in sallyport.json("identity", "list") if one["name"] == "ada"]
    assert identity["owner"] == "Ada Lovelace"
    (row,) = sallyport.json("invite", "list")
    assert row == {name: value for name, value in made.items() if name != "url"}
    assert made["expires_at"] > made["created_at"]


def test_the_link_for_people(sallyport: CommandLine) -> None:
    """With a word on what it is worth; the list has none."""
    shown = sallyport("invite", "ada", "--days", "2").stdout
    assert LINK.search(shown)
    assert "Whoever has it is that person" in shown
    listed = sallyport("invite", "list").stdout
    assert "open" in listed
    assert not LINK.search(listed)
    assert LINK.search(shown)[1] not in listed + sallyport("audit", "list", "--json").stdout  # type: ignore[index]


def test_where_the_console_is(sallyport: CommandLine) -> None:
    made = sallyport.json("invite", "ada", POLICY_CONSOLE_URL="https://Console.Example.org:443/")
    assert made["url"].startswith("https://console.example.org/invite/")
    refused = sallyport("invite", "bob", POLICY_CONSOLE_URL="http://console.example.org")
    assert refused.returncode == 2
    assert is_one_sentence(refused.stderr)


def test_a_new_link_replaces_the_old_one(sallyport: CommandLine) -> None:
    """And `add` may be said; so may an option before the name."""
    first = sallyport.json("invite", "ada", "--address", "ada@sallyport.test")
    second = sallyport.json("invite", "add", "ada")
    third = sallyport.json("invite", "--address", "ADA@sallyport.test", "ada")
    now = float(2**31)
    assert not any(is_good(sallyport, made["url"], now) for made in (first, second, third))
    states = [(one["revoked_at"] is None, one["used_at"]) for one in sallyport.json("invite", "list")]
    assert states == [(False, None), (False, None), (True, None)]
    shown = sallyport("invite", "list").stdout
    assert shown.count("revoked 20") == 2


def test_revoke(sallyport: CommandLine) -> None:
    made = sallyport.json("invite", "ada")
    revoked = sallyport.json("invite", "revoke", str(made["id"]))
    assert revoked["revoked_at"]
    assert not is_good(sallyport, made["url"], 0.0)
    again = sallyport("invite", "revoke", str(made["id"]))
    assert again.returncode == 1
    assert is_one_sentence(again.stderr)


REFUSED = [
    # what it shows, command, what the sentence says
    ("another one's address", ["invite", "ada", "--address", "b@sallyport.test"], "sallyport address add ada b@"),
    ("an impossible name", ["invite", "A B"], "cannot be a name"),
    ("no such invitation", ["invite", "revoke", "99"], "sallyport invite list"),
    ("nobody", ["person", "reset", "nobody", "--yes"], "no identity 'nobody'"),
    ("no terminal to say yes at", ["person", "reset", "ada"], "say --yes"),
]


@pytest.mark.parametrize(("command", "says"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refused(sallyport: CommandLine, command: list[str], says: str) -> None:
    sallyport.json("identity", "add", "ada", "--address", "ada@sallyport.test")
    done = sallyport(*command)
    assert done.returncode == 1
    assert is_one_sentence(done.stderr)
    assert says in done.stderr
    assert sallyport.json("invite", "list") == []


def test_reset(sallyport: CommandLine) -> None:
    """A new link; the one before is worth nothing."""
    first = sallyport.json("invite", "ada")
    again = sallyport.json("person", "reset", "ada", "--yes")
    assert LINK.fullmatch(again["url"])
    assert again["id"] != first["id"]
    acts = sallyport("audit", "list", "--subject", "ada", "--json").stdout.splitlines()
    assert [json.loads(act)["action"] for act in acts][:3] == ["invite-made", "person-reset", "invite-made"]


def test_the_origin_of_the_console() -> None:
    """As browsers write it, or passkeys would not be taken."""
    assert Settings(hostname="Mail.Example.org").console_origin == "https://mail.example.org:8443"
    assert Settings(console_url="https://mail.example.org/").console_origin == "https://mail.example.org"

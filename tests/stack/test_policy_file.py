"""The policy file of a running service: changed, broken and put back while mail is handed in; and across restarts."""

import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import ROOT, Login, Sallyport, until
from scripted import ScriptedNextHop

SENDER = "ada@sallyport.test"
MESSAGE = f"From: <{SENDER}>\r\nTo: <bob@elsewhere.example>\r\n\r\nHello\r\n"
TWO = '[profiles.person]\nrecipients = "2/hour"\n'


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Sallyport]:
    """On the shipped policy."""
    next_hop = ScriptedNextHop().start()
    one = Sallyport(tmp_path / "stack", next_hop.port)
    try:
        yield one.start()
    finally:
        one.stop()
        next_hop.stop()


@pytest.fixture
def ada(stack: Sallyport) -> Login:
    """A login that owns SENDER."""
    return stack.new_login("ada", SENDER)


def handed_in(stack: Sallyport, login: Login) -> int:
    """The reply to one message to one recipient."""
    with stack.client(login) as client:
        client.mail(SENDER)
        client.rcpt("bob@elsewhere.example")
        return client.data(MESSAGE)[0]


def policy_file(stack: Sallyport) -> Path:
    return stack.folder / "state" / "policy.toml"


def apply(stack: Sallyport, text: str) -> None:
    """Until it is in force."""
    draft = stack.folder / "draft.toml"
    draft.write_text(text)
    stack.cli("policy", "apply", str(draft))
    stack.cli("policy", "reload", "--wait", "20")


def restarted(stack: Sallyport) -> None:
    stack.policy.send(signal.SIGKILL)
    stack.policy.ended()
    stack.start_policy()


def test_a_policy_comes_into_force_while_mail_is_handed_in(stack: Sallyport, ada: Login) -> None:
    """What was counted under the one counts under the other; and each message names its policy."""
    assert handed_in(stack, ada) == 250
    apply(stack, TWO)
    assert handed_in(stack, ada) == 250
    assert handed_in(stack, ada) == 451
    stack.cli("policy", "apply", "--undo")
    stack.cli("policy", "reload", "--wait", "20")
    assert handed_in(stack, ada) == 250
    with stack.store() as connection:
        named = connection.exec_driver_sql("SELECT rulebook FROM submission ORDER BY at").scalars().all()
        kept = connection.exec_driver_sql("SELECT digest FROM rulebook").scalars().all()
    assert named[0] == named[3] != named[1] == named[2]
    assert set(named) == set(kept)


def test_a_broken_file_changes_nothing_also_across_a_restart(stack: Sallyport, ada: Login) -> None:
    """A hand that slips in an editor must not open the door, nor close it."""
    apply(stack, TWO)
    policy_file(stack).write_text(TWO.replace("hour", "hr"))
    until(lambda: "rulebook-refused" in stack.policy.text(), "the file is refused")
    assert (handed_in(stack, ada), handed_in(stack, ada), handed_in(stack, ada)) == (250, 250, 451)
    restarted(stack)
    assert stack.policy.text().count("rulebook-refused") == 2
    assert re.search(r"rulebook-refused .*line=2", stack.policy.text())
    assert handed_in(stack, ada) == 451


def test_a_broken_file_at_the_first_start_is_no_start(tmp_path: Path) -> None:
    """The shipped policy is not what was asked for, and no earlier one is there: exit code 2, and a sentence."""
    one = Sallyport(tmp_path / "stack", next_hop=1)
    one.cli("init")
    policy_file(one).write_text("[profiles.person]\nrecipients = 5\n")
    done = subprocess.run(
        one.policy.command, env=one.policy_environment, capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 2
    [sentence] = done.stderr.splitlines()
    assert sentence.startswith(f"policy: POLICY_FILE: {policy_file(one)}:2: profiles.person.recipients: 5 is no limit")
    assert "`sallyport policy check` shows all that is wrong" in sentence

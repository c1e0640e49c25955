"""`sallyport service-token`: a new token in front of the old one, and later the old one taken away."""

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine, InProcess, is_one_sentence, prepared

from service.shared_token import read_tokens

FILES = {
    "gateway": "gateway.token",
    "dovecot": "dovecot.token",
    "queue-agent": "state/queue.token",
    "auth-policy": "state/auth-policy.token",
}


@pytest.fixture
def sallyport(tmp_path: Path) -> CommandLine:
    return prepared(InProcess, tmp_path)


def tokens(sallyport: CommandLine, name: str) -> tuple[str, ...]:
    return read_tokens("X", sallyport.folder / FILES[name])


def made_old(sallyport: CommandLine, name: str) -> None:
    """As if it had been rotated a while ago."""
    path = sallyport.folder / FILES[name]
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 61))


@pytest.mark.parametrize("name", FILES)
def test_a_token_follows_another(sallyport: CommandLine, name: str) -> None:
    (first,) = tokens(sallyport, name)
    said = sallyport("service-token", "rotate", name)
    assert (said.returncode, f"sallyport service-token retire {name}" in said.stdout) == (0, True), said.stderr
    newest, second = tokens(sallyport, name)
    assert (second, len(newest), newest != first) == (first, 64, True)
    made_old(sallyport, name)
    assert sallyport("service-token", "retire", name).returncode == 0
    assert tokens(sallyport, name) == (newest,)
    assert stat.S_IMODE((sallyport.folder / FILES[name]).stat().st_mode) == 0o600
    assert list(sallyport.folder.rglob("*.token.*")) == []


def test_which_are_rotating_is_listed(sallyport: CommandLine) -> None:
    sallyport("service-token", "rotate", "dovecot")
    listed: list[dict[str, Any]] = sallyport.json("service-token", "list")
    assert {one["name"]: one["is_rotating"] for one in listed} == {name: name == "dovecot" for name in FILES}
    assert [Path(one["path"]).relative_to(sallyport.folder) for one in listed] == [Path(one) for one in FILES.values()]
    assert "is still taken" in sallyport("service-token", "list").stdout
    assert not any(one in str(listed) for one in tokens(sallyport, "dovecot"))


def test_a_mode_that_somebody_gave_stays(sallyport: CommandLine) -> None:
    (sallyport.folder / "gateway.token").chmod(0o640)
    sallyport("service-token", "rotate", "gateway")
    assert stat.S_IMODE((sallyport.folder / "gateway.token").stat().st_mode) == 0o640


def test_nothing_is_rotated_or_retired_too_early(sallyport: CommandLine) -> None:
    """Whoever has the oldest token alone would be shut out, and so would be who has not read the newest yet."""
    early = sallyport("service-token", "retire", "gateway")
    assert "there is one token alone; `sallyport service-token rotate gateway` makes a new one" in early.stderr
    sallyport("service-token", "rotate", "gateway")
    before = tokens(sallyport, "gateway")
    again = sallyport("service-token", "rotate", "gateway")
    assert "the token before is still taken; `sallyport service-token retire gateway` ends that" in again.stderr
    early = sallyport("service-token", "retire", "gateway")
    assert "not everybody may have read it; wait" in early.stderr
    for one in (early, again):
        assert (one.returncode, is_one_sentence(one.stderr)) == (1, True)
    assert tokens(sallyport, "gateway") == before
    assert sallyport("service-token", "retire", "gateway", "--at-once").returncode == 0
    assert tokens(sallyport, "gateway") == before[:1]


def test_a_token_that_there_is_not_and_a_file_that_is_none(sallyport: CommandLine) -> None:
    wrong = sallyport("service-token", "rotate", "gate")
    assert wrong.stderr == (
        'sallyport: there is no token "gate"; it is one of gateway, dovecot, queue-agent, auth-policy\n'
    )
    (sallyport.folder / "gateway.token").write_text("")
    empty = sallyport("service-token", "rotate", "gateway")
    assert (empty.returncode, is_one_sentence(empty.stderr)) == (2, True)
    assert "POLICY_GATEWAY_TOKEN_FILE: " in empty.stderr
    assert "is empty; remove it" in empty.stderr


def test_a_secret_of_kubernetes_is_rotated_there(sallyport: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A volume that is read-only: nothing is changed, nothing is in the audit log, and it is said where to do it."""
    opened = os.open

    def read_only(path: object, flags: int, mode: int = 0o777, **named: Any) -> int:
        if ".token." in str(path):
            raise OSError(errno.EROFS, "Read-only file system")
        return opened(path, flags, mode, **named)  # type: ignore[arg-type]

    before = tokens(sallyport, "gateway")
    monkeypatch.setattr(os, "open", read_only)
    refused = sallyport("service-token", "rotate", "gateway")
    monkeypatch.undo()
    assert (refused.returncode, is_one_sentence(refused.stderr)) == (2, True)
    assert "cannot be written (Read-only file system); where Kubernetes or somebody else has made it" in refused.stderr
    assert tokens(sallyport, "gateway") == before
    assert "service-token-rotated" not in sallyport("audit", "list", "--json").stdout


def test_who_did_it_is_in_the_audit_log(sallyport: CommandLine) -> None:
    sallyport("service-token", "rotate", "gateway")
    sallyport("service-token", "retire", "gateway", "--at-once")
    lines = sallyport("audit", "list", "--json").stdout.splitlines()
    acts = [one for one in map(json.loads, lines) if one["action"].startswith("service-token")]
    assert [(one["action"], one["subject"]) for one in acts] == [
        ("service-token-retired", "gateway"),
        ("service-token-rotated", "gateway"),
    ]
    assert not any(one in str(acts) for one in tokens(sallyport, "gateway"))

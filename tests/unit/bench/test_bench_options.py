"""The command line of the bench, and what it asks of the machine."""

import argparse
import os

import pytest

from bench import __main__ as bench
from bench import machine
from bench.contenders.dovecot import passwd_line
from bench.errors import BenchError
from bench.rows import ROWS


def test_all_rows_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROUNDS", raising=False)
    options = bench.read_options([])
    assert options.rows == [row.key for row in ROWS]
    assert options.against == ["direct", "gates", "haraka"]
    assert options.rounds == 5


def test_rounds_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDS", "9")
    assert bench.read_options([]).rounds == 9
    assert bench.read_options(["--rounds", "7"]).rounds == 7


def test_chosen() -> None:
    options = bench.read_options(["--rows", "a, c", "--against", "haraka"])
    assert (options.rows, options.against) == (["a", "c"], ["haraka"])
    assert bench.read_options(["--against", "none"]).against == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--rows", "z"], "'z' is none of a, "),
        (["--against", "exim"], "'exim' is none of direct, gates, haraka"),
        (["--rounds", "0"], "at least 1"),
    ],
)
def test_wrong_options(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.read_options(arguments)
    assert sentence in capsys.readouterr().err


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.read_options(["--help"])
    assert 'make bench ARGS="--rows a,c --against direct"' in capsys.readouterr().out


def test_not_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(BenchError, match="needs root"):
        machine.require(("sallyport",))


def test_missing_packages_are_those_of_the_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.shutil, "which", lambda *_, **__: None)
    assert {"postfix", "dovecot-core", "gcc"} <= set(machine.missing_packages(("direct",)))
    assert "nodejs" not in machine.missing_packages(("direct",))
    assert {"nodejs", "npm"} <= set(machine.missing_packages(("haraka",)))
    assert "policyd-rate-limit" in machine.missing_packages(("gates",))


def test_no_debian_and_something_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(machine.shutil, "which", lambda *_, **__: None)
    with pytest.raises(BenchError, match="no Debian"):
        machine.require(("direct",))


def test_error_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: argparse.Namespace) -> None:
        raise BenchError("it needs root")

    monkeypatch.setattr(bench, "run", fails)
    monkeypatch.setattr("sys.argv", ["bench"])
    monkeypatch.setattr(bench.signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit, match=r"^bench: it needs root$"):
        bench.main()


def test_line_of_the_passwd_file() -> None:
    """{SHA256} is the unsalted digest, base64: printf secret1 | openssl dgst -sha256 -binary | base64."""
    assert passwd_line(1) == "user1:{SHA256}WxFhjC5EAnh30M0JIe0Wa58Xb1BYf8kedTTdKUbbd9Y=::::::\n"

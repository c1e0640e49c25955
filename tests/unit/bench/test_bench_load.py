"""The line of JSON that the load generator prints, and its complaints."""

import json
import shutil
import socket
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.load import SOURCE, Generator, Latency, Result

LINE = json.dumps(
    {
        "elapsed": 2.0,
        "cpu": 0.5,
        "sessions": 3,
        "failed": 1,
        "messages": 6,
        "refused": 0,
        "deferred": 0,
        "turned_away": 0,
        "error": "421 no",
        "latency": {
            "session": {"count": 3, "min": 0.1, "mean": 0.2, "p50": 0.2, "p95": 0.3, "p99": 0.3, "max": 0.3},
            "refused": {"count": 0},
        },
    }
)
compiles = pytest.mark.skipif(
    not shutil.which("gcc") or not Path("/usr/include/openssl/ssl.h").exists(), reason="needs gcc and libssl-dev"
)


def test_result() -> None:
    result = Result.parse(LINE)
    assert (result.sessions, result.failed, result.error) == (3, 1, "421 no")
    assert result.latency["session"].p99 == 0.3
    assert result.latency["refused"] == Latency(count=0)


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Generator:
    return Generator.compile(tmp_path_factory.mktemp("build"))


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    path = tmp_path / "credentials"
    path.write_text("login secret u@example.test\n")
    return path


@compiles
def test_nobody_listens(generator: Generator, credentials: Path) -> None:
    """Sessions that cannot be are counted, and the reason is told."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        result = generator.run("--port", port, "--credentials", str(credentials), "--threads", 2, "--sessions", 5)
    assert (result.sessions, result.failed) == (0, 5)
    assert result.error == "Connection refused"
    assert result.latency["session"].count == 0


@compiles
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--port", 25), "--credentials: a file is needed"),
        (("--credentials", "/nonexistent/file"), "/nonexistent/file: No such file or directory"),
        (("--mode", "shout"), "--mode: not one of its words"),
        (("--sources", "localhost/5"), "localhost: not ADDRESS/COUNT/STRIDE"),
    ],
)
def test_wrong_use(
    generator: Generator, arguments: tuple[str | int, ...], sentence: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BenchError):
        generator.run(*arguments)
    assert f"smtpload: {sentence}" in capfd.readouterr().err


@compiles
def test_compiled_once(tmp_path: Path) -> None:
    first = Generator.compile(tmp_path).program.stat()
    assert Generator.compile(tmp_path).program.stat().st_mtime_ns == first.st_mtime_ns


def test_every_measure_of_the_source_is_told_in_its_comment() -> None:
    """The names in the JSON are a contract between the C file and the rows."""
    source = SOURCE.read_text()
    for name in ("greeted", "secured", "logged_in", "refused", "message", "session"):
        assert f'"{name}",' in source

"""The sink as a process: settings, ports, signals. And that it cannot pass anything on."""

import ast
import asyncio
import contextlib
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import aiohttp
import pytest
from harness import free_port
from sink_clients import bound

ROOT = Path(__file__).parent.parent.parent.parent


async def start(*arguments: str, **settings: object) -> Process:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SINK_")}
    environment |= {name: str(value) for name, value in settings.items()} | {"PYTHONUNBUFFERED": "1"}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sink", *arguments, cwd=ROOT, env=environment, stdout=PIPE, stderr=PIPE
    )


async def ended(process: Process) -> tuple[int | None, str, str]:
    stdout, stderr = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, stdout.decode(), stderr.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_with_0_even_while_clients_wait(number: signal.Signals) -> None:
    smtp_port, http_port = free_port(), free_port()
    process = await start(SINK_SMTP_PORT=smtp_port, SINK_HTTP_PORT=http_port)
    assert process.stdout
    assert b"sink-started" in await asyncio.wait_for(process.stdout.readline(), 60)
    reader, writer = await asyncio.open_connection("127.0.0.1", smtp_port)
    for command in (b"EHLO c", b"MAIL FROM:<>", b"RCPT TO:<slow-60-a@x.test>"):
        await reader.readline()
        writer.write(command + b"\r\n")
    http_reader, http_writer = await asyncio.open_connection("127.0.0.1", http_port)
    http_writer.write(b"GET /messages?wait=60 HTTP/1.1\r\nHost: sink\r\n\r\n")
    await http_writer.drain()
    # An answer to a connection that was opened later: now the two before it are being served.
    async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{http_port}/health") as health:
        assert health.status == 200
    process.send_signal(number)
    code, stdout, stderr = await ended(process)
    assert (code, stderr) == (0, "")
    assert "sink-stopped" in stdout
    with contextlib.suppress(ConnectionResetError):
        assert b"2.1.5" not in await reader.read()
    assert (await http_reader.read()).endswith(b"[]")
    for one in (writer, http_writer):
        one.close()


def has_ipv6() -> bool:
    """Whether ::1 is an address of this machine; containers often have the kernel's support and no address."""
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return False
        return True


@pytest.mark.skipif(not socket.has_ipv6 or not has_ipv6(), reason="this machine has no IPv6")
async def test_ipv6_can_be_bound() -> None:
    process = await start(SINK_BIND="::1", SINK_SMTP_PORT=free_port(), SINK_HTTP_PORT=free_port())
    assert process.stdout
    assert b"bind=::1" in await asyncio.wait_for(process.stdout.readline(), 60)
    process.terminate()
    assert (await ended(process))[0] == 0


WRONG = [
    # what it shows, settings, what the sentence names
    ("port that is no number", {"SINK_HTTP_PORT": "http"}, "SINK_HTTP_PORT: 'http'"),
    ("port out of range", {"SINK_SMTP_PORT": "70000"}, "SINK_SMTP_PORT: '70000'"),
    ("no messages at all", {"SINK_MAX_MESSAGES": "0"}, "SINK_MAX_MESSAGES: '0'"),
    ("octets with a unit", {"SINK_MAX_BYTES": "1G"}, "SINK_MAX_BYTES: '1G'"),
    ("name instead of an address", {"SINK_BIND": "somewhere"}, "SINK_BIND: 'somewhere'"),
    ("log format", {"SINK_LOG_FORMAT": "xml"}, "SINK_LOG_FORMAT: 'xml'"),
    ("misspelt setting", {"SINK_HTTPPORT": "8025"}, "did you mean SINK_HTTP_PORT?"),
]


@pytest.mark.parametrize(("settings", "sentence"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
async def test_a_wrong_setting_is_one_sentence_and_exit_2(settings: dict[str, str], sentence: str) -> None:
    code, stdout, stderr = await ended(await start("--check", **settings))
    assert (code, stdout, stderr.count("\n")) == (2, "", 1)
    assert sentence in stderr


@pytest.mark.parametrize("setting", ["SINK_SMTP_PORT", "SINK_HTTP_PORT"])
async def test_a_port_in_use_is_one_sentence_and_exit_2(setting: str) -> None:
    with bound() as taken:
        ports = {"SINK_SMTP_PORT": free_port(), "SINK_HTTP_PORT": free_port()} | {setting: taken.getsockname()[1]}
        code, _, stderr = await ended(await start(**ports))
    assert (code, stderr.count("\n")) == (2, 1)
    assert f"sink: {setting}: 127.0.0.1 port {ports[setting]} cannot be bound (Address already in use);" in stderr


async def test_check_is_silent_for_good_settings() -> None:
    assert await ended(await start("--check")) == (0, "", "")


async def test_health_check_says_whether_the_sink_answers() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sink.health", cwd=ROOT, env={"SINK_HTTP_PORT": str(free_port())}, stderr=PIPE
    )
    _, stderr = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 1
    assert b"does not answer" in stderr


async def test_health_check_asks_no_proxy() -> None:
    """An engine that is told of a proxy for builds tells every container, too."""
    process = await start(SINK_SMTP_PORT=free_port(), SINK_HTTP_PORT=(port := free_port()))
    assert process.stdout
    assert b"sink-started" in await asyncio.wait_for(process.stdout.readline(), 60)
    environment = {"SINK_HTTP_PORT": str(port), "http_proxy": f"http://127.0.0.1:{free_port()}"}
    check = await asyncio.create_subprocess_exec(sys.executable, "-m", "sink.health", cwd=ROOT, env=environment)
    assert await asyncio.wait_for(check.wait(), 60) == 0
    process.terminate()
    await ended(process)


def test_nothing_can_leave_it() -> None:
    """No module but the health check can open a connection: none imports a client of any protocol."""
    clients = {"smtplib", "aiosmtplib", "subprocess", "urllib", "http", "ftplib", "imaplib"}
    for path in (ROOT / "sink").glob("*.py"):
        text = path.read_text()
        names = {
            name.split(".")[0]
            for node in ast.walk(ast.parse(text))
            for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [])
            + ([str(node.module)] if isinstance(node, ast.ImportFrom) else [])
        }
        assert path.name == "health.py" or not names & clients, path
        assert "asyncio.open_connection" not in text, path
        assert "ClientSession" not in text, path

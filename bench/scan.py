"""What looking into messages costs: the scan by a real rspamd, and the search for secrets. Needs rspamd.

python -m bench.scan
python -m bench.scan --messages 1000

Messages of four sizes: a short text; a letter with HTML; a PDF of 1 MB; one of 18 MB. "ms" is what one message waits
for the scanner's answer, one after the other, median and 99th percentile; "a second" is with eight at a time. "us" is
the search for secrets, of the processor. The scanner has the shipped configuration with two workers, and signs with
both keys.
"""

import argparse
import asyncio
import base64
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from gateway.leaks import secrets_in
from gateway.relay_commands import Envelope, Recipient
from gateway.scan import Scanner
from gateway.scoreboard import Scoreboard
from gateway.spool import Spool
from policy.contract import ScanResult

ROOT = Path(__file__).parent.parent
AT_ONCE = 8
_STARTS_WITHIN_S = 60
_SMALL = 100_000  # octets
_HEAD = (
    "Received: from submission by mail.sallyport.test with ESMTPSA\r\n"
    "From: Ada <ada@sallyport.test>\r\nTo: bob@example.org\r\nSubject: figures\r\n"
    "Date: Thu, 26 Nov 2026 23:00:00 +0000\r\nMessage-ID: <a@sallyport.test>\r\nMIME-Version: 1.0\r\n"
)
_LINE = "I have attached the minutes of the meeting; could you have a look before Friday?\r\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=400, help="of the small sizes; default 400")
    options = parser.parse_args()
    if not shutil.which("rspamd"):
        sys.exit("rspamd is not installed: apt-get install --no-install-recommends rspamd")
    for line in asyncio.run(measure(options.messages)):
        print(line)


def samples() -> Mapping[str, bytes]:
    letter = _HEAD + 'Content-Type: multipart/alternative; boundary="x"\r\n\r\n--x\r\n\r\n' + _LINE * 40
    letter += "\r\n--x\r\nContent-Type: text/html\r\n\r\n<html>" + f"<p>{_LINE}</p>" * 40 + "</html>\r\n--x--\r\n"
    return {
        "a short text": f"{_HEAD}\r\n{_LINE * 4}".encode(),
        "a letter with HTML": letter.encode(),
        "a PDF of 1 MB": _with_file(1_000_000),
        "a PDF of 18 MB": _with_file(18_000_000),
    }


def _with_file(size: int) -> bytes:
    content = b"%PDF-1.7\n" + random.Random(size).randbytes(size)  # noqa: S311 - the same each time
    lines = base64.encodebytes(content).decode().replace("\n", "\r\n")
    fields = 'Content-Type: application/pdf; name="a.pdf"\r\nContent-Transfer-Encoding: base64\r\n'
    fields += 'Content-Disposition: attachment; filename="a.pdf"\r\n'
    first = f'{_HEAD}Content-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\n\r\n{_LINE}'
    return f"{first}\r\n--x\r\n{fields}\r\n{lines}\r\n--x--\r\n".encode()


async def measure(messages: int) -> list[str]:
    lines = [f"{'':<22}{'octets':>12}{'median ms':>11}{'99 % ms':>10}{'a second':>10}{'secrets us':>12}"]
    with tempfile.TemporaryDirectory() as folder:
        for url in _scanner(Path(folder)):
            async with Scanner(url, 60, AT_ONCE, 64 * 1024 * 1024, Scoreboard(1)) as scanner:
                for name, octets in samples().items():
                    number = messages if len(octets) < _SMALL else max(messages // 20, 5)
                    lines.append(
                        f"{name:<22}{len(octets):>12,}" + await _figures(scanner, octets, number, Path(folder))
                    )
    return lines


async def _figures(scanner: Scanner, octets: bytes, number: int, folder: Path) -> str:
    spools = [_spooled(octets, folder) for _ in range(AT_ONCE)]
    for spool in spools:  # each worker has compiled its patterns
        await _scanned(scanner, spool)
    waits = [await _scanned(scanner, spools[0]) for _ in range(number)]
    begun = time.perf_counter()
    await asyncio.gather(*(_several(scanner, spool, number // AT_ONCE + 1) for spool in spools))
    rate = AT_ONCE * (number // AT_ONCE + 1) / (time.perf_counter() - begun)
    begun = time.process_time()
    for _ in range(5):
        secrets_in(octets)
    searched_us = (time.process_time() - begun) / 5 * 1e6
    for spool in spools:
        spool.close()
    slowest = sorted(waits)[int(len(waits) * 0.99)]
    return f"{1e3 * statistics.median(waits):>11.2f}{1e3 * slowest:>10.2f}{rate:>10.0f}{searched_us:>12,.0f}"


async def _several(scanner: Scanner, spool: Spool, number: int) -> None:
    for _ in range(number):
        await _scanned(scanner, spool)


async def _scanned(scanner: Scanner, spool: Spool) -> float:
    """Seconds until the answer."""
    envelope = Envelope(
        reverse_path="ada@sallyport.test",
        recipients=(Recipient("bob@example.org"),),
        client_address="198.51.100.7",
        client_name="laptop.example",
        submission="cafe",
        message_bytes=len(spool),
        is_eight_bit=False,
    )
    begun = time.perf_counter()
    scanned = await scanner.scan(envelope, b"", spool, 0)
    if scanned.scan.result is not ScanResult.CLEAN or scanned.signatures.count(b"DKIM-Signature:") != 2:  # noqa: PLR2004
        sys.exit(f"not as it should be: {scanned.scan}")
    return time.perf_counter() - begun


def _spooled(octets: bytes, folder: Path) -> Spool:
    spool = Spool(folder)
    spool.append(octets)
    return spool


def _scanner(folder: Path) -> Iterator[str]:
    """The URL of one that runs for as long as it is used. It does not run as root, so root makes it nobody."""
    folder.chmod(0o755)
    shutil.copytree(ROOT / "rspamd", folder / "rspamd")
    for name, mode in (("state", 0o777), ("keys", 0o755)):
        (folder / name).mkdir()
        (folder / name).chmod(mode)
    for selector, kind in (("s1", ("-b", "2048")), ("s2", ("-t", "ed25519"))):
        path = folder / "keys" / f"sallyport.test.{selector}.key"
        command = ["rspamadm", "dkim_keygen", "-d", "sallyport.test", "-s", selector, *kind, "-k", str(path)]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - its own words
        path.chmod(0o644)
    (folder / "keys" / "keys.map").write_text("sallyport.test s1:sallyport.test.s1.key s2:sallyport.test.s2.key\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "RSPAMD_LISTEN": f"127.0.0.1:{port}",
        "RSPAMD_STATE": str(folder / "state"),
        "RSPAMD_KEYS": str(folder / "keys"),
    }
    become = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    running = subprocess.Popen(  # noqa: S603 - its own words
        [*become, str(folder / "rspamd" / "entrypoint")],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )
    try:
        deadline = time.monotonic() + _STARTS_WITHIN_S
        with socket.socket() as probe:
            while probe.connect_ex(("127.0.0.1", port)):
                if running.poll() is not None or time.monotonic() > deadline:
                    sys.exit("rspamd does not start")
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        running.wait()


if __name__ == "__main__":
    main()

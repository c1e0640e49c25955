"""The real scanner for tests: rspamd with the shipped configuration, and clamd with a signature of our own."""

import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from harness import ROOT, Process, answers, free_port, until

RSPAMD_MISSING = "rspamd is not installed"
CLAMD_MISSING = "clamd is not installed"
# The test file that every antivirus knows, in halves, so that this file is none.
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR" + rb"-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*" + "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
# What it compiles at its first start serves all further ones of this machine.
_NOBODY = 65534
_COMPILED = Path(tempfile.gettempdir()) / "sallyport-test-rspamd"


def has_rspamd() -> bool:
    return shutil.which("rspamd") is not None


def has_clamd() -> bool:
    return shutil.which("clamd") is not None


@dataclass
class Rspamd:
    """One on a loopback port, with a folder of DKIM keys. It does not run as root, so that root makes it nobody."""

    clamd_port: int = 0

    def __post_init__(self) -> None:
        # Not below a test's folder, which is closed to others.
        self.folder = Path(tempfile.mkdtemp(prefix="sallyport-scan-"))
        self.folder.chmod(0o755)
        shutil.copytree(ROOT / "rspamd", self.folder / "rspamd")
        self.keys = self.folder / "dkim"
        self.keys.mkdir()
        (self.keys / "keys.map").touch()
        _COMPILED.mkdir(mode=0o700, exist_ok=True)
        self.port = free_port()
        environment = {
            "RSPAMD_LISTEN": f"127.0.0.1:{self.port}",
            "RSPAMD_STATE": str(_COMPILED),
            "RSPAMD_KEYS": str(self.keys),
        }
        if self.clamd_port:
            environment["RSPAMD_ANTIVIRUS"] = str(self.folder / "rspamd" / "clamav.conf")
            environment["RSPAMD_CLAMAV"] = f"127.0.0.1:{self.clamd_port}"
        become: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(_COMPILED, _NOBODY, _NOBODY)
            become = ["setpriv", "--reuid", str(_NOBODY), "--regid", str(_NOBODY), "--clear-groups"]
        command = [*become, str(self.folder / "rspamd" / "entrypoint")]
        self.process = Process(command, environment, self.folder / "rspamd.log")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        self.process.start()
        until(lambda: answers(self.port), f"rspamd answers\n{self.process.text()}", deadline_s=180)
        return self

    def stop(self) -> None:
        self.process.stop()
        shutil.rmtree(self.folder)

    def kill(self) -> None:
        """It is gone, and may come again by `start`."""
        self.process.stop()

    def hang(self) -> None:
        """All of its processes stand still; the kernel goes on to accept for them."""
        assert self.process.running
        os.killpg(self.process.running.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        assert self.process.running
        os.killpg(self.process.running.pid, signal.SIGCONT)


@dataclass
class Clamd:
    """One on a loopback port that knows EICAR's test file and nothing else."""

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        signatures = self.folder / "signatures"
        signatures.mkdir(exist_ok=True)
        # Name, any kind of file, anywhere in it, octets: ClamAV's extended format.
        (signatures / "test.ndb").write_text(f"Eicar-Test-Signature:0:*:{EICAR.hex()}\n")
        shipped = (ROOT / "clamav" / "clamd.conf").read_text().splitlines()
        own = ("DatabaseDirectory", "TCPSocket", "LocalSocket", "TemporaryDirectory")
        kept = [line for line in shipped if not line.startswith(own)]
        settings = (f"DatabaseDirectory {signatures}", f"TCPSocket {self.port}", "TCPAddr 127.0.0.1", "User root")
        config = self.folder / "clamd.conf"
        config.write_text("\n".join((*kept, *settings[: 4 if os.geteuid() == 0 else 3])) + "\n")
        self.process = Process(["clamd", "--foreground", f"--config-file={config}"], {}, self.folder / "clamd.log")

    def start(self) -> Self:
        self.process.start()
        until(lambda: answers(self.port), f"clamd answers\n{self.process.text()}", deadline_s=60)
        return self

    def stop(self) -> None:
        self.process.stop()


def new_dkim_keys(folder: Path, domain: str) -> None:
    """One of each kind, in the form that policy writes them."""
    selectors = {"s1": ("-b", "2048"), "s2": ("-t", "ed25519")}
    for selector, kind in selectors.items():
        path = folder / f"{domain}.{selector}.key"
        command = ["rspamadm", "dkim_keygen", "-d", domain, "-s", selector, *kind, "-k", str(path)]
        record = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        path.chmod(0o644)
        (folder / f"{domain}.{selector}.txt").write_text(record)
    listed = " ".join(f"{selector}:{domain}.{selector}.key" for selector in selectors)
    draft = folder / "keys.map.new"
    draft.write_text(f"{domain} {listed}\n")
    draft.rename(folder / "keys.map")

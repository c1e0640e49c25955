"""Haraka from npm: flat-file logins, TLS with the same pair, and its own smtp_forward to the relay of the same Postfix.

Set up to its advantage where that is honest: one worker for each core, no reverse look-up of the client's address (as
nobody here does one), log level notice. It has no budgets, and compares at most the domain of the reverse-path.
Versions and hashes are in bench/haraka/package-lock.json.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.commands import run
from bench.contenders.contender import LOGIN, SECRET, USERS, all_answer, started
from bench.errors import BenchError
from tests.harness import Process, free_port

LOCK = Path(__file__).parent.parent / "haraka"
OLDEST_NODE = 20
FINITE_FIELD = ("genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048")
FILES = {
    "config/smtp.ini": "listen=127.0.0.1:{port},127.0.0.1:{tls_port}\nsmtps_port={tls_port}\nnodes=cpus\n",
    "config/plugins": "no_rdns\ntls\nauth/flat_file\nqueue/smtp_forward\n",
    "config/tls.ini": "key=tls_key.pem\ncert=tls_cert.pem\nminVersion=TLSv1.2\n",
    "config/smtp_forward.ini": "host=127.0.0.1\nport={next_hop}\nenable_outbound=true\n",
    "config/log.ini": "[main]\nlevel=notice\n",
    "config/me": "mail.sallyport.test\n",
    "plugins/no_rdns.js": "exports.hook_lookup_rdns = (next) => next(OK, 'localhost')\n",
}


@dataclass
class Haraka:
    """Installed once into `program`; its settings are made in `folder` for each run."""

    program: Path
    folder: Path
    next_hop: int
    certificate: Path
    key: Path

    def __post_init__(self) -> None:
        self.port, self.tls_port = free_port(), free_port()
        command = ["node", str(self.program / "node_modules/Haraka/bin/haraka"), "-c", str(self.folder)]
        self.process = Process(command, {}, self.folder / "haraka.log")

    def start(self) -> int:
        """The process id of its first process."""
        install(self.program)
        self._configure()
        return started(self.process, "Haraka", lambda: all_answer(self.port, self.tls_port))

    def stop(self) -> None:
        if self.process.running and self.process.running.poll() is None:
            self.process.running.terminate()
            try:
                self.process.ended(10)
            except subprocess.TimeoutExpired:
                self.process.stop()

    def _configure(self) -> None:
        shutil.copytree(self.program / "node_modules/Haraka/config", self.folder / "config")  # as `haraka -i` does
        values = {"port": self.port, "tls_port": self.tls_port, "next_hop": self.next_hop}
        for name, text in FILES.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text if name.endswith(".js") else text.format(**values))
        (self.folder / "queue").mkdir()
        # Without them it has openssl look for a prime: up to half a minute of a processor, while others are measured.
        run("openssl", *FINITE_FIELD, "-out", self.folder / "config/dhparams.pem")
        shutil.copy(self.certificate, self.folder / "config/tls_cert.pem")
        shutil.copy(self.key, self.folder / "config/tls_key.pem")
        logins = "".join(f"{LOGIN.format(n)}={SECRET.format(n)}\n" for n in range(1, USERS + 1))
        (self.folder / "config/auth_flat_file.ini").write_text(f"[core]\nmethods=PLAIN,LOGIN\n\n[users]\n{logins}")


def install(program: Path) -> None:
    """By npm from the lock file, unless it is there. Without its optional plugins, none of which would run."""
    _require_node()
    done = program / "installed"
    lock = (LOCK / "package-lock.json").read_text()
    if done.exists() and done.read_text() == lock:
        return
    program.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(LOCK / name, program)
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    run("npm", "ci", "--omit=optional", *quiet, folder=program)
    done.write_text(lock)


def _require_node() -> None:
    version = re.match(r"v(\d+)", run("node", "--version"))
    if not version or int(version[1]) < OLDEST_NODE:
        raise BenchError(f"Haraka needs Node {OLDEST_NODE}; install it, or say --against direct,gates")

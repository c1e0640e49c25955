"""A private Dovecot that does nothing but SASL for Postfix, with a passwd-file of {SHA256} secrets.

A fast digest on purpose: Sallyport's is one HMAC-SHA-256, because its secrets are random. With {SHA512-CRYPT} or
bcrypt, which people's own passwords need, "direct" and "gates" would look much slower, and for no merit of ours.
"""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

from bench.commands import run
from bench.contenders.contender import LOGIN, SECRET, USERS, started
from bench.errors import BenchError
from tests.harness import Process

COMMON = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
protocols =
ssl = no
auth_mechanisms = plain login
service auth {{
  unix_listener {socket} {{
    mode = 0660
    user = postfix
    group = postfix
  }}
}}
"""
PASSDB = {
    "2.3": """
disable_plaintext_auth = no
passdb {{
  driver = passwd-file
  args = scheme=SHA256 {folder}/users
}}
""",
    # Not tried yet: Debian 12 has 2.3.
    "2.4": """
auth_allow_cleartext = yes
passdb passwd-file {{
  passwd_file_path = {folder}/users
  default_password_scheme = SHA256
}}
""",
}


@dataclass
class Dovecot:
    """Its auth socket appears where Postfix expects it."""

    folder: Path
    socket: Path

    def __post_init__(self) -> None:
        self.config = self.folder / "dovecot.conf"
        self.process = Process(["dovecot", "-F", "-c", str(self.config)], {}, self.folder / "dovecot.out")

    def start(self) -> int:
        """The process id of its master."""
        (self.folder / "run").mkdir(parents=True)
        (self.folder / "users").write_text("".join(passwd_line(n) for n in range(1, USERS + 1)))
        self.config.write_text(_config(_version()).format(folder=self.folder, socket=self.socket))
        return started(self.process, "Dovecot", self.socket.exists)

    def stop(self) -> None:
        if self.process.running and self.process.running.poll() is None:
            self.process.running.terminate()  # its master ends its children
            self.process.ended()


def _version() -> str:
    return ".".join(run("dovecot", "--version").split(".")[:2])


def _config(version: str) -> str:
    if version not in PASSDB:
        raise BenchError(f"the bench knows Dovecot {' and '.join(PASSDB)}, and this machine has {version}")
    head = "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\n" if version == "2.4" else ""
    return head + COMMON + PASSDB[version]


def passwd_line(number: int) -> str:
    digest = base64.b64encode(hashlib.sha256(SECRET.format(number).encode()).digest()).decode()
    return f"{LOGIN.format(number)}:{{SHA256}}{digest}::::::\n"

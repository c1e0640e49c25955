"""A private instance of the machine's own Dovecot, which asks the policy of a test. Needs root."""

import imaplib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from harness import HOSTNAME, ROOT, Process, Sallyport, answers, free_port, until


@dataclass
class Pickup:
    """IMAP over TLS with the certificate of `sallyport`, whose logins it has."""

    sallyport: Sallyport

    def __post_init__(self) -> None:
        self.folder = self.sallyport.folder / "dovecot"
        self.folder.mkdir()
        self._run = Path(tempfile.mkdtemp(prefix="sallyport-"))  # of its sockets, whose paths must be short
        self._run.chmod(0o755)
        self.port, self.doveadm_port = free_port(), free_port()
        self.config = self.folder / "config"
        of_sallyport = self.sallyport.policy_environment
        self.environment = {
            "DOVECOT_HOSTNAME": HOSTNAME,
            "DOVECOT_BIND": "127.0.0.1",
            "DOVECOT_IMAPS_PORT": str(self.port),
            "DOVECOT_LMTP_BIND": "127.0.0.1",
            "DOVECOT_LMTP_PORT": str(free_port()),
            "DOVECOT_DOVEADM_BIND": "127.0.0.1",
            "DOVECOT_DOVEADM_PORT": str(self.doveadm_port),
            "DOVECOT_POLICY_URL": f"http://127.0.0.1:{self.sallyport.policy_port}",
            "DOVECOT_POLICY_TOKEN_FILE": of_sallyport["POLICY_DOVECOT_TOKEN_FILE"],
            "DOVECOT_TLS_CERT": of_sallyport["POLICY_TLS_CERT"],
            "DOVECOT_TLS_KEY": of_sallyport["POLICY_TLS_KEY"],
            "DOVECOT_MAIL_DIR": str(self.folder / "mail"),
            "DOVECOT_RUN_DIR": str(self._run),
            "DOVECOT_STATE_DIR": str(self.folder / "state"),
            "DOVECOT_MAIL_USER": "mail",
            "DOVECOT_MAIL_GROUP": "mail",
            "DOVECOT_LOGIN_USER": "dovenull",
            "DOVECOT_INTERNAL_USER": "dovecot",
            "DOVECOT_LOG": "/dev/stderr",
        }
        command = ["dovecot", "-F", "-c", str(self.config / "dovecot.conf")]
        self.process = Process(command, {}, self.folder / "dovecot.log")
        self.watch = Process([str(ROOT / "dovecot" / "watch"), str(self.config)], {}, self.folder / "watch.log")

    def start(self) -> Self:
        for parent in (self.folder, *self.folder.parents):
            if parent in (Path("/"), Path("/tmp")):
                break
            parent.chmod(parent.stat().st_mode | 0o055)  # its processes run as users of their own
        subprocess.run(
            [str(ROOT / "dovecot" / "render"), str(self.config)], env=os.environ | self.environment, check=True
        )
        self.process.start()
        until(lambda: answers(self.port), f"Dovecot answers\n{self.process.text()}")
        return self

    def start_watch(self) -> None:
        """What looks for other certificates and tokens; where nothing is replaced nobody need look."""
        self.watch.environment = self.environment
        self.watch.start()

    def stop(self) -> None:
        self.watch.stop()
        if self.process.running and self.process.running.poll() is None:
            self.process.running.terminate()
            self.process.ended()
        shutil.rmtree(self._run, ignore_errors=True)

    def client(self) -> imaplib.IMAP4_SSL:
        return imaplib.IMAP4_SSL("localhost", self.port, ssl_context=self.sallyport.tls(), timeout=30)

    def login(self, login: str, secret: str) -> str:
        """What Dovecot says to LOGIN: empty is yes."""
        client = self.client()
        try:
            client.login(login, secret)
        except imaplib.IMAP4.error as error:
            return str(error)
        finally:
            client.shutdown()
        return ""

    @staticmethod
    def is_possible() -> bool:
        return os.geteuid() == 0 and shutil.which("dovecot") is not None

"""A private instance of the machine's own Dovecot, which asks the policy of a test. Needs root.

Or of the one that our image has, which is another version: `image`, from `dovecot_image()`.
"""

import imaplib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest
from compose import engine_answers, of_this_checkout
from harness import HOSTNAME, ROOT, Process, Sallyport, answers, free_port, until


@dataclass
class Pickup:
    """IMAP over TLS with the certificate of `sallyport`, whose logins it has."""

    sallyport: Sallyport
    image: str = ""

    def __post_init__(self) -> None:
        self.folder = self.sallyport.folder / "dovecot"
        self.folder.mkdir()
        self._run = Path(tempfile.mkdtemp(prefix="sallyport-"))  # of its sockets, whose paths must be short
        self._run.chmod(0o755)
        self.port, self.lmtp_port, self.doveadm_port = free_port(), free_port(), free_port()
        self.config = self.folder / "config"
        of_sallyport = self.sallyport.policy_environment
        self.environment = {
            "DOVECOT_HOSTNAME": HOSTNAME,
            "DOVECOT_BIND": "127.0.0.1",
            "DOVECOT_IMAPS_PORT": str(self.port),
            "DOVECOT_LMTP_BIND": "127.0.0.1",
            "DOVECOT_LMTP_PORT": str(self.lmtp_port),
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
        self._name = f"sallyport-pickup-{os.getpid()}-{self.port}"
        self.process = Process(["true"], {}, self.folder / "dovecot.log")
        self.watch = Process([str(ROOT / "dovecot" / "watch"), str(self.config)], {}, self.folder / "watch.log")

    def start(self) -> Self:
        for parent in (self.folder, *self.folder.parents):
            if parent in (Path("/"), Path("/tmp")):
                break
            parent.chmod(parent.stat().st_mode | 0o055)  # its processes run as users of their own
        render, config = ROOT / "dovecot" / "render", self.config / "dovecot.conf"
        if self.image:
            self.process.command = self._in_container(
                f"/opt/sallyport/render {self.config} && exec dovecot -F -c {config}"
            )
        else:
            subprocess.run([str(render), str(self.config)], env=os.environ | self.environment, check=True)
            self.process.command = ["dovecot", "-F", "-c", str(config)]
        self.process.start()
        until(lambda: answers(self.port), f"Dovecot answers\n{self.process.text()}")
        return self

    def _in_container(self, script: str) -> list[str]:
        folders = (self.sallyport.folder, self._run)
        options = ["--rm", "--init", "--network", "host", "--name", self._name, "--user", "0", "--entrypoint", "sh"]
        options += [word for one in folders for word in ("--volume", f"{one}:{one}")]
        options += [word for name, value in self.environment.items() for word in ("--env", f"{name}={value}")]
        return ["docker", "run", *options, self.image, "-c", script]

    def start_watch(self) -> None:
        """What looks for other certificates and tokens; where nothing is replaced nobody need look."""
        self.watch.environment = self.environment
        self.watch.start()

    def stop(self) -> None:
        self.watch.stop()
        if self.process.running and self.process.running.poll() is None:
            if self.image:
                subprocess.run(["docker", "stop", "--time", "2", self._name], capture_output=True, check=False)
            else:
                self.process.running.terminate()
            self.process.ended()
        shutil.rmtree(self._run, ignore_errors=True)

    def inside(self, *command: str) -> str:
        """What a program prints where Dovecot runs."""
        prefix = ["docker", "exec", self._name] if self.image else []
        return subprocess.run([*prefix, *command], capture_output=True, text=True, check=True).stdout

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


def dovecot_image() -> str:
    """The name of the image with Dovecot 2.4, which is built where it has to be. Skips where there is no engine."""
    if not engine_answers():
        pytest.skip("needs a container engine")
    name = of_this_checkout("sallyport-pickup-test")
    command = ["docker", "build", "--quiet", "--tag", name, "--file", "dovecot/Dockerfile", "."]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return name

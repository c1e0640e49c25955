"""A mail server of somebody else: a real Postfix with logins of a real Dovecot, both of which ask our policy.

As processes of the machine's own Postfix and Dovecot (needs root), or in a container of another Debian. Their lines for
us are those of docs/delegation.md, word for word but for ports, token and nonce. Postfix believes XCLIENT, so that a
test comes from whatever address it likes.
"""

import json
import os
import re
import shutil
import smtplib
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
from harness import HOSTNAME, ROOT, Process, Sallyport, answers, free_port, until

PASSWORD = "correct horse"
MASTER_PASSWORD = "battery staple"
USERS = ("ada", "bob", "carol", "dave", "erin", "frank")
POLICY_FILE = """
[profiles.person]
recipients = "6/hour"
new-recipients = "none"
probation-new-recipients = "2/hour"
probation-recipients = "none"
"""
DOCS = (ROOT / "docs" / "delegation.md").read_text()
MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{end_port} inet n - n - - smtpd
  -o {{ smtpd_recipient_restrictions = permit_sasl_authenticated, reject }}
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""
MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log/postfix.log
maillog_file_prefixes = /
myhostname = {hostname}
mydestination =
local_recipient_maps =
alias_maps =
relayhost = [127.0.0.1]:{next_hop}
inet_protocols = ipv4
smtp_tls_security_level = none
smtpd_tls_security_level = none
smtpd_peername_lookup = no
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {folder}/run/sasl
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_client_connection_rate_limit = 0
multi_instance_enable = no
"""
DOVECOT_23 = """
protocols =
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log/dovecot.log
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {folder}/users
}}
auth_master_user_separator = *
passdb {{
  driver = passwd-file
  master = yes
  result_success = continue
  args = scheme=PLAIN username_format=%u {folder}/masters
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home=/nonexistent
}}
service stats {{
  chroot =
}}
"""
DOVECOT_24 = """
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
protocols =
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log/dovecot.log
ssl = no
auth_allow_cleartext = yes
auth_mechanisms = plain login
auth_failure_delay = 0
passdb passwd-file {{
  passwd_file_path = {folder}/users
  default_password_scheme = PLAIN
}}
auth_master_user_separator = *
passdb masters {{
  driver = passwd-file
  master = yes
  result_success = continue
  passwd_file_path = {folder}/masters
  default_password_scheme = PLAIN
}}
userdb static {{
  fields {{
    uid = mail
    gid = mail
    home = /nonexistent
  }}
}}
"""
DOVECOT = """
service auth {{
  unix_listener {folder}/run/sasl {{
    mode = 0666
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""
START = (
    "postfix -c {folder}/postfix check && dovecot -c {folder}/dovecot.conf && exec postfix -c {folder}/postfix start-fg"
)


def documented(heading: str, kind: str = "ini") -> str:
    """The first block of code of its kind behind a line of the docs."""
    found = re.search(rf"```{kind}\n(.*?)```", DOCS[DOCS.index(heading) :], re.DOTALL)
    assert found
    return found[1]


@dataclass
class OwnFront:
    """`image` is where a container is made of; empty for this machine's own programs. Policy runs here in either."""

    folder_of_policy: Path
    next_hop: int
    image: str = ""
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="front-"))  # paths of sockets must be short
        self.folder.chmod(0o755)
        for name in ("run", "state", "log", "postfix", "policy", "data", "queue"):
            (self.folder / name).mkdir()
        self.port, self.end_port, self.delegation_port = free_port(), free_port(), free_port()
        self.relay_port, self.hold_port = free_port(), free_port()  # where a gateway would hand in
        self.name = f"sallyport-{self.folder.name}"
        listen = f"127.0.0.1:{self.delegation_port}"
        if not self.image:  # the group of Postfix has another number in a container
            shutil.chown(self.folder / "policy", group="postfix")
            (self.folder / "policy").chmod(0o2750)
            listen += f",unix:{self.folder}/policy/socket"
        settings = {"POLICY_DELEGATION_LISTEN": listen, "POLICY_FILE": str(self.folder / "policy.toml")}
        (self.folder / "policy.toml").write_text(POLICY_FILE)
        self.sallyport = Sallyport(self.folder_of_policy, self.next_hop, settings | self.settings)
        command = ["sh", "-c", START.format(folder=self.folder)]
        if self.image:
            mounted = f"{self.folder}:{self.folder}"
            options = ["--rm", "--init", "--network", "host", "--name", self.name, "--volume", mounted]
            command = ["docker", "run", *options, self.image, *command]
        self.process = Process(command, {}, self.folder / "log" / "start.log")

    def start(self) -> Self:
        self.sallyport.cli("init")
        self.sallyport.start_policy()
        until(lambda: answers(self.delegation_port), f"policy listens\n{self.sallyport.policy.text()}")
        for name in USERS:
            self.sallyport.cli("identity", "add", name, "--address", f"{name}@example.org")
        self._configure()
        self.process.start()
        ports = (self.port, self.end_port, self.relay_port, self.hold_port)
        until(
            lambda: all(answers(one) for one in ports) and (self.folder / "run" / "sasl").exists(),
            f"Postfix and Dovecot answer\n{self.process.text()}",
            deadline_s=60,
        )
        return self

    def stop(self) -> None:
        if self.process.running and self.process.running.poll() is None:
            self.inside("postfix", "-c", f"{self.folder}/postfix", "stop")
            if not self.image:
                self.inside("doveadm", "-c", f"{self.folder}/dovecot.conf", "stop")
            self.process.ended()
        self.sallyport.policy.stop()
        print(self.process.text(), self.log("postfix"), self.log("dovecot"), self.sallyport.policy.text(), sep="\n")
        shutil.rmtree(self.folder, ignore_errors=True)

    def inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program where Postfix and Dovecot are."""
        prefix = ["docker", "exec", self.name] if self.image else []
        return subprocess.run([*prefix, *command], capture_output=True, text=True, check=False)

    def log(self, name: str) -> str:
        path = self.folder / "log" / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    # What people do

    def client(self, user: str, address: str, port: int = 0) -> smtplib.SMTP:
        """A mail program that has logged in from an address."""
        client = smtplib.SMTP("127.0.0.1", port or self.port, "client.example", timeout=60)
        assert client.docmd("EHLO", "proxy.example")[0] == 250
        assert client.docmd("XCLIENT", f"ADDR={address}")[0] == 220
        client.ehlo()
        try:
            client.login(user, PASSWORD)
        except smtplib.SMTPException:
            client.close()
            raise
        return client

    def doveadm_login(self, user: str, password: str, address: str) -> tuple[bool, str]:
        """Whether Dovecot lets somebody in, and what it says."""
        attempt = ("auth", "test", "-a", f"{self.folder}/run/sasl", "-x", f"rip={address}", "-x", "service=imap")
        done = self.inside("doveadm", "-c", f"{self.folder}/dovecot.conf", *attempt, user, password)
        return done.returncode == 0, done.stdout + done.stderr

    def queue(self) -> list[dict[str, Any]]:
        """What Postfix has in its queue."""
        listed = self.inside("postqueue", "-c", f"{self.folder}/postfix", "-j").stdout
        return [json.loads(line) for line in listed.splitlines()]

    def ask(self, command: str, **said: object) -> dict[str, Any]:
        """A command of the auth-policy API, as an administrator gives it."""
        url = f"http://127.0.0.1:{self.sallyport.policy_port}/command/{command}"
        answer = httpx.post(url, json=said, headers={"X-API-Key": self._token()}, timeout=20)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def _token(self) -> str:
        return (Path(self.sallyport.policy_environment["POLICY_STATE_DIR"]) / "auth-policy.token").read_text().strip()

    def _configure(self) -> None:
        values = {
            "folder": self.folder,
            "hostname": HOSTNAME,
            "next_hop": self.next_hop,
            "port": self.port,
            "end_port": self.end_port,
        }
        place = f"inet:127.0.0.1:{self.delegation_port}"
        first, _, second = documented("## Postfix").partition("smtpd_end_of_data_restrictions")
        if not self.image:  # one message is asked about on two connections, of both kinds
            second = second.replace("inet:127.0.0.1:10040", f"unix:{self.folder}/policy/socket")
        asked = f"{first}smtpd_end_of_data_restrictions{second}".replace("inet:127.0.0.1:10040", place)
        config = self.folder / "postfix"
        (config / "main.cf").write_text(MAIN.format(**values) + asked)
        next_hop = documented("## The gateway in front", kind="").replace("-       y", "-       n")
        next_hop = next_hop.replace("10025", str(self.relay_port)).replace("10026", str(self.hold_port))
        (config / "master.cf").write_text(MASTER.format(**values) + next_hop)
        is_24 = bool(self.image)
        policy = documented("Dovecot 2.4:" if is_24 else "Dovecot 2.3:")
        for word, value in (("TOKEN", self._token()), ("NONCE", "n0nce"), (":7587", f":{self.sallyport.policy_port}")):
            assert word in policy
            policy = policy.replace(word, value)
        text = (DOVECOT_24 if is_24 else DOVECOT_23) + DOVECOT
        (self.folder / "dovecot.conf").write_text(text.format(**values) + policy)
        (self.folder / "users").write_text("".join(f"{name}:{{PLAIN}}{PASSWORD}\n" for name in USERS))
        (self.folder / "masters").write_text(f"root:{{PLAIN}}{MASTER_PASSWORD}\n")
        chown = "chown postfix {folder}/data && "
        self.process.command[-1] = chown.format(**values) + START.format(**values)

    @staticmethod
    def is_possible() -> bool:
        return os.geteuid() == 0 and shutil.which("postfix") is not None and shutil.which("dovecot") is not None

"""ONE private Postfix for all: the relay listener of postfix/render, and two submission services beside it.

"direct" is what people run today: submission with STARTTLS and Dovecot SASL. "gates" asks a policy daemon at each
recipient, too. Both check that a login owns its reverse-path, because Sallyport does. Whatever comes in is queued and
then discarded, at the same tiny cost for everybody.
"""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench.commands import run
from bench.contenders.contender import ADDRESS, LOGIN, USERS, all_answer, started
from bench.errors import BenchError
from tests.harness import HOSTNAME, ROOT, Process, free_port

# main.cf of the relay turns these off, exempts loopback or raises them; here they are as Postfix and Debian ship them.
SUBMISSION = """
127.0.0.1:{port} inet n - n - - smtpd
  -o syslog_name={name}
  -o smtpd_tls_security_level=encrypt
  -o smtpd_tls_wrappermode={implicit_tls}
  -o smtpd_tls_chain_files={key},{certificate}
  -o smtpd_tls_mandatory_protocols=>=TLSv1.2
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_sasl_type=dovecot
  -o smtpd_sasl_path={sasl}
  -o smtpd_discard_ehlo_keywords=
  -o smtpd_delay_reject=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
  -o smtpd_sender_login_maps=hash:{owners}
  -o smtpd_sender_restrictions=reject_sender_login_mismatch
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o smtpd_recipient_restrictions={recipients}
  -o smtpd_client_connection_count_limit=50
  -o smtpd_client_event_limit_exceptions=
  -o max_use=100
  -o cleanup_service_name=cleanup-as-shipped
"""
CLEANUP_AS_SHIPPED = """
cleanup-as-shipped unix n - n - 0 cleanup
  -o max_use=100
"""
# in_flow_delay is Postfix's brake where mail comes in faster than it goes out: pauses of a second, in no even measure.
OUTGOING = ("default_transport=discard:", "relay_transport=discard:", "in_flow_delay=0")
PERMIT = "permit_sasl_authenticated,reject"


@dataclass
class Postfix:
    """`render`, then Dovecot, whose socket is inside the queue folder and is looked for at once, then `start`."""

    folder: Path
    certificate: Path
    key: Path
    policy_socket: Path | None = None  # of the policy daemon; None leaves "gates" out
    ports: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = ("relay", "hold", "direct", "direct-tls", "gates", "gates-tls")
        self.ports = {name: free_port() for name in names}
        self.config, self.queue = self.folder / "config", self.folder / "queue"
        self.sasl = self.queue / "private" / "bench-auth"  # where Dovecot has to listen
        self.process = Process(["postfix", "-c", str(self.config), "start-fg"], {}, self.folder / "postfix.out")

    def render(self) -> None:
        """Configuration and queue folder."""
        self.folder.mkdir(parents=True)
        self._render_relay()
        self._add_owners()
        with (self.config / "master.cf").open("a") as file:
            file.write("".join([*self._submission_services(), CLEANUP_AS_SHIPPED]))

    def start(self) -> int:
        """The process id of its master."""
        ports = [port for name, port in self.ports.items() if self.policy_socket or not name.startswith("gates")]
        return started(self.process, "Postfix", lambda: all_answer(*ports))

    def stop(self) -> None:
        if self.process.running and self.process.running.poll() is None:
            run("postfix", "-c", self.config, "stop")
            self.process.ended()

    def settle(self, deadline_s: float = 60.0) -> None:
        """Wait until everything that was queued is gone, so that no contender pays for the one before."""
        end = time.monotonic() + deadline_s
        while any(self._queued()):
            if time.monotonic() > end:
                raise BenchError(f"Postfix still has messages in its queue after {deadline_s:.0f} s")
            time.sleep(0.02)

    def _queued(self) -> list[str]:
        folders = (self.queue / name for name in ("maildrop", "incoming", "active", "deferred"))
        return [name for folder in folders if folder.exists() for _, _, names in os.walk(folder) for name in names]

    def _render_relay(self) -> None:
        environment = {
            "POSTFIX_HOSTNAME": HOSTNAME,
            "POSTFIX_DOMAINS": "sallyport.test",
            "POSTFIX_LISTEN": f"127.0.0.1:{self.ports['relay']}",
            "POSTFIX_HOLD_LISTEN": f"127.0.0.1:{self.ports['hold']}",
            "POSTFIX_CLIENTS": "127.0.0.0/8",
            "POSTFIX_LMTP": "inet:127.0.0.1:1",
            "POSTFIX_MESSAGE_BYTES": "26214400",
            "POSTFIX_QUEUE_DIR": str(self.queue),
            "POSTFIX_DATA_DIR": str(self.folder / "data"),
            "POSTFIX_LOG": str(self.folder / "postfix.log"),
        }
        run(ROOT / "postfix" / "render", self.config, environment=environment)
        run("postconf", "-c", self.config, "-e", *OUTGOING)

    def _add_owners(self) -> None:
        """Which login may use which reverse-path."""
        owners = self.folder / "owners"
        owners.write_text("".join(f"{ADDRESS.format(n)} {LOGIN.format(n)}\n" for n in range(1, USERS + 1)))
        run("postmap", "-c", self.config, f"hash:{owners}")

    def _submission_services(self) -> list[str]:
        asked = f"check_policy_service,unix:{self.policy_socket},{PERMIT}"
        kinds = {"direct": PERMIT} | ({"gates": asked} if self.policy_socket else {})
        return [
            SUBMISSION.format(
                name=kind,
                port=self.ports[kind + ("-tls" if implicit_tls == "yes" else "")],
                implicit_tls=implicit_tls,
                key=self.key,
                certificate=self.certificate,
                sasl=self.sasl,
                owners=self.folder / "owners",
                recipients=recipients,
            )
            for kind, recipients in kinds.items()
            for implicit_tls in ("no", "yes")
        ]

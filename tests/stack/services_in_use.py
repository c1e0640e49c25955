"""All services of a test that uses secrets, and the hands of those who use them: administrator, client, program.

Each hand adds to `wanted` what it typed, sent or was shown.
"""

import contextlib
import json
import os
import secrets
import smtplib
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12
from harness import ROOT, Login, Process, Sallyport, Sink, answers, free_port, until
from pickup import Pickup
from secret_search import Wanted
from sqlalchemy import text
from visitor import Visitor

from tests import forked

sys.path.append(str(ROOT / "tests" / "unit" / "policy"))
from scram_client import ScramClient

_LISTENERS = (("submission", "starttls", "no"), ("submissions", "implicit", "no"), ("machines", "implicit", "required"))
_TABLES = ("credential", "identity", "invite", "api_token", "console_session", "decoy", "retired_secret")


@dataclass(repr=False)
class Run:
    """All services in front of a sink; `files` is what an administrator keeps elsewhere."""

    folder: Path
    sink: Sink
    log_format: str
    database_url: str
    wanted: Wanted = field(default_factory=Wanted)
    said: list[str] = field(default_factory=list)  # by commands that make no secret
    public: set[str] = field(default_factory=set)  # logins: the log may have them
    pickup: Pickup | None = None

    def __post_init__(self) -> None:
        self.files = self.folder / "elsewhere"
        self.files.mkdir()
        self.console_port, self.machines_port = free_port(), free_port()
        self.sallyport = Sallyport(
            self.folder / "sallyport", self.sink.smtp_port, self._policy_settings(), self._gateway_settings()
        )
        ports = (self.sallyport.submission_port, self.sallyport.submissions_port, self.machines_port)
        self.sallyport.gateway.environment["GATEWAY_LISTENERS"] = json.dumps(
            [
                {"name": name, "port": port, "tls": tls, "client_certificates": certificates}
                for (name, tls, certificates), port in zip(_LISTENERS, ports, strict=True)
            ]
        )
        environment = self.sallyport.policy_environment
        command = [sys.executable, "-m", "policy.console"]
        self.console = Process(command, environment, self.sallyport.folder / "console.log")
        for one in (self.sallyport.policy, self.sallyport.gateway, self.console):
            one.is_fresh = True  # its arguments and its environment are looked at

    def _policy_settings(self) -> dict[str, str]:
        return {
            "POLICY_LOG_FORMAT": self.log_format,
            "POLICY_DATABASE_URL": self.database_url,
            "POLICY_DATABASE_PASSWORD_FILE": self._secret_file("password of the database"),
            "POLICY_CONSOLE_PORT": str(self.console_port),
            "POLICY_CONSOLE_URL": f"https://localhost:{self.console_port}",
            "POLICY_ALERT_RELAY": f"127.0.0.1:{self.sink.smtp_port}",
            "POLICY_LDAP_URL": "ldap://127.0.0.1:1",  # nobody is there
            "POLICY_LDAP_SEARCH_BASE": "dc=example,dc=org",
            "POLICY_LDAP_SERVICE_DN": "cn=service,dc=example,dc=org",
            "POLICY_LDAP_SERVICE_PASSWORD_FILE": self._secret_file("password of the LDAP service"),
            "POLICY_OIDC_ISSUER": "http://127.0.0.1:1/realm",
            "POLICY_OIDC_AUDIENCE": "mail",
        }

    def _gateway_settings(self) -> dict[str, str]:
        return {
            "GATEWAY_LOG_FORMAT": self.log_format,
            "GATEWAY_TLS_CLIENT_CA": str(self.files / "client-ca.pem"),
            "GATEWAY_MECHANISMS": "EXTERNAL,SCRAM-SHA-256,PLAIN,LOGIN,OAUTHBEARER,XOAUTH2",
        }

    def _secret_file(self, name: str) -> str:
        value = f"{secrets.token_urlsafe(18)}'%\""
        self.wanted.add(name, value)
        path = self.files / name.replace(" ", "-")
        path.write_text(value + "\n")
        return str(path)

    def start(self) -> None:
        self.command("init")
        (self.files / "client-ca.pem").write_text(self.command("client-ca"))
        self.sallyport.start_policy()
        self.sallyport.start_gateway()
        self.console.start()
        until(lambda: answers(self.console_port), f"the console answers\n{self.console.text()}")
        if Pickup.is_possible():
            self.pickup = Pickup(self.sallyport)
            self.pickup.start()

    def stop(self) -> None:
        if self.pickup:
            self.pickup.stop()
        self.console.stop()
        self.sallyport.stop()

    # Commands

    def command(self, *arguments: str, shows_a_secret: bool = False, fails: bool = False, given: str = "") -> str:
        """`sallyport ...`; what it printed."""
        done = forked.run(arguments, os.environ | self.sallyport.policy_environment, given)
        assert bool(done.returncode) is fails, done.stderr
        self.said.append(done.stderr if shows_a_secret else done.stdout + done.stderr)
        return done.stdout

    def new_device(self, label: str) -> Login:
        return self._shown(label, "credential", "add", "ada", "--label", label)

    def renewed(self, login: Login) -> Login:
        return self._shown("renewed", "credential", "renew", login.login, "--yes")

    def _shown(self, label: str, *arguments: str) -> Login:
        made = json.loads(self.command(*arguments, "--json", shows_a_secret=True))
        self.wanted.add(f"secret of {label}", made["secret"])
        self.public.add(made["login"])
        return Login(made["login"], made["secret"])

    # Submission

    def authenticate(self, mechanism: str, *responses: bytes, initial: bool = True) -> int:
        """An exchange in a session of its own; the last reply's code."""
        with self.sallyport.client(implicit_tls=True) as client:
            client.ehlo()
            return self.exchange(client, mechanism, list(responses), initial=initial)

    def exchange(self, client: smtplib.SMTP, mechanism: str, responses: list[bytes], *, initial: bool) -> int:
        for one in responses:
            self.note_response(mechanism, one)
        written = [b64encode(one).decode() or "=" for one in responses]
        code, _ = client.docmd("AUTH", f"{mechanism} {written.pop(0)}" if initial else mechanism)
        while code == 334 and written:
            code, _ = client.docmd(written.pop(0))
        return code

    def note_response(self, mechanism: str, response: bytes) -> None:
        """The octets, and what was sent of them; of a login alone only that."""
        if len(response) > 8:
            self.wanted.add(f"response of {mechanism}, as sent", b64encode(response))
            if response.decode(errors="replace") not in self.public:
                self.wanted.add(f"response of {mechanism}", response)

    def scram(self, login: Login) -> int:
        scram = ScramClient(login.login, login.secret, nonce=secrets.token_urlsafe(18))
        with self.sallyport.client(implicit_tls=True) as client:
            client.ehlo()
            self.note_response("SCRAM", scram.first())
            code, challenge = client.docmd("AUTH", f"SCRAM-SHA-256 {b64encode(scram.first()).decode()}")
            assert code == 334
            final = scram.final(b64decode(challenge))
            self.note_response("SCRAM", final)
            self.wanted.add("proof of SCRAM", final.rpartition(b",p=")[2])
            code, _ = client.docmd(b64encode(final).decode())
            return client.docmd("=")[0] if code == 334 else code

    def authenticate_by_certificate(self, octets: bytes, passphrase: str) -> int:
        """As a device does it that was given the PKCS#12 file; its key is a secret as well."""
        key, certificate, _ = pkcs12.load_key_and_certificates(octets, passphrase.encode())
        assert key
        assert certificate
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.wanted.add("key of a client certificate", pem.splitlines()[2])
        file = self.files / "client.pem"
        file.write_bytes(pem + certificate.public_bytes(Encoding.PEM))
        context = self.sallyport.tls()
        context.load_cert_chain(file)
        with smtplib.SMTP_SSL("localhost", self.machines_port, "client.test", context=context, timeout=20) as client:
            client.ehlo()
            return client.docmd("AUTH", "EXTERNAL =")[0]

    def refused_everywhere(self, login: str, secret: str) -> None:
        """In submission and in mail pickup."""
        assert self.authenticate("PLAIN", plain(login, secret)) != 235
        assert not self.pickup or self.pickup.login(login, f'"{secret}"')

    def ask_policy(self, path: str, body: object, *, as_dovecot: bool = False, token: str = "") -> int:
        """As the gateway or Dovecot does it."""
        file = self.sallyport.folder / ("dovecot.token" if as_dovecot else "gateway.token")
        headers = {"Authorization": f"Bearer {token or file.read_text().strip()}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{self.sallyport.policy_port}", trust_env=False) as client:
            if as_dovecot:
                return client.post(path, data=body, headers=headers).status_code  # type: ignore[arg-type]  # a form
            return client.post(path, json=body, headers=headers).status_code

    def login_from(self, client_address: str, login: str, secret: str) -> int:
        """A login from a network that is walled when a trap closes."""
        self.note_response("PLAIN", plain(login, secret))
        return self.ask_policy("/v1/login", login_step(client_address, plain(login, secret)))

    @contextlib.contextmanager
    def broken_database(self) -> Iterator[None]:
        """Every question of the services fails meanwhile, with whatever was asked in their hands."""
        self._rename({name: f"{name}_away" for name in _TABLES})
        try:
            yield
        finally:
            self._rename({f"{name}_away": name for name in _TABLES})

    def _rename(self, names: dict[str, str]) -> None:
        with self.sallyport.store() as connection:
            for before, after in names.items():
                connection.execute(text(f"ALTER TABLE {before} RENAME TO {after}"))

    # Console

    @property
    def origin(self) -> str:
        return f"https://localhost:{self.console_port}"

    @contextlib.contextmanager
    def visitor(self) -> Iterator[Visitor]:
        one = Visitor(self.origin, self.sallyport.tls(), self.wanted.add)
        try:
            yield one
        finally:
            one.close()

    def ask_api(
        self, method: str, path: str, token: str, body: object = None, content: str | None = None
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=f"{self.origin}/api/v1", verify=self.sallyport.tls(), trust_env=False) as client:
            return client.request(method, path, json=body, content=content, headers=headers)


def plain(login: str, secret: str) -> bytes:
    return f"\0{login}\0{secret}".encode()


def login_step(client_address: str, response: bytes) -> dict[str, object]:
    """What the gateway asks."""
    return {
        "session": secrets.token_hex(4),
        "exchange": secrets.token_hex(8),
        "client_address": client_address,
        "listener": "submission",
        "mechanism": "PLAIN",
        "responses": [b64encode(response).decode()],
    }

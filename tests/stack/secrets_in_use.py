"""Everything that takes or makes a secret, used once rightly and in the ways in which people and strangers do it wrong.

What was typed, sent or shown is added to `wanted`, each with a name: test_no_secrets.py looks for all of it.
"""

import contextlib
import json
import os
import secrets
import smtplib
import ssl
import subprocess
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from harness import ROOT, Login, Process, Sallyport, Sink, answers, free_port, until
from pickup import Pickup
from pocket import six_digits
from secret_search import Wanted
from sqlalchemy import text
from visitor import Visitor

sys.path.append(str(ROOT / "tests" / "unit" / "policy"))
from scram_client import ScramClient

SENDER = "ada@sallyport.test"
PASSWORD = 'sieben "stille" Reiher & 100 % über der Mühle'
NEXT_PASSWORD = "nine loud herons; under 'the' bridge"
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
        command = [sys.executable, "-c", "from policy.cli import main; main()", *arguments]
        environment = os.environ | self.sallyport.policy_environment
        done = subprocess.run(
            command, env=environment, input=given, capture_output=True, text=True, check=False, cwd=ROOT
        )
        assert bool(done.returncode) is fails, done.stderr
        self.said.append(done.stderr if shows_a_secret else done.stdout + done.stderr)
        return done.stdout

    def new_device(self, label: str, *, of: str = "ada") -> Login:
        return self._shown(label, "credential", "add", of, "--label", label)

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


def use_devices(run: Run) -> None:
    """Each mechanism, rightly and wrongly; old secrets, decoys, and secrets where none belongs."""
    run.command("identity", "add", "ada", "--address", SENDER)
    laptop, lost = run.new_device("laptop"), run.new_device("lost")
    right = plain(laptop.login, laptop.secret)
    assert run.authenticate("PLAIN", right) == 235
    assert run.authenticate("PLAIN", right, initial=False) == 235
    assert run.authenticate("LOGIN", laptop.login.encode(), laptop.secret.encode(), initial=False) == 235
    assert run.scram(laptop) == 235
    assert run.scram(Login(laptop.login, lost.secret)) == 535
    assert not run.pickup or run.pickup.login(laptop.login, laptop.secret) == ""
    run.refused_everywhere(laptop.secret, laptop.login)  # the two fields mixed up
    run.refused_everywhere(SENDER, laptop.secret)
    run.wanted.add("a wrong secret", wrong := "wr0ng-" + secrets.token_hex(10))
    assert run.authenticate("PLAIN", plain(laptop.login, wrong)) == 535
    with run.sallyport.client(laptop) as client:
        client.sendmail(SENDER, ["friend@elsewhere.example"], f"From: {SENDER}\r\n\r\nhello\r\n")
    run.renewed(laptop)
    assert run.authenticate("PLAIN", right) == 535
    run.command("credential", "revoke", lost.login)
    assert run.authenticate("PLAIN", plain(lost.login, lost.secret)) == 535
    decoy = json.loads(run.command("decoy", "add", "--label", "in the old wiki", "--json", shows_a_secret=True))
    run.wanted.add("a secret for a decoy", guess := secrets.token_urlsafe(16))
    assert run.authenticate("PLAIN", plain(decoy["login"], guess)) == 535
    for number, (login, secret) in enumerate(
        [(laptop.login, laptop.secret), (lost.login, lost.secret), (decoy["login"], guess), (SENDER, lost.secret)]
    ):
        assert run.login_from(f"198.51.{number}.7", login, secret) == 200
        assert run.login_from(f"198.51.{number}.7", login, secret) == 200  # walled


def misuse_submission(run: Run) -> None:
    """What no client of ours would say, each with a secret in it."""
    login = run.new_device("misused")
    whole = plain(login.login, login.secret)
    sent = b64encode(whole).decode()
    run.note_response("PLAIN", whole)
    responses = [whole * 300, whole + b"\0more", whole + b"\x07", b"\xff" + whole, b"\0" + login.secret.encode()]
    lines = [
        *[f"AUTH PLAIN {b64encode(one).decode()}" for one in responses],
        f"AUTH SCRAM-SHA-256 {b64encode(b'n,,n=' + login.secret.encode()).decode()}",
        f"AUTH PLAIN !{sent}",
        f"AUTH PLAIN {sent} {sent}",
        f"AUTH {login.secret}",
        sent,
        login.secret,
        f"{login.secret} {sent}",
        f"MAIL FROM:<{SENDER}> AUTH={login.secret}",
        f"VRFY {login.secret}",
        f"NOOP {sent}",
    ]
    for line in lines:
        for tls in (True, False):
            with contextlib.suppress(smtplib.SMTPServerDisconnected, ConnectionError, ssl.SSLError):
                port = run.sallyport.submission_port
                client = run.sallyport.client() if tls else smtplib.SMTP("localhost", port, "client.test")
                with contextlib.closing(client):
                    client.ehlo()
                    assert client.docmd(line)[0] != 235
    with run.sallyport.client() as client:
        client.ehlo()
        assert client.docmd("AUTH", "LOGIN")[0] == 334
        assert client.docmd(sent + "!")[0] >= 500
        assert run.exchange(client, "PLAIN", [whole], initial=True) == 235
        assert client.docmd("AUTH", f"PLAIN {sent}")[0] == 503
    step = login_step("198.51.100.9", whole)
    assert run.ask_policy("/v1/login", step | {"responses": [login.secret]}) == 422
    assert run.ask_policy("/v1/login", step | {"responses": login.secret}) == 422
    assert run.ask_policy("/v1/login", step | {"secret": login.secret}) == 422
    run.wanted.add("a wrong token for policy", wrong := secrets.token_urlsafe(32))
    assert run.ask_policy("/v1/login", step, token=wrong) == 401
    form = {"login": login.login, "secret": login.secret, "client_address": "198.51.100.9"}
    assert run.ask_policy("/v1/dovecot/login", form, as_dovecot=True, token=wrong) == 401
    assert run.ask_policy("/v1/dovecot/login", form, as_dovecot=True) in (200, 403)


def use_other_proofs(run: Run) -> None:
    """Passwords of another server, a certificate, a directory and an issuer that do not answer."""
    import_passwords(run)
    file = run.files / "printer.p12"
    made = json.loads(
        run.command(
            *("credential", "add", "ada", "--label", "printer", "--issue-certificate", str(file), "--json"),
            shows_a_secret=True,
        )
    )
    run.wanted.add("passphrase of a certificate", made["passphrase"])
    run.command("credential", "add", "ada", "--label", "desk", "--ldap", "ada.l")
    run.wanted.add("password of the directory", password := "Herbst 2026 " + secrets.token_urlsafe(9))
    assert run.authenticate("PLAIN", plain("ada.l", password)) == 454
    run.command("credential", "add", "ada", "--label", "web", "--oidc", "subject-of-ada")
    header = b64encode(json.dumps({"alg": "RS256", "kid": "1"}).encode()).decode().rstrip("=")
    claims = {"iss": "http://127.0.0.1:1/realm", "aud": "mail", "sub": "subject-of-ada", "exp": time.time() + 300}
    token = f"{header}.{b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.{secrets.token_urlsafe(256)}"
    run.wanted.add("a token of the issuer", token)
    run.wanted.add("the signature of a token", token.rpartition(".")[2])
    bearer = f"n,,\x01auth=Bearer {token}\x01\x01".encode()
    assert run.authenticate("OAUTHBEARER", bearer) != 235
    assert run.authenticate("OAUTHBEARER", bearer[:-1]) != 235
    assert run.authenticate("XOAUTH2", f"user={SENDER}\x01auth=Bearer {token}\x01\x01".encode()) != 235
    assert run.authenticate("PLAIN", plain(SENDER, token)) != 235


def import_passwords(run: Run) -> None:
    """A hash, and a secret in clear; then a file with a line that cannot be taken."""
    from argon2 import PasswordHasher  # noqa: PLC0415 - beside its use

    hashed, clear = "Old Password " + secrets.token_hex(6), "clear{}Password" + secrets.token_hex(6)
    run.wanted.add("a password of the old server", hashed)
    run.wanted.add("a password that stood in clear", clear)
    lines = f"eve:{{ARGON2ID}}{PasswordHasher(1, 64, 1).hash(hashed)}::::::\nmax:{{PLAIN}}{clear}::::::\n"
    until_day = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 30 * 86400))
    arguments = ("import", "dovecot-passwd", "-", "--until", until_day)
    run.command(*arguments, given=lines)
    assert run.authenticate("PLAIN", plain("eve", hashed)) == 235
    assert run.authenticate("PLAIN", plain("max", clear)) == 235
    assert run.authenticate("PLAIN", plain("max", hashed)) == 535
    for scheme in ("CRAM-MD5", "NO-SUCH", "SSHA", "PLAIN.HEX"):
        run.command(*arguments, given=f"bob:{{{scheme}}}{clear}::::::\n", fails=True)
    csv = f'username,password\nbob@sallyport.test,"{clear}\n'
    run.command("import", "mailcow", "-", "--until", until_day, given=csv, fails=True)


def use_console(run: Run) -> None:
    """From the link to a device, and everything that is typed wrongly on the way."""
    link = json.loads(run.command("invite", "grace", "--address", "grace@sallyport.test", "--json", shows_a_secret=True))
    path = link["url"].removeprefix(run.origin)
    run.wanted.add("token of an invitation", path.rpartition("/")[2])
    run.wanted.add("password of the console", PASSWORD)
    run.wanted.add("another password of the console", NEXT_PASSWORD)
    with run.visitor() as person:
        person.get(f"{path}/nothing")
        person.get(f"/?invite={path}")
        person.get(path)
        assert person.post(path, password=PASSWORD, again=NEXT_PASSWORD) == 400
        assert person.post(path, password=PASSWORD, again=PASSWORD) == 200
        seed = person.shown("totp-key")
        run.wanted.add("seed of TOTP", seed)
        code = six_digits(seed, time.time())
        run.wanted.add("code of TOTP", code)
        assert person.post(f"{path}/passkey", answer=json.dumps({"id": PASSWORD}), label="key") == 400
        assert person.post(f"{path}/code", code=code, label="phone") == 200
        codes = recovery_codes(run, person)
        use_own_pages(run, person)
    with run.visitor() as person:
        person.get("/sign-in")
        for name, password in (("grace", NEXT_PASSWORD + "!"), (PASSWORD, "grace"), ("nobody", PASSWORD)):
            run.wanted.add("a wrong password of the console", NEXT_PASSWORD + "!")
            assert person.post("/sign-in", name=name, password=password) == 400
        assert person.post("/sign-in", name="grace", password=NEXT_PASSWORD) == 200
        assert person.post("/sign-in/code", code=code) == 400  # taken already
        assert person.post("/sign-in/code", code=codes[0]) == 200
        assert "/sign-out" in person.page
        person.page = ""
        assert person.post("/account/password", current=NEXT_PASSWORD, password=PASSWORD, again=PASSWORD) == 403
    run.command("person", "reset", "grace", "--yes", shows_a_secret=True)


def recovery_codes(run: Run, person: Visitor) -> list[str]:
    codes = [part.partition("</code>")[0] for part in person.page.split("<li><code>")[1:]]
    assert len(codes) == 10
    for code in codes:
        run.wanted.add("a recovery code", code)
    return codes


def use_own_pages(run: Run, person: Visitor) -> None:
    """A device with its profile, other recovery codes, another password, and the way out."""
    person.get("/devices/new")
    fields = {"scope_submit": "yes", "scope_imap": "yes", "kind": "apple", "address": "grace@sallyport.test"}
    assert person.post("/devices/new", label="tablet", **fields) == 200
    login, secret = person.shown("login"), person.shown("secret")
    run.public.add(login)
    run.wanted.add("secret of a device of the console", secret)
    assert run.authenticate("PLAIN", plain(login, secret)) == 235
    assert person.post("/devices/profile", login=login, secret=secret, address="grace@sallyport.test") == 200
    assert person.post("/devices/rename", login=secret, label="x") in (400, 404)
    person.get("/account")
    assert person.post("/account/password", current=NEXT_PASSWORD, password=PASSWORD, again=PASSWORD) == 400
    assert person.post("/account/password", current=PASSWORD, password=NEXT_PASSWORD, again=NEXT_PASSWORD) == 200


def use_api(run: Run) -> None:
    """A token, and a wrong one; what the API makes, and bodies that it refuses."""
    made = json.loads(
        run.command(*["token", "add", "tests", "--scope", "read", "--scope", "write", "--scope", "audit", "--json"], shows_a_secret=True)
    )
    token = made["token"]
    run.wanted.add("token of the API", token)
    run.wanted.add("a wrong token of the API", wrong := secrets.token_urlsafe(32))
    assert run.ask_api("GET", "/identities", token).status_code == 200
    assert run.ask_api("GET", "/identities", wrong).status_code == 401
    assert run.ask_api("GET", f"/identities?access_token={token}", wrong).status_code == 401
    assert run.ask_api("GET", f"/{token}", token).status_code == 404
    body = {"kind": "secret", "label": "by the API"}
    device = run.ask_api("POST", "/identities/ada/credentials", token, body).json()
    run.public.add(device["login"])
    run.wanted.add("secret that the API made", device["secret"])
    assert run.ask_api("POST", "/identities/ada/credentials", token, body | {"secret": token}).status_code == 422
    run.wanted.add("a password in clear, by the API", clear := "clear{}Password" + secrets.token_hex(6))
    until_day = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 30 * 86400))
    path = f"/imports/dovecot-passwd?domain=sallyport.test&until={until_day}"
    for scheme, status in (("NO-SUCH", 409), ("PLAIN", 200)):
        assert run.ask_api("POST", path, token, content=f"tom:{{{scheme}}}{clear}::::::").status_code == status
    assert run.authenticate("PLAIN", plain("tom", clear)) == 235
    invite = run.ask_api("POST", "/identities/ada/invite", token, {}).json()
    run.wanted.add("token of an invitation by the API", invite["url"].rpartition("/")[2])
    with run.broken_database():
        for path in ("/identities", f"/credentials/{device['login']}", "/submissions", "/token"):
            assert run.ask_api("GET", path, token).status_code == 500
        ask_while_broken(run, device["login"], device["secret"], invite["url"])


def ask_while_broken(run: Run, login: str, secret: str, link: str) -> None:
    """Errors of ours, with the secrets in hand."""
    assert run.authenticate("PLAIN", plain(login, secret)) == 454
    assert run.authenticate("LOGIN", login.encode(), secret.encode(), initial=False) == 454
    assert run.authenticate("PLAIN", plain(secret, secret)) == 454
    assert not run.pickup or "UNAVAILABLE" in run.pickup.login(secret, login)
    with run.visitor() as person:
        assert person.get(link.removeprefix(run.origin)) == 500
        person.get("/sign-in")
        assert person.post("/sign-in", name=PASSWORD, password=NEXT_PASSWORD) == 500
    run.command("credential", "list", fails=True)
    run.command("credential", "renew", login, "--yes", fails=True)


def look_at_everything(run: Run) -> None:
    """What commands tell of it afterwards."""
    for arguments in ("identity list", "credential list", "invite list", "audit list", "trap list", "token list"):
        run.command(*arguments.split(), "--json")
    for arguments in ("submission list", "network list ada", "decoy list", "import pending", "identity show ada"):
        run.command(*arguments.split(), "--json")
    run.command("backup", str(run.files / "backup.tar.gz"))

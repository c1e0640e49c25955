"""Everything that takes or makes a secret, used once rightly and in the ways in which people and strangers do it wrong.

What was typed, sent or shown is added to `wanted`, each with a name: test_no_secrets.py looks for all of it.
"""

import contextlib
import json
import secrets
import smtplib
import ssl
import time
from base64 import b64encode

from harness import Login
from pocket import six_digits
from services_in_use import Run, login_step, plain
from visitor import Visitor

SENDER = "ada@sallyport.test"
PASSWORD = 'sieben "stille" Reiher & 100 % über der Mühle'
NEXT_PASSWORD = "nine loud herons; under 'the' bridge"


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
    assert run.authenticate_by_certificate(file.read_bytes(), made["passphrase"]) == 235
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
    link = json.loads(
        run.command("invite", "grace", "--address", "grace@sallyport.test", "--json", shows_a_secret=True)
    )
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
        run.command(
            *["token", "add", "tests", "--scope", "read", "--scope", "write", "--scope", "audit", "--json"],
            shows_a_secret=True,
        )
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

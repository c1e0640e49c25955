"""A message sent with a token and with a directory's password, through the real gateway and policy."""

import base64
import json
import smtplib
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from directory_server import ADA, ADAS_PASSWORD, PEOPLE, Directory
from harness import Sallyport, Sink, until
from issuer_server import AUDIENCE, KEYS, Issuer

ADDRESS = "lovelace@sallyport.test"  # neither her login nor a part of it
SUBJECT = "248289761001"
REFUSED = (535, b"5.7.8 Authentication credentials invalid")
MESSAGE = f"From: {ADDRESS}\r\nTo: bob@elsewhere.example\r\nSubject: %s\r\n\r\nHello\r\n"


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    """An issuer that the tests of this module share."""
    one = Issuer(tmp_path_factory.mktemp("issuer")).start()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def bridged(
    tmp_path_factory: pytest.TempPathFactory, sink: Sink, issuer: Issuer, directory: Directory
) -> Iterator[Sallyport]:
    """Gateway and policy with both bridges; ada has a credential of each kind."""
    settings = {
        "POLICY_OIDC_ISSUER": issuer.url,
        "POLICY_OIDC_AUDIENCE": f"calendar,{AUDIENCE}",
        "POLICY_OIDC_SCOPE": "mail",
        "POLICY_OIDC_CA": str(issuer.ca),
        "POLICY_LDAP_URL": directory.ldap,
        "POLICY_LDAP_CA": str(directory.ca),
        "POLICY_LDAP_BIND_DN": "uid={login}," + PEOPLE,
        "POLICY_LDAP_TIMEOUT_S": "4",
    }
    offered = {"GATEWAY_MECHANISMS": "OAUTHBEARER,XOAUTH2,PLAIN,LOGIN"}
    one = Sallyport(tmp_path_factory.mktemp("bridged"), sink.smtp_port, settings, offered)
    try:
        one.start()
        one.cli("identity", "add", "lovelace", "--address", ADDRESS)
        one.cli("credential", "add", "lovelace", "--label", "directory", "--ldap", "ada")
        one.cli("credential", "add", "lovelace", "--label", "by name", "--ldap", "countess", "--dn", ADA)
        yield one
    finally:
        one.stop()


@pytest.fixture(scope="module")
def login(bridged: Sallyport) -> str:
    """That of her credential which tokens prove."""
    made = bridged.cli("credential", "add", "lovelace", "--label", "sign-in", "--oidc", SUBJECT, "--json")
    return str(json.loads(made)["login"])


class Conversation:
    """What a client says in one exchange: the token, and then the answer to an error. `heard` are the challenges."""

    def __init__(self, mechanism: str, name: str, token: str) -> None:
        header = f"n,{f'a={name}' if name else ''}," if mechanism == "OAUTHBEARER" else f"user={name}"
        self._message = f"{header}\x01auth=Bearer {token}\x01\x01"
        self._end = "\x01" if mechanism == "OAUTHBEARER" else ""
        self.heard: list[bytes] = []

    def __call__(self, challenge: bytes | None = None) -> str:
        if challenge is None:
            return self._message
        self.heard.append(challenge)
        return self._end


def said_to(bridged: Sallyport, mechanism: str, conversation: Conversation) -> tuple[int, bytes]:
    """The last word of an exchange."""
    client = bridged.client()
    client.ehlo()
    try:
        return client.auth(mechanism, conversation)
    except smtplib.SMTPAuthenticationError as error:
        return error.smtp_code, bytes(error.smtp_error)
    finally:
        client.close()


def is_sent(bridged: Sallyport, sink: Sink, client: smtplib.SMTP, subject: str) -> bool:
    """Whether a message goes all the way; its sender is hers."""
    client.sendmail(ADDRESS, ["bob@elsewhere.example"], MESSAGE % subject)
    client.quit()
    return until(lambda: any(one["subject"] == subject for one in sink.messages()), "the message has arrived")


def test_both_are_offered(bridged: Sallyport) -> None:
    """As the administrator has named them."""
    with bridged.client() as client:
        client.ehlo()
        assert client.esmtp_features["auth"].split() == ["OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN"]


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
@pytest.mark.parametrize("is_named", [True, False], ids=["with the login", "the token alone"])
def test_a_message_with_a_token(
    bridged: Sallyport, sink: Sink, issuer: Issuer, login: str, mechanism: str, is_named: bool
) -> None:
    """Logged in by one response, and sent as the identity that the token's subject is."""
    client = bridged.client()
    client.ehlo()
    conversation = Conversation(mechanism, login if is_named else "", issuer.token(time.time()))
    assert client.auth(mechanism, conversation)[0] == 235
    assert not conversation.heard
    assert is_sent(bridged, sink, client, f"{mechanism} {is_named}")


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_tokens_that_are_no_good(bridged: Sallyport, issuer: Issuer, login: str, mechanism: str) -> None:
    """Expired, for another service, of nobody here, without the scope, for another login: the same words for all."""
    now = time.time()
    status = {"OAUTHBEARER": "invalid_token", "XOAUTH2": "401"}[mechanism]
    bad = {
        "expired": (login, issuer.token(now, exp=now - 60)),
        "for another service": (login, issuer.token(now, aud="wiki")),
        "of nobody here": ("", issuer.token(now, sub="nobody")),
        "without the scope": (login, issuer.token(now, scope="openid")),
        "for another login": ("ada", issuer.token(now)),
        "with an address": (ADDRESS, issuer.token(now)),
        "changed": (login, issuer.token(now)[:-8] + "AAAAAAAA"),
        "none": (login, ""),
    }
    for name, token in bad.values():
        conversation = Conversation(mechanism, name, token)
        assert said_to(bridged, mechanism, conversation) == REFUSED
        assert [json.loads(one)["status"] for one in conversation.heard] == [status]
    assert said_to(bridged, mechanism, Conversation(mechanism, login, issuer.token(time.time())))[0] == 235


def test_the_issuer_changes_its_key(bridged: Sallyport, issuer: Issuer, login: str) -> None:
    """While both run: the next token makes policy look for its key, once the last look is a moment ago."""
    before = issuer.asked[KEYS]
    issuer.rotate("ES256", "second")
    answer = until(
        lambda: next(iter([one for one in [_token_login(bridged, issuer, login)] if one[0] != 454]), None),
        "policy has looked",
        deadline_s=30,
    )
    assert answer[0] == 235
    assert issuer.asked[KEYS] == before + 1


def _token_login(bridged: Sallyport, issuer: Issuer, login: str) -> tuple[int, bytes]:
    return said_to(bridged, "OAUTHBEARER", Conversation("OAUTHBEARER", login, issuer.token(time.time())))


def test_a_revoked_credential(bridged: Sallyport, issuer: Issuer) -> None:
    """The issuer still vouches for her; here she has no credential any more."""
    made = json.loads(bridged.cli("credential", "add", "lovelace", "--label", "lent", "--oidc", "lent", "--json"))
    conversation = Conversation("OAUTHBEARER", made["login"], issuer.token(time.time(), sub="lent"))
    assert said_to(bridged, "OAUTHBEARER", conversation)[0] == 235
    bridged.cli("credential", "revoke", made["login"])
    assert said_to(bridged, "OAUTHBEARER", conversation) == REFUSED


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("name", ["ada", "countess"])
def test_a_message_with_the_directorys_password(bridged: Sallyport, sink: Sink, name: str, mechanism: str) -> None:
    """By the template of the settings, and by the credential's own DN."""
    client = bridged.client()
    client.ehlo()
    client.user, client.password = name, ADAS_PASSWORD
    assert client.auth(mechanism, getattr(client, f"auth_{mechanism.lower()}"))[0] == 235
    assert is_sent(bridged, sink, client, f"{name} {mechanism}")


def plain(bridged: Sallyport, name: str, password: str) -> tuple[int, bytes]:
    """The answer to AUTH PLAIN."""
    with bridged.client() as client:
        client.ehlo()
        return client.docmd("AUTH", "PLAIN " + base64.b64encode(f"\0{name}\0{password}".encode()).decode())


def pick_up(bridged: Sallyport, name: str, password: str) -> tuple[int, str]:
    """What Dovecot is told."""
    form = {"login": name, "secret": password, "client_address": "127.0.0.1", "protocol": "imap", "session_id": "s"}
    token = Path(bridged.policy_environment["POLICY_DOVECOT_TOKEN_FILE"]).read_text().strip()
    asked = urllib.request.Request(
        f"http://127.0.0.1:{bridged.policy_port}/v1/dovecot/login",
        urllib.parse.urlencode(form).encode(),
        {"Authorization": f"Bearer {token}"},
    )
    try:
        with urllib.request.urlopen(asked) as answer:  # noqa: S310 - our own
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, ""


def test_passwords_that_are_no_good(bridged: Sallyport) -> None:
    """Wrong, and of an entry that has no credential here; empty is no password in any mechanism."""
    assert plain(bridged, "ada", "wrong") == REFUSED
    assert plain(bridged, "bob", "bobs password") == REFUSED
    assert plain(bridged, "ada", "")[0] == 501
    assert plain(bridged, "ada", ADAS_PASSWORD)[0] == 235


def test_mail_is_picked_up_with_the_same_password(bridged: Sallyport) -> None:
    """Dovecot asks with the login and the password that were typed, and hears whose mailbox it is."""
    assert pick_up(bridged, "ada", ADAS_PASSWORD) == (200, "lovelace")
    assert pick_up(bridged, "ada", "wrong") == (403, "")
    assert pick_up(bridged, "ada", "") == (403, "")


def test_a_directory_that_hangs(bridged: Sallyport, directory: Directory) -> None:
    """Nobody is told that a password is wrong; other logins are not held up."""
    device = bridged.cli("credential", "add", "lovelace", "--label", "laptop", "--json")
    made = json.loads(device)
    directory.hang()
    try:
        assert plain(bridged, "ada", ADAS_PASSWORD)[0] == 454
        assert pick_up(bridged, "ada", ADAS_PASSWORD) == (429, "")
        assert plain(bridged, made["login"], made["secret"])[0] == 235
    finally:
        directory.go_on()
    assert plain(bridged, "ada", ADAS_PASSWORD)[0] == 235


def test_no_token_and_no_password_is_in_a_log(bridged: Sallyport, issuer: Issuer, login: str) -> None:
    """Not of those that were refused, and not of those that were let in."""
    token = issuer.token(time.time())
    assert said_to(bridged, "XOAUTH2", Conversation("XOAUTH2", login, token))[0] == 235
    assert said_to(bridged, "XOAUTH2", Conversation("XOAUTH2", login, token[:-4] + "AAAA")) == REFUSED
    logs = bridged.policy.text() + bridged.gateway.text()
    assert "login-granted" in logs
    for secret in (
        token[-20:],
        token.split(".")[1][:40],
        ADAS_PASSWORD,
        base64.b64encode(ADAS_PASSWORD.encode())[:12].decode(),
    ):
        assert secret not in logs

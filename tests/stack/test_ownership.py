"""Who may send as whom, through gateway and real Postfix to the receiving server: UTF-8, shared addresses, names."""

import json
import smtplib
from collections.abc import Iterator

import pytest
from harness import Login, Postfix, Sallyport, Sink

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(not Postfix.is_possible(), reason="needs root and Debian's postfix on this machine"),
]

UTF8 = "jürgen@bücher.example"
ASCII_DOMAIN = "jürgen@xn--bcher-kva.example"
SHARED, OWN = "sales@sallyport.test", "ada@sallyport.test"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[Sallyport]:
    """Gateway and policy in front of a private Postfix that delivers to the sink."""
    postfix = Postfix(tmp_path_factory.mktemp("postfix"), sink.smtp_port).start()
    one = Sallyport(tmp_path_factory.mktemp("sallyport"), postfix.port)
    try:
        yield one.start()
    finally:
        one.stop()
        postfix.stop()


@pytest.fixture(scope="module")
def ada(stack: Sallyport) -> Login:
    """Owns OWN with its subaddresses and UTF8, and may send as SHARED, which is an application's."""
    stack.cli("identity", "add", "desk", "--profile", "app", "--address", SHARED, "--address", "@shop.example")
    login = stack.new_login("ada", UTF8)
    stack.cli("address", "add", "ada", OWN, "--subaddresses")
    stack.cli("address", "allow", SHARED, "ada")
    return login


def send(stack: Sallyport, login: Login, sender: str, recipient: str, fields: str) -> None:
    """One message in UTF-8; smtplib's error where it is refused."""
    message = f"{fields}\r\nSubject: Grüße\r\n\r\nhello\r\n".encode()
    with stack.client(login) as client:
        client.sendmail(sender, [recipient], message, mail_options=["SMTPUTF8", "BODY=8BITMIME"])


SENT = [
    # what it shows, envelope sender, header fields, recipient's local part
    ("an address in UTF-8", UTF8, f"From: Jürgen <{UTF8}>", "utf8"),
    ("its domain in ASCII", ASCII_DOMAIN, f"From: {ASCII_DOMAIN}\r\nSender: {UTF8}", "ascii-domain"),
    ("an address that is shared", SHARED, f"From: Sales <{SHARED}>\r\nSender: Ada <{OWN}>", "shared"),
    ("a subaddress", "ada+lists@sallyport.test", "From: ada+lists@sallyport.test", "subaddress"),
    ("a notification", "", f"From: {OWN}", "notification"),
]


@pytest.mark.parametrize(("sender", "fields", "name"), [c[1:] for c in SENT], ids=[c[0] for c in SENT])
def test_an_own_sender_arrives(stack: Sallyport, ada: Login, sink: Sink, sender: str, fields: str, name: str) -> None:
    """As it was given, in the envelope and in the header section."""
    send(stack, ada, sender, f"{name}@elsewhere.example", fields)
    (found,) = sink.messages(f"recipient={name}@elsewhere.example&wait=60")
    assert found["envelope"]["mail_from"] == sender
    assert fields.encode() in sink.raw(found["id"])


REFUSED = [
    # what it shows, envelope sender, header fields, reply
    ("a letter without its mark", "jurgen@bücher.example", f"From: {OWN}", 553),
    ("another's domain", "ada@shop.example", f"From: {OWN}", 553),
    ("a subaddress of a shared address", "sales+x@sallyport.test", f"From: {OWN}", 553),
    ("another's address in From", UTF8, "From: desk@shop.example", 550),
    ("another's address in Sender", UTF8, f"From: {UTF8}\r\nSender: desk@shop.example", 550),
    ("another's address as a name", UTF8, f'From: "ceo\uff20bank.example" <{UTF8}>', 550),
]


@pytest.mark.parametrize(("sender", "fields", "code"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED])
def test_a_sender_of_somebody_else_does_not(
    stack: Sallyport, ada: Login, sink: Sink, sender: str, fields: str, code: int
) -> None:
    """At MAIL or at the message, for good; and nothing is counted."""
    before = stack.spent("ada")
    with pytest.raises(smtplib.SMTPException) as refusal:
        send(stack, ada, sender, "nobody@elsewhere.example", fields)
    assert getattr(refusal.value, "smtp_code", None) == code
    assert stack.spent("ada") == before
    assert not sink.messages("recipient=nobody@elsewhere.example")


def test_what_is_owned_is_what_the_store_shows(stack: Sallyport, ada: Login) -> None:
    """In one spelling."""
    shown = json.loads(stack.cli("identity", "show", "ada", "--json"))
    assert set(shown["addresses"]) == {ASCII_DOMAIN, OWN}
    assert (shown["subaddressed"], shown["sends_as"]) == ([OWN], [SHARED])

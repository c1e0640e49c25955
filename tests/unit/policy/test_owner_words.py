"""What owners are told, in both languages, without a secret and with no link but the console's; the second address."""

import json
import re
from collections.abc import Callable
from email.message import EmailMessage

import pytest
from sqlalchemy import Engine, select

from policy.alerting import mails
from policy.alerting.kinds import Kind
from policy.alerting.mails import Mailing, ToOwner
from policy.alerting.owner_words import owner_mail
from policy.alerting.parcels import Notice, Parcel
from policy.store.database import Location
from policy.store.errors import StoreError
from policy.store.identities import IdentityStore
from policy.store.incident_models import Notices
from policy.store.reader import open_reader
from policy.store.rows import Profile

T = 1_700_000_000.0
URL = "https://mail.example.org"
TOLD = [
    # what it is, a word of each language
    (Kind.INCIDENT_OPENED, "Was this you?", "Waren Sie das?"),
    (Kind.INCIDENT_ESCALATED, "restricted", "eingeschränkt"),
    (Kind.INCIDENT_CONTAINED, "suspended", "gesperrt"),
    (Kind.INCIDENT_RELEASED, "as before", "wie zuvor"),
    (Kind.INCIDENT_PURGED, "deleted", "gelöscht"),
    (Kind.INCIDENT_CLOSED, "settled", "erledigt"),
    (Kind.HELD_EXPIRING, "deleted soon", "bald gelöscht"),
    (Kind.NOTICE_ADDRESS_CHANGED, "second address", "Zweitadresse"),
    (Kind.NETWORK_TRUSTED, "counts as yours", "gilt jetzt als Ihres"),
]


@pytest.mark.parametrize(("kind", "english", "german"), TOLD)
def test_both_languages(kind: Kind, english: str, german: str) -> None:
    """In the subject and in the text; lines as short as mail programs like them."""
    mail = owner_mail(kind, {}, URL, T)
    assert english in mail.subject
    assert german in mail.subject
    assert "\n" not in mail.subject
    assert max(len(line) for line in mail.text.splitlines()) <= 120
    for part in ("When: 2023-11-14 22:13 UTC", "Wann: 2023-11-14 22:13 UTC", "none asks for a password", "einen Link"):
        assert part in mail.text


@pytest.mark.parametrize(("home", "goes_on"), [("free", True), ("hold", False), ("restrict", False), ("lock", False)])
def test_who_may_go_on_at_home_is_told_so(home: str, goes_on: bool) -> None:
    """And nobody else."""
    text = owner_mail(Kind.INCIDENT_ESCALATED, {"home_step": home}, URL, T).text
    assert ("From your own networks you can go on" in text) is goes_on
    assert ("Aus Ihren eigenen Netzen können Sie" in text) is goes_on


def test_a_release_is_no_word_about_what_it_was() -> None:
    """After a theft it gives the account back, and what was held is deleted by then (docs/containment.md)."""
    text = owner_mail(Kind.INCIDENT_RELEASED, {}, URL, T).text
    assert "nothing:" not in text
    assert "dass nichts war" not in text
    assert "What was deleted stays deleted" in text
    assert "bleibt gelöscht" in text


@pytest.mark.parametrize("kind", [kind for kind, *_ in TOLD])
def test_its_only_link_is_the_address_of_the_console(kind: Kind) -> None:
    """Nobody is signed in by it, and facts are not printed: parts of them may be a stranger's."""
    facts = {"incident": 7, "identity": "ada", "token": "s3cret", "client": "http://evil.example", "{url}": "x"}
    mail = owner_mail(kind, facts, f"{URL}/", T, more=3)
    assert set(re.findall(r"https?://\S+", mail.text)) == {f"{URL}/"}
    assert "s3cret" not in mail.text
    assert "4 events" in mail.text
    assert not re.search(r"[{}]", mail.text)


def test_until_when() -> None:
    mail = owner_mail(Kind.HELD_EXPIRING, {"until": T + 86400}, URL, T)
    assert mail.text.count("2023-11-15 22:13 UTC") == 2
    assert "soon" not in owner_mail(Kind.INCIDENT_PURGED, {"until": T}, URL, T).text


ADDRESSES = [
    # what it shows, given, kept; None where it is refused
    ("another domain", "Ada@Elsewhere.example", "ada@elsewhere.example"),
    ("a domain that is no ASCII", "ada@Bücher.example", "ada@xn--bcher-kva.example"),
    ("a colleague's", "bob@example.org", "bob@example.org"),
    ("none", "", ""),
    ("blanks", "  ", ""),
    ("its own", "ADA@example.org", None),
    ("its own with a detail", "ada+phone@example.org", None),
    ("a whole domain", "@elsewhere.example", None),
    ("a line end", "ada@elsewhere.example\nBcc: x@y.example", None),
    ("two", "a@b.example,c@d.example", None),
    ("a name", "ada", None),
]


@pytest.mark.parametrize(("given", "kept"), [c[1:] for c in ADDRESSES], ids=[c[0] for c in ADDRESSES])
def test_second_addresses(store: IdentityStore, given: str, kept: str | None) -> None:
    """The same for an identity that is new and for one that is there."""
    store.add_identity("ada", ("ada@example.org",), T)
    changes: list[Callable[[], object]] = [
        lambda: store.change_identity("ada", T, notice_address=given),
        lambda: store.add_identity("eve", ("ada+phone@example.net", "ada@example.com"), T, notice_address=given),
    ]
    if kept is None:
        with pytest.raises(StoreError):
            changes[0]()
        assert store.identity("ada").notice_address == ""
        return
    for change, name in zip(changes, ("ada", "eve"), strict=True):
        change()
        assert store.identity(name).notice_address == kept


def test_an_application_owns_its_whole_domain(store: IdentityStore) -> None:
    store.add_identity("shop", ("@example.org",), T, profile=Profile.APP)
    with pytest.raises(StoreError, match="of this identity itself"):
        store.change_identity("shop", T, notice_address="anybody@example.org")


def test_who_is_told_of_a_change(store: IdentityStore, engine: Engine) -> None:
    """The owner at the addresses before and after, each time; the administrator once. Nothing where nothing changes."""
    store.add_identity("ada", ("ada@example.org",), T)
    for now, address in enumerate(("a@one.example", "a@two.example", "a@two.example", "")):
        store.change_identity("ada", T + now, notice_address=address)
    with engine.connect() as connection:
        rows = connection.execute(select(Notices.channel, Notices.kind, Notices.content).order_by(Notices.id)).all()
    owners = [json.loads(content)["facts"]["also_to"] for channel, _, content in rows if channel == "owner:ada"]
    assert owners == [[], ["a@one.example"], ["a@two.example"]]
    assert {kind for _, kind, _ in rows} == {"notice-address-changed"}
    assert [channel for channel, *_ in rows].count("administrator") == 1


def noticed(number: int, kind: Kind, thread: str, also_to: tuple[str, ...] = ()) -> Notice:
    facts = {"also_to": also_to}
    return Notice(
        id=number, at=T, kind=kind, thread=thread, subject="x", lines=(), facts=facts, count=1, tries=1
    )  # fmt: skip


async def test_what_goes_together_leaves_nobody_out(
    store: IdentityStore, database: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two changes within an hour: all addresses hear of it. And a change does not hide the question."""
    store.add_identity("ada", ("ada@example.org", "countess@example.org"), T, notice_address="a@three.example")
    sent: list[tuple[str, EmailMessage]] = []

    async def send(_: Mailing, message: EmailMessage, recipient: str) -> None:
        sent.append((recipient, message))

    monkeypatch.setattr(mails, "_send", send)
    reader = open_reader(database)
    changed = [
        noticed(number, Kind.NOTICE_ADDRESS_CHANGED, f"change:{number}", (address,))
        for number, address in enumerate(("a@one.example", "a@two.example"), 1)
    ]
    parcel = Parcel(channel="owner:ada", notices=(noticed(0, Kind.INCIDENT_OPENED, "incident:1"), *changed))
    mailing = Mailing(relay="x:25", recipient="postmaster@example.org", author="p@example.org", hostname="mail.test")
    await ToOwner(mailing, lambda: T, reader, URL).carry(parcel)
    await reader.close()
    assert {one for one, _ in sent} == {"a@one.example", "a@two.example", "a@three.example", "ada@example.org"}
    for recipient, message in sent:
        assert message["To"] == recipient, "no address sees the others"
        assert message["Subject"].startswith("Was this you?")
        assert "second address" not in message["Subject"]
        assert "was changed or removed" in message.get_content()

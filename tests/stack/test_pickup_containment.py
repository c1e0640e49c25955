"""Mail pickup when a credential turns out to be stolen, with a real Dovecot: sessions end, and who may come back.

The owner's network and the thief's are two of loopback's.
"""

import contextlib
import imaplib
from collections.abc import Callable, Iterator

import pytest
from harness import Login, Sink, until
from mail_program import MailProgram, is_alive, pickup_with_doveadm
from pickup import Pickup
from stolen import Thief

from policy.engine.ladder import Step
from policy.store.audit import Actor
from policy.store.database import open_database
from policy.store.identities import IdentityStore, read_key

pytestmark = pytest.mark.skipif(not Pickup.is_possible(), reason="needs Dovecot, and root")

HOME, ABROAD = "127.0.0.1", "127.0.9.1"  # 127.0.0.0/24 and 127.0.9.0/24
Session = Callable[[Login, str], MailProgram]


@pytest.fixture(scope="module")
def pickup(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[Pickup]:
    with pickup_with_doveadm(tmp_path_factory.mktemp("contained"), sink) as one:
        yield one


@pytest.fixture(scope="module")
def store(pickup: Pickup) -> Iterator[IdentityStore]:
    """The hands of an administrator."""
    state = pickup.sallyport.folder / "state"
    engine = open_database(state / "sallyport.db")
    yield IdentityStore(engine, read_key(state / "digest.key"), Actor("cli:test", "localhost"))
    engine.dispose()


@pytest.fixture
def session(pickup: Pickup) -> Iterator[Session]:
    """Opens sessions, which are closed at the end of the test."""
    opened: list[MailProgram] = []

    def open_one(login: Login, address: str) -> MailProgram:
        opened.append(MailProgram(pickup, address))
        opened[-1].login(login.login, login.secret)
        return opened[-1]

    yield open_one
    for one in opened:
        with contextlib.suppress(OSError):
            one.shutdown()


def is_let_in(pickup: Pickup, login: Login, address: str) -> bool:
    client = MailProgram(pickup, address)
    try:
        client.login(login.login, login.secret)
    except imaplib.IMAP4.error:
        return False
    else:
        return True
    finally:
        client.shutdown()


def test_lock_ends_sessions_and_only_home_comes_back(pickup: Pickup, store: IdentityStore, session: Session) -> None:
    """Both sessions end: Dovecot knows them by mailbox. Abroad the same secret opens nothing more; at home it does."""
    ada = pickup.sallyport.new_login("ada", "ada@sallyport.test")
    pickup.sallyport.cli("network", "confirm", "ada", HOME)
    owner, thief = session(ada, HOME), session(ada, ABROAD)
    assert is_alive(owner)
    assert is_alive(thief)
    now = store.credential(ada.login).created_at + 60
    Thief(store._engine, "ada", ada.login, now).raise_signal(Step.LOCK, address=ABROAD)
    until(lambda: not is_alive(thief) and not is_alive(owner), "both sessions end")
    assert not is_let_in(pickup, ada, ABROAD)
    assert is_let_in(pickup, ada, HOME)
    store.answer_incident(1, "ada", True, now + 60, trusted=["127.0.9.0/24"])
    assert is_let_in(pickup, ada, ABROAD), "the owner said that it was him"


def test_contained_is_refused_everywhere_until_it_is_released(
    pickup: Pickup, store: IdentityStore, session: Session
) -> None:
    """The other device of the same person logs in again by itself."""
    bob = pickup.sallyport.new_login("bob", "bob@sallyport.test")
    made = store.add_credential("bob", "phone", store.credential(bob.login).created_at)
    phone = Login(made.login, made.secret)
    pickup.sallyport.cli("network", "confirm", "bob", HOME)
    stolen = session(bob, HOME)
    now = store.credential(bob.login).created_at + 60
    incident = store.contain_credential(bob.login, "", now)
    until(lambda: not is_alive(stolen), "the session ends")
    assert [is_let_in(pickup, bob, HOME), is_let_in(pickup, phone, HOME)] == [False, True]
    store.release_incident(incident.number, "", now + 60)
    assert is_let_in(pickup, bob, HOME)


def test_a_no_is_for_good(pickup: Pickup, store: IdentityStore, session: Session) -> None:
    """What the owner did not do was done with a credential that opens nothing any more, not at home either."""
    eve = pickup.sallyport.new_login("eve", "eve@sallyport.test")
    pickup.sallyport.cli("network", "confirm", "eve", HOME)
    thief = session(eve, ABROAD)
    now = store.credential(eve.login).created_at + 60
    Thief(store._engine, "eve", eve.login, now).raise_signal(Step.HOLD, address=ABROAD)
    assert is_alive(thief), "mail is held; nobody is locked out yet"
    (incident,) = store.incidents(identity="eve")
    store.answer_incident(incident.number, "eve", False, now + 60, purge_after_s=3600)
    until(lambda: not is_alive(thief), "the session ends")
    assert not is_let_in(pickup, eve, HOME)

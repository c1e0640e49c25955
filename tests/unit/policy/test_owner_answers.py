"""An owner's answer: yes gives everything back, no ends the thief's credential, and each is given once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import Engine, select, update
from stolen import ABROAD, Thief

from policy.engine.ladder import SignalKind, Step
from policy.store.audit import Wanted, newest
from policy.store.errors import StoreError, Unknown
from policy.store.held import HeldState
from policy.store.identities import IdentityStore, NewCredential
from policy.store.incident_models import HeldMessages, Measures, Notices
from policy.store.incident_notes import State
from policy.store.measures import Kind
from policy.store.models import Revocations
from policy.store.owner_answers import Decided

T = 1_000_000.0
HOUR = 3600.0
HOME = "192.0.2.7"


@pytest.fixture
def theft(store: IdentityStore, engine: Engine, ada: NewCredential) -> Thief:
    """Two messages went out from abroad, two are held; then a signal, and the identity is locked. Incident 1."""
    thief = Thief(engine, "ada", ada.login, T)
    thief.hand_in("accept", recipients=4)
    thief.now += 60
    thief.hand_in("hold")
    thief.hand_in("hold", address="198.51.100.3")
    thief.raise_signal(Step.LOCK)
    return thief


def states(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(select(HeldMessages.state).order_by(HeldMessages.id)))


def ended_since(engine: Engine) -> int:
    with engine.connect() as connection:
        return len(connection.scalars(select(Revocations.id)).all())


def test_the_question_has_what_the_owner_needs(store: IdentityStore, theft: Thief) -> None:
    """Also what went out before anything was suspicious."""
    question = store.question(1, "ada", T + HOUR)
    assert question.is_open
    assert question.purge_at is None
    seen = {one.network: one for one in question.sources.networks}
    assert set(seen) == {"203.0.113.0/24", "198.51.100.0/24"}
    assert seen["203.0.113.0/24"].client_address == ABROAD
    assert (question.sources.traffic.sent, question.sources.traffic.reached, question.sources.traffic.held) == (1, 4, 2)
    assert question.devices == {theft.login: "laptop"}
    assert question.sources.strange == 2


def test_yes(store: IdentityStore, engine: Engine, theft: Thief) -> None:
    """The networks he vouches for are his, his standing is clear, held mail leaves."""
    done = store.answer_incident(1, "ada", True, T + HOUR, trusted=["203.0.113.0/24"])
    assert (done.state, done.answer, done.answered_at, done.closed_at) == (State.RELEASED, "yes", T + HOUR, T + HOUR)
    assert [(one.network, one.confirmed_at) for one in store.networks("ada")] == [("203.0.113.0/24", T + HOUR)]
    assert store.standing("ada").step == "free"
    assert states(engine) == [HeldState.RELEASING] * 2
    assert store.credential(theft.login).revoked_at is None
    acts = [(one.actor, one.action) for one in newest(engine, Wanted(since=T + HOUR))]
    assert acts == [("cli:test", "incident-released"), ("cli:test", "network-confirmed")]


def test_yes_gives_back_what_an_administrator_suspended(store: IdentityStore, theft: Thief) -> None:
    store.contain_identity("ada", "", T + 100)
    assert store.incident(1).suspended == (theft.login,)
    store.answer_incident(1, "ada", True, T + HOUR)
    assert store.incident(1).suspended == ()
    assert store.networks("ada") == []


def test_no(store: IdentityStore, engine: Engine, theft: Thief) -> None:
    """The credential is gone for good, sessions end, the mail waits for its end; another device goes on."""
    phone = store.add_credential("ada", "phone", T)
    before = ended_since(engine)
    done = store.answer_incident(1, "ada", False, T + HOUR, purge_after_s=24 * HOUR)
    assert (done.state, done.answer) == (State.PURGED, "no")
    assert store.credential(theft.login).revoked_at == T + HOUR
    assert store.credential(phone.login).revoked_at is None
    assert ended_since(engine) == before + 1
    assert states(engine) == [HeldState.HELD] * 2
    assert store.question(1, "ada", T + HOUR).purge_at == T + 25 * HOUR
    assert store.standing("ada").step == "free"
    (revoked,) = newest(engine, Wanted(subject=theft.login), 1)
    assert (revoked.action, revoked.before) == ("credential-revoked", {"identity": "ada", "incident": 1})
    with engine.connect() as connection:
        told = connection.scalars(select(Notices.channel).where(Notices.kind == "incident-purged")).all()
    assert set(told) == {"administrator", "owner:ada"}


def test_no_where_nobody_saw_which_one_it_was(store: IdentityStore, engine: Engine, ada: NewCredential) -> None:
    """An administrator knew it: what he has suspended is revoked."""
    phone = store.add_credential("ada", "phone", T)
    store.contain_credential(phone.login, "found in a paste", T)
    store.answer_incident(1, "ada", False, T + HOUR)
    assert store.credential(phone.login).revoked_at == T + HOUR
    assert store.credential(ada.login).revoked_at is None


def test_what_was_suspended_and_not_seen_stays_suspended(store: IdentityStore, theft: Thief) -> None:
    """After a no: the owner says nothing about it, and an administrator had his reasons."""
    phone = store.add_credential("ada", "phone", T)
    store.contain_identity("ada", "", T + 100)
    store.answer_incident(1, "ada", False, T + HOUR)
    assert store.credential(phone.login).revoked_at is None
    assert phone.login in store.incident(1).suspended


def test_mail_that_is_held_after_a_no_is_not_the_thief_s(store: IdentityStore, engine: Engine, theft: Thief) -> None:
    """It belongs to another incident, and is not deleted with this one's."""
    store.answer_incident(1, "ada", False, T + HOUR, purge_after_s=24 * HOUR)
    theft.now = T + 2 * HOUR
    queue_id = theft.hand_in("hold", address=HOME, is_home=True)
    assert store.held_message(queue_id).incident == 2


ANSWERS = [(first, second) for first in (True, False) for second in (True, False)]


@pytest.mark.parametrize(("first", "second"), ANSWERS)
def test_an_answer_is_given_once(store: IdentityStore, engine: Engine, theft: Thief, first: bool, second: bool) -> None:
    """The second one is told so and changes nothing."""
    store.answer_incident(1, "ada", first, T + HOUR)
    before, acts = store.incident(1), len(newest(engine, Wanted()))
    with pytest.raises(Decided, match="incident 1 was decided already"):
        store.answer_incident(1, "ada", second, T + 2 * HOUR, trusted=["203.0.113.0/24"] if second else [])
    assert store.incident(1) == before
    assert len(newest(engine, Wanted())) == acts


@pytest.mark.parametrize("words", [(True, False), (False, False)], ids=["yes and no", "no twice"])
def test_two_answers_at_the_same_moment_are_one(store: IdentityStore, theft: Thief, words: tuple[bool, bool]) -> None:
    """The owner in two browsers."""
    together = Barrier(2)

    def answer(is_owner: bool) -> bool:
        together.wait(10)
        try:
            store.answer_incident(1, "ada", is_owner, T + HOUR)
        except Decided:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        taken = list(pool.map(answer, words))
    assert sorted(taken) == [False, True]
    said = words[taken.index(True)]
    assert store.incident(1).answer == ("yes" if said else "no")
    assert (store.credential(theft.login).revoked_at is None) is said


def test_an_administrator_was_first(store: IdentityStore, theft: Thief) -> None:
    store.release_incident(1, "", T + 100)
    with pytest.raises(Decided):
        store.answer_incident(1, "ada", False, T + HOUR)
    assert store.credential(theft.login).revoked_at is None


@pytest.mark.parametrize("is_contained", [False, True], ids=["by the ladder", "by an administrator"])
def test_what_was_decided_is_not_asked_again(store: IdentityStore, theft: Thief, is_contained: bool) -> None:
    """A yes to the second incident must not vouch for the networks of the first one, which was theft."""
    store.purge_incident(1, "", T + 200)
    theft.now = T + 600
    theft.hand_in("hold", address="192.0.2.250")
    if is_contained:
        store.release_incident(2, "", T + 650)
        theft.hand_in("accept", address="192.0.2.250")
        theft.now = T + 700
        store.contain_identity("ada", "", T + 700)
    question = store.question(store.incidents(identity="ada")[0].number, "ada", T + 800)
    assert [one.network for one in question.sources.networks] == ([] if is_contained else ["192.0.2.0/24"])


def test_another_identity_s_incident_is_unknown(store: IdentityStore, engine: Engine, theft: Thief) -> None:
    """Looked at, answered, or stopped; as one that never was."""
    store.add_identity("eve", (), T)
    for ask in (
        lambda number: store.question(number, "eve", T),
        lambda number: store.answer_incident(number, "eve", True, T),
        lambda number: store.answer_incident(number, "eve", False, T),
        lambda number: store.stop_purge(number, "eve", T),
    ):
        for number in (1, 99):
            with pytest.raises(Unknown):
                ask(number)
    assert store.incident(1).answer == ""
    assert states(engine) == [HeldState.HELD] * 2


def test_a_network_that_was_not_seen_is_not_vouched_for(store: IdentityStore, engine: Engine, theft: Thief) -> None:
    """Nothing of the answer is written then."""
    with pytest.raises(StoreError, match=r"192.0.2.0/24 was not seen in incident 1"):
        store.answer_incident(1, "ada", True, T, trusted=["203.0.113.0/24", "192.0.2.0/24"])
    assert store.networks("ada") == []
    assert store.incident(1).state == State.OPEN


def test_a_purge_is_stopped(store: IdentityStore, engine: Engine, theft: Thief) -> None:
    """Until it is due; then the owner may let single messages go that were his after all."""
    store.answer_incident(1, "ada", False, T + HOUR, purge_after_s=24 * HOUR)
    assert [one.may_release for one in store.own_held("ada")] == [False, False]
    stopped = store.stop_purge(1, "ada", T + 2 * HOUR)
    assert [one.outcome for one in stopped.measures if one.kind == Kind.PURGE] == ["stopped by cli:test"]
    assert store.question(1, "ada", T + 2 * HOUR).purge_at is None
    assert [one.may_release for one in store.own_held("ada")] == [True, True]
    with pytest.raises(Decided, match="nothing of incident 1"):
        store.stop_purge(1, None, T + 3 * HOUR)


def test_a_purge_that_is_due_cannot_be_stopped(store: IdentityStore, engine: Engine, theft: Thief) -> None:
    store.answer_incident(1, "ada", False, T, purge_after_s=HOUR)
    with pytest.raises(Decided, match="too late"):
        store.stop_purge(1, None, T + HOUR)
    with engine.connect() as connection:
        assert connection.scalars(select(Measures.done_at).where(Measures.kind == Kind.PURGE)).one() is None


# What it shows; reason, from home, answer before, whether the owner may release it alone
SINGLE = [
    ("a budget, at home", "new-recipients", True, None, True),
    ("the same from elsewhere", "new-recipients", False, None, False),
    ("the ladder, at home", "held", True, None, False),
    ("probation", "probation", False, None, False),
    ("a delay", "sending-delay", False, None, True),
    ("after a no", "new-recipients", True, False, False),
]


@pytest.mark.parametrize(("reason", "home", "said", "may"), [c[1:] for c in SINGLE], ids=[c[0] for c in SINGLE])
def test_single_messages(
    store: IdentityStore, engine: Engine, ada: NewCredential, reason: str, home: bool, said: bool | None, may: bool
) -> None:
    """What is the owner's beyond doubt he lets go alone; deleting is his in any case."""
    thief = Thief(engine, "ada", ada.login, T)
    first, second = (thief.hand_in("hold", reason=reason, is_home=home, address=HOME) for _ in range(2))
    if said is not None:
        store.answer_incident(1, "ada", said, T, purge_after_s=HOUR)
    assert [(one.held.queue_id, one.may_release) for one in store.own_held("ada")] == [(first, may), (second, may)]
    if may:
        assert store.release_own(first, "ada", T).state == HeldState.RELEASING
    else:
        with pytest.raises(StoreError, match="as a whole"):
            store.release_own(first, "ada", T)
    assert store.purge_own(second, "ada", T).state == HeldState.PURGING
    assert len(store.own_held("ada")) == (0 if may else 1)


def test_another_s_message_is_unknown(store: IdentityStore, engine: Engine, ada: NewCredential) -> None:
    store.add_identity("eve", (), T)
    queue_id = Thief(engine, "ada", ada.login, T).hand_in("hold", is_home=True)
    assert store.own_held("eve") == []
    for change in (store.release_own, store.purge_own):
        for message in (queue_id, "4NOBODYS"):
            with pytest.raises(Unknown):
                change(message, "eve", T)
    assert states(engine) == [HeldState.HELD]


def test_what_is_on_its_way_is_not_released_twice(store: IdentityStore, engine: Engine, ada: NewCredential) -> None:
    """Nor deleted."""
    queue_id = Thief(engine, "ada", ada.login, T).hand_in("hold", is_home=True)
    store.release_own(queue_id, "ada", T)
    with engine.begin() as connection:
        connection.execute(update(HeldMessages).values(state=HeldState.RELEASED))
    for change in (store.release_own, store.purge_own):
        with pytest.raises(StoreError):
            change(queue_id, "ada", T)
    assert states(engine) == [HeldState.RELEASED]


def test_a_login_that_was_refused_is_a_network_of_the_question(
    store: IdentityStore, engine: Engine, ada: NewCredential
) -> None:
    """Signals without a message: from there nothing was handed in."""
    Thief(engine, "ada", ada.login, T).raise_signal(Step.RESTRICT, SignalKind.LINKED, "198.51.100.77")
    (source,) = store.question(1, "ada", T + 1).sources.networks
    assert (source.network, source.logins, source.is_home) == ("198.51.100.0/24", (ada.login,), False)

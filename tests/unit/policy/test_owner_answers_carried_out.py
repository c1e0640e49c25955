"""What becomes of an owner's answer at the queue: every held message leaves once, or is deleted a day later."""

import pytest
from stolen import Thief
from test_containment import ABROAD, DAY, GRANTED, HOME, REFUSED, Scene, facts, people, rulebook, scene, thief

from policy.contract import Action
from policy.queue_contract import Deliveries, Delivery, DeliveryOutcome, QueueName
from policy.store.held import HeldState
from policy.store.incident_notes import State

__all__ = ["rulebook", "scene"]  # fixtures


async def test_yes_every_held_message_arrives_once_and_the_network_is_home(scene: Scene) -> None:
    """The one that is handed in afterwards from there goes on its way."""
    await thief(scene)
    (incident,) = scene.store.incidents(state=State.OPEN)
    held = scene.held()
    assert held
    networks = [one.network for one in scene.store.question(incident.number, "ada", scene.now).sources.networks]
    scene.store.answer_incident(incident.number, "ada", True, scene.now, trusted=networks)
    await scene.rounds()
    scene.queue.run()
    assert sorted(one for one in scene.queue.delivered if one in held) == sorted(held)
    assert scene.queue.deleted == []
    assert scene.store.incident(incident.number).is_settled
    assert await scene.log_in(ABROAD) is GRANTED
    assert not (await scene.hand_in(*people(500, 2), address=ABROAD)).held


async def test_no_the_mail_is_deleted_when_it_is_due_and_not_before(scene: Scene) -> None:
    """The credential is refused at once, also at home; the owner's own later mail is none of it."""
    await thief(scene)
    (incident,) = scene.store.incidents(state=State.OPEN)
    held = scene.held()
    scene.store.answer_incident(incident.number, "ada", False, scene.now, purge_after_s=DAY)
    assert [await scene.log_in(ABROAD), await scene.log_in()] == [REFUSED, REFUSED]
    await scene.rounds()
    assert scene.held() == held
    scene.credential = scene.store.add_credential("ada", "new laptop", scene.now)
    assert await scene.log_in() is GRANTED
    own = Thief(scene.engine, "ada", scene.credential.login, scene.now).hand_in("hold", is_home=True)
    scene.queue.add(own, QueueName.HOLD, "ada-own")
    scene.now += DAY
    await scene.rounds()
    assert sorted(scene.queue.deleted) == sorted(held)
    assert scene.held(HeldState.PURGED) == held
    assert scene.held() == [own]
    assert scene.store.incident(incident.number).is_settled


async def test_no_revokes_the_login_of_which_only_deliveries_told(scene: Scene) -> None:
    """Nothing was held, and nothing but its recipients' servers spoke against it: a bought list."""
    assert await scene.log_in() is GRANTED
    listed = people(100, 4)
    await scene.hand_in(*listed)
    told = [Delivery(submission="m1", recipient=one, outcome=DeliveryOutcome.UNKNOWN_RECIPIENT) for one in listed]
    await scene.brain.deliver(Deliveries(deliveries=tuple(told)))
    (incident,) = scene.store.incidents(state=State.OPEN)
    assert incident.step == "restrict"
    question = scene.store.question(incident.number, "ada", scene.now)
    assert {login for one in question.sources.networks for login in one.logins} == {scene.credential.login}
    scene.store.answer_incident(incident.number, "ada", False, scene.now, purge_after_s=DAY)
    assert await scene.log_in() is REFUSED


@pytest.mark.parametrize("is_no", [True, False], ids=["no", "purge"])
async def test_what_else_was_used_from_there_is_shut_as_well(scene: Scene, is_no: bool) -> None:
    """A thief who has two of her secrets: nothing new speaks against the second one, once a day is enough."""
    laptop, telephone, tablet = scene.credential, *(scene.store.add_credential("ada", one, scene.now) for one in "pt")
    for one in (laptop, telephone, tablet):
        scene.credential = one
        assert await scene.log_in() is GRANTED
    scene.now += DAY
    scene.credential = laptop
    await thief(scene)
    scene.credential = telephone
    assert await scene.log_in(ABROAD) is GRANTED
    await scene.hand_in("bob@example.org", address=ABROAD)
    scene.credential = tablet
    await scene.hand_in("bob@example.org")
    (incident,) = scene.store.incidents(state=State.OPEN)
    if is_no:
        scene.store.answer_incident(incident.number, "ada", False, scene.now, purge_after_s=DAY)
    else:
        scene.store.purge_incident(incident.number, "", scene.now)
    answers = []
    for one in (laptop, telephone, tablet):
        scene.credential = one
        answers.append(await scene.log_in())
    assert answers == [REFUSED, REFUSED, GRANTED]


async def test_no_leaves_the_owner_the_login_of_her_own_slip(scene: Scene) -> None:
    """Three dead addresses are a thief's abroad, and the fourth, which decides, is the owner's at home."""
    laptop, telephone = scene.credential, scene.store.add_credential("ada", "telephone", scene.now)
    scene.credential = telephone
    assert await scene.log_in() is GRANTED
    scene.now += DAY
    await _bounced(scene, "t1", people(100, 3), ABROAD, credential=2)
    await _bounced(scene, "m1", people(200, 1), HOME, credential=1)
    (incident,) = scene.store.incidents(state=State.OPEN)
    assert incident.step == "restrict"
    again = facts("t2", people(300, 3), ABROAD).model_copy(update={"credential": 2})
    assert (await scene.brain.judge(again)).action is Action.REJECT
    scene.store.answer_incident(incident.number, "ada", False, scene.now, purge_after_s=DAY)
    assert await scene.log_in() is REFUSED
    scene.credential = laptop
    assert await scene.log_in() is GRANTED


async def _bounced(scene: Scene, submission: str, to: tuple[str, ...], address: str, *, credential: int) -> None:
    """It goes, and nobody has these addresses."""
    verdict = await scene.brain.judge(facts(submission, to, address).model_copy(update={"credential": credential}))
    assert verdict.action is Action.ACCEPT
    await scene.relayed(verdict, submission, f"4Q{submission}")
    told = [Delivery(submission=submission, recipient=one, outcome=DeliveryOutcome.UNKNOWN_RECIPIENT) for one in to]
    await scene.brain.deliver(Deliveries(deliveries=tuple(told)))


async def test_a_stopped_deletion_never_comes(scene: Scene) -> None:
    await thief(scene)
    (incident,) = scene.store.incidents(state=State.OPEN)
    held = scene.held()
    scene.store.answer_incident(incident.number, "ada", False, scene.now, purge_after_s=DAY)
    await scene.rounds()
    scene.store.stop_purge(incident.number, "ada", scene.now)
    scene.now += 2 * DAY
    await scene.rounds()
    assert scene.queue.deleted == []
    assert scene.held() == held
    scene.store.release_own(held[0], "ada", scene.now)
    await scene.rounds()
    scene.queue.run()
    assert held[0] in scene.queue.delivered


@pytest.mark.parametrize("is_late", [False, True])
async def test_an_administrator_may_still_let_it_go(scene: Scene, is_late: bool) -> None:
    """Until it is deleted."""
    await thief(scene)
    (incident,) = scene.store.incidents(state=State.OPEN)
    held = scene.held()
    scene.store.answer_incident(incident.number, "ada", False, scene.now, purge_after_s=DAY)
    if is_late:
        scene.now += DAY
        await scene.rounds()
    scene.store.release_incident(incident.number, "", scene.now)
    await scene.rounds()
    scene.queue.run()
    assert [one for one in held if one in scene.queue.delivered] == ([] if is_late else held)

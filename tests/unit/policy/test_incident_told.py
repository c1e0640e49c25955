"""The story of a theft that happened to policy itself, with its worker and a queue: what was seen is what is told."""

import json

import pytest
from sqlalchemy import Engine, select, update
from test_containment import GRANTED, Scene, thief
from test_judge import ABROAD, DAY, people

from policy.alerting.kinds import Kind
from policy.alerting.owner_words import owner_mail
from policy.brain import Brain
from policy.engine.rulebook import Rulebook
from policy.queue_contract import Deliveries, Delivery, DeliveryOutcome
from policy.rulebook import shipped
from policy.store.identities import IdentityStore, NewCredential
from policy.store.incident_models import Notices
from policy.store.incident_story import Story
from policy.store.incident_traffic import Traffic


@pytest.fixture
def rulebook() -> Rulebook:
    return shipped()


@pytest.fixture
async def stolen(brain: Brain, store: IdentityStore, ada: NewCredential, engine: Engine) -> Scene:
    """Ten days at home, then a thief: ten recipients reached, of whom one is known to have got it, and two held."""
    made = Scene(brain, store, ada, engine)
    for _ in range(10):
        assert await made.log_in() is GRANTED
        made.now += DAY
    await thief(made)
    told = (Delivery(submission="m1", recipient=people(100, 1)[0], outcome=DeliveryOutcome.DELIVERED),)
    await made.brain.deliver(Deliveries(deliveries=told))
    return made


def kinds(story: Story) -> list[str]:
    return [one.kind for one in story.timeline]


async def test_what_is_told_of_it(stolen: Scene) -> None:
    """Contained, what had not gone out yet is no longer counted as sent."""
    (incident,) = stolen.store.incidents()
    before = stolen.store.story(incident.number, stolen.now)
    assert before.strange == Traffic(sent=5, reached=10, held=1, held_recipients=2)
    assert before.first
    assert (before.first.client_address, before.first.login) == (ABROAD, stolen.credential.login)
    assert [(one.whose, one.traffic.held) for one in before.networks if one.traffic.held] == [("strange", 1)]
    assert [one.recipient for one in before.to_warn] == list(people(100, 1))
    stolen.store.contain_identity("ada", "", stolen.now)
    await stolen.rounds()
    after = stolen.store.story(incident.number, stolen.now)
    assert after.strange == Traffic(sent=1, reached=1, held=6, held_recipients=11)  # one of m1 had it by then
    assert "Not done yet" not in " ".join(one.text for one in after.advice)
    assert {"sessions", "measure", "act", "told", "signal"} <= {*kinds(after)}


async def test_what_is_told_when_its_owner_has_said_no(stolen: Scene) -> None:
    """The day until it is deleted can be cut short, or ended; each is a command."""
    (incident,) = stolen.store.incidents()
    stolen.store.answer_incident(incident.number, "ada", is_owner_s=False, now=stolen.now, purge_after_s=DAY)
    story = stolen.store.story(incident.number, stolen.now)
    assert story.advice[0].commands == (f"sallyport purge {incident.number}", f"sallyport release {incident.number}")
    assert "answer" in kinds(story)
    assert stolen.store.purge_incident(incident.number, "", stolen.now).held["purging"].messages == 1


async def test_the_owner_hears_of_it_before_anything_is_held(stolen: Scene) -> None:
    """Whoever keeps below all caps is found by nothing else, and only the owner knows that it was not him."""
    with stolen.engine.connect() as connection:
        hers = select(Notices.kind, Notices.subject).where(Notices.channel == "owner:ada").order_by(Notices.id)
        told = [one for one in connection.execute(hers) if one.kind != "network-trusted"]
    assert [one.kind for one in told] == ["signal", "incident-opened"]
    assert "probation" in told[0].subject


async def test_the_owner_hears_when_mail_from_home_is_held_as_well(stolen: Scene) -> None:
    """He was told that a thief abroad does not hinder him there."""
    with stolen.engine.begin() as connection:
        connection.execute(update(Notices).values(sent_at=stolen.now))
    assert (await stolen.hand_in(*people(300, 60))).held
    with stolen.engine.connect() as connection:
        new = select(Notices.kind, Notices.content).where(Notices.channel == "owner:ada", Notices.sent_at.is_(None))
        ((kind, content),) = connection.execute(new).all()
    text = owner_mail(Kind(kind), json.loads(content)["facts"], "https://mail.example.org", stolen.now).text
    assert kind == Kind.INCIDENT_ESCALATED
    assert "your own networks, too" in text
    assert "you can go on" not in text

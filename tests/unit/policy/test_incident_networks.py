"""From where, in an incident: the thief's first network is there, whatever he did in it."""

from dataclasses import replace

import pytest
from engine_parts import AT_HOME, SETTLED
from incident_scene import MINUTE_S, Scene, T, at_network
from sqlalchemy import Engine, insert

from policy.contract import Action, Reason
from policy.engine.sources import Origin
from policy.store.identities import IdentityStore, NewCredential
from policy.store.incident_notes import State
from policy.store.models import Areas, Networks

LATER = T + 30 * MINUTE_S
FIRST = "192.0.2.0/24"
POOL = replace(SETTLED, origin=Origin(network="203.0.114.0/24", asn=3320, country="DE"))


def where(store: IdentityStore, number: int) -> tuple[list[str], list[str]]:
    """For the staff, and for the owner."""
    story, question = store.story(number, LATER), store.question(number, "ada", LATER)
    return [one.network for one in story.networks], [one.network for one in question.sources.networks]


def robbed(engine: Engine, login: str) -> int:
    """One message that went out from a strange network, one that is held."""
    with engine.begin() as connection:
        scene = Scene(connection, login)
        scene.send(T, at_network(0))
        scene.hold(T + MINUTE_S, at_network(2), recipients=3)
        return scene.open(T + MINUTE_S)


def test_he_looked_around_first(store: IdentityStore, engine: Engine, ada: NewCredential) -> None:
    """A login ten minutes before the first message, from a network that nobody was in before; not what is older."""
    number = robbed(engine, ada.login)
    with engine.begin() as connection:
        scene = Scene(connection, ada.login)
        scene.log_in(FIRST, T - 10 * MINUTE_S)
        scene.log_in("198.18.1.0/24", T - 3 * 86400.0)
    for networks in where(store, number):
        assert FIRST in networks
        assert "198.18.1.0/24" not in networks


def test_where_a_device_was_enrolled_is_no_thief_s(store: IdentityStore, engine: Engine, ada: NewCredential) -> None:
    """The owner knows it. The staff see it as long as it is in use."""
    number = robbed(engine, ada.login)
    store.confirm_network("ada", FIRST, T - 10 * MINUTE_S)
    assert FIRST not in where(store, number)[1]


@pytest.mark.parametrize(("is_fresh", "begin"), [(True, T - 5 * MINUTE_S), (False, T)])
def test_the_first_network_of_a_fresh_credential(
    store: IdentityStore, engine: Engine, ada: NewCredential, is_fresh: bool, begin: float
) -> None:
    """It counts as the owner's by that alone. An area that the owner was in before is none that began with it."""
    number = robbed(engine, ada.login)
    at = T - 5 * MINUTE_S
    first = at if is_fresh else T - 9 * 86400.0
    with engine.begin() as connection:
        scene = Scene(connection, ada.login, messages=50)
        scene.send(at, SETTLED)
        values = {"area": SETTLED.origin.area, "first_used_at": first, "last_used_at": at, "days": 1}
        connection.execute(insert(Areas).values(identity_id=scene.number, confirmed_at=first, **values))
    assert store.story(number, LATER).begin == begin
    for networks in where(store, number):
        assert (SETTLED.origin.network in networks) is is_fresh


def test_a_signal_about_a_login_that_was_refused(store: IdentityStore, engine: Engine, ada: NewCredential) -> None:
    """The staff see from where, as the owner does."""
    number = robbed(engine, ada.login)
    with engine.begin() as connection:
        Scene(connection, ada.login).signal(T + 2 * MINUTE_S, "spread", "networks: 7 in an hour, 6 are allowed")
    for networks in where(store, number):
        assert "10.0.1.0/24" in networks


@pytest.mark.parametrize("has_sent", [True, False])
def test_a_network_of_which_the_owner_says_no(
    store: IdentityStore, engine: Engine, ada: NewCredential, has_sent: bool
) -> None:
    """It is what the incident is about, with what went out from there; a yes can give it back."""
    with engine.begin() as connection:
        scene = Scene(connection, ada.login)
        values = {"network": SETTLED.origin.network, "first_used_at": T - 6 * 86400.0, "last_used_at": T - 60.0}
        connection.execute(insert(Networks).values(identity_id=scene.number, days=7, **values))
        if has_sent:
            scene.send(T - 86400.0, SETTLED, recipients=2)
    network = SETTLED.origin.network
    incident = store.distrust_network("ada", network, lambda _: Origin(network=network), T)
    story, question = store.story(incident.number, LATER), store.question(incident.number, "ada", LATER)
    for networks in (story.networks, question.sources.networks):
        (one,) = networks
        assert (one.network, one.whose) == (network, "strange" if has_sent else "unknown")
        assert one.traffic.sent == int(has_sent)
        assert one.last_used_at == (T - 86400.0 if has_sent else T - 60.0)
    answered = store.answer_incident(incident.number, "ada", True, LATER, trusted=[network])
    assert answered.state == State.RELEASED
    assert network in [one.network for one in store.networks("ada") if one.confirmed_at]


def test_what_a_disowned_network_has_sent_is_in_the_totals(
    store: IdentityStore, engine: Engine, ada: NewCredential
) -> None:
    """As a strange network's, from its first use on; what the owner sent before the incident is none of it."""
    with engine.begin() as connection:
        scene = Scene(connection, ada.login)
        values = {"network": POOL.origin.network, "first_used_at": T - 6 * 86400.0, "last_used_at": T - 60.0}
        connection.execute(insert(Networks).values(identity_id=scene.number, days=7, **values))
        scene.send(T - 7 * 86400.0, POOL, recipients=50)
        first = scene.send(T - 5 * 86400.0, POOL, recipients=2)
        scene.reach(first, ["victim@example.net"], T - 5 * 86400.0)
        own = scene.send(T - 2 * 86400.0, AT_HOME, recipients=30)
        scene.reach(own, ["friend@example.net"], T - 2 * 86400.0)
        scene.send(T - 86400.0, POOL, action=Action.REJECT, reason=Reason.RESTRICTED)
        scene.send(T + 30.0, AT_HOME, recipients=3)
    incident = store.distrust_network("ada", POOL.origin.network, lambda network: Origin(network=network), T)
    story, question = store.story(incident.number, LATER), store.question(incident.number, "ada", LATER)
    assert story.disowned == (POOL.origin.network,)
    assert (story.strange.sent, story.strange.reached, story.strange.refused) == (1, 2, 1)
    assert (story.own.sent, story.own.reached) == (1, 3)
    assert question.sources.traffic == story.strange + story.own
    assert [(one.is_strange, one.traffic.sent) for one in story.logins] == [(True, 2)]
    assert story.first
    assert (story.first.submission, story.begin) == (first, T)
    assert [one.recipient for one in story.to_warn] == ["victim@example.net"]
    shown = [one for one in story.networks if one.network == POOL.origin.network]
    assert [(one.whose, one.traffic) for one in shown] == [("strange", story.strange)]
    assert store.pace(story).bars


def test_a_disowned_network_of_an_incident_that_was_open(
    store: IdentityStore, engine: Engine, ada: NewCredential
) -> None:
    """What came from there since it began is not the owner's any more, and is counted once."""
    number = robbed(engine, ada.login)
    with engine.begin() as connection:
        scene = Scene(connection, ada.login, messages=50)
        values = {"network": POOL.origin.network, "first_used_at": T - 600.0, "last_used_at": T + 120.0}
        connection.execute(insert(Networks).values(identity_id=scene.number, days=7, **values))
        for at in (T - 300.0, T + 120.0):
            scene.send(at, POOL, recipients=5)
    before = store.story(number, LATER)
    assert (before.strange.sent, before.own.sent) == (1, 1)
    store.distrust_network("ada", POOL.origin.network, lambda network: Origin(network=network), T + 240.0)
    after = store.story(number, LATER)
    assert (after.strange.sent, after.strange.reached, after.own.sent) == (3, 11, 0)
    assert after.begin == before.begin


def test_what_a_database_knows_by_now(store: IdentityStore, engine: Engine, ada: NewCredential) -> None:
    """Where nobody knew the country when it was used, it is asked for again."""
    number = robbed(engine, ada.login)
    with engine.begin() as connection:
        unknown = at_network(7, country="??")
        Scene(connection, ada.login, messages=60).send(T + 3 * MINUTE_S, unknown)
    story = store.story(number, LATER, lambda _: ("AS1 SE", "SE"))
    countries = {one.network: one.country for one in story.networks}
    assert countries["10.0.7.0/24"] == "SE"
    assert countries["10.0.0.0/24"] == "VN"

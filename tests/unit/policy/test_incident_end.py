"""What has become of an incident: after a purge and a release it does not read as if all had gone out."""

import pytest
from incident_scene import MINUTE_S, Scene, T, at_network, bad_day
from sqlalchemy import Engine, update

from policy.store.held import HeldState
from policy.store.identities import IdentityStore, NewCredential
from policy.store.incident_advice import what_next
from policy.store.incident_end import End, Fate, end_of, parts_of
from policy.store.incident_models import HeldMessages

LATER = T + 30 * MINUTE_S


@pytest.fixture
def number(engine: Engine, ada: NewCredential) -> int:
    return bad_day(engine, ada.login)


def told(store: IdentityStore, number: int) -> tuple[str, list[tuple[str, int, float | None, str]]]:
    incident = store.incident(number)
    parts = [(one.fate.value, one.counted.messages, one.at, ", ".join(one.by)) for one in parts_of(incident)]
    return end_of(incident).value, parts


def test_released_as_nothing(store: IdentityStore, number: int) -> None:
    assert told(store, number) == ("open", [])
    store.release_incident(number, "", LATER)
    end, ((fate, messages, at, by),) = told(store, number)
    assert (end, fate, messages, at) == ("released", "released", 3, LATER)
    assert by


def test_purged_where_nothing_was_on_hold(store: IdentityStore, engine: Engine, number: int) -> None:
    """It was gone before. Not so while mail is on hold still: that is deleted later."""
    with engine.begin() as connection:
        connection.execute(update(HeldMessages).values(state=HeldState.GONE))
    store.purge_incident(number, "", LATER)
    assert told(store, number) == (
        "closed, nothing deleted",
        [("released or deleted at the queue itself", 3, None, "")],
    )
    with engine.begin() as connection:
        connection.execute(update(HeldMessages).values(state=HeldState.HELD))
    assert told(store, number)[0] == "purged"


def test_purged_and_then_released(store: IdentityStore, engine: Engine, number: int) -> None:
    """Nothing has gone out; and what the queue says later is told as before."""
    store.purge_incident(number, "", LATER)
    store.release_incident(number, "", LATER + 60)
    end, parts = told(store, number)
    assert end == "deleted, account given back"
    assert [part[:3] for part in parts] == [("deleted", 3, LATER), ("account given back", 0, LATER + 60)]
    with engine.begin() as connection:
        connection.execute(update(HeldMessages).values(state=HeldState.PURGED))
    assert told(store, number) == (end, parts)


def test_what_came_to_be_held_after_the_purge_is_released(store: IdentityStore, engine: Engine, number: int) -> None:
    store.purge_incident(number, "", LATER)
    with engine.begin() as connection:
        connection.execute(
            update(HeldMessages).where(HeldMessages.id == 1).values(state=HeldState.HELD, state_at=LATER)
        )
    store.release_incident(number, "", LATER + 60)
    end, parts = told(store, number)
    assert end == "released in part"
    assert [part[:3] for part in parts] == [("deleted", 2, LATER), ("released", 1, LATER + 60)]


def test_single_messages_are_the_incident_s_that_had_them(
    store: IdentityStore, engine: Engine, number: int, ada: NewCredential
) -> None:
    """Deleted one by one, and the rest released; mail of another incident is none of this one's."""
    (first, *_) = store.held(incident=number)
    store.purge_held([first.queue_id], LATER)
    store.release_incident(number, "", LATER + 60)
    with engine.begin() as connection:
        scene = Scene(connection, ada.login, messages=100)
        scene.hold(LATER + 120, at_network(5), recipients=3)
    (other,) = store.held(identity="ada")
    store.purge_held([other.queue_id], LATER + 180)
    end, parts = told(store, number)
    assert end == "released in part"
    assert [part[:3] for part in parts] == [("deleted", 1, LATER), ("released", 2, LATER + 60)]


def test_nobody_deletes_what_is_too_old(store: IdentityStore, engine: Engine, number: int) -> None:
    with engine.begin() as connection:
        connection.execute(update(HeldMessages).values(state=HeldState.EXPIRED))
    assert told(store, number) == ("open", [(Fate.EXPIRED.value, 3, None, "")])


def test_no_thief_s_network_is_recommended(store: IdentityStore, number: int) -> None:
    """After a purge the account is given back because it is over, not because it was nothing."""
    store.purge_incident(number, "", LATER)
    store.release_incident(number, "", LATER + 60)
    story = store.story(number, LATER + 120)
    commands = [command for one in what_next(story) for command in one.commands]
    assert not [one for one in commands if "network confirm" in one or "contain" in one]
    assert [one for one in commands if "to_warn" in one]
    assert end_of(story.incident) is End.GIVEN_BACK

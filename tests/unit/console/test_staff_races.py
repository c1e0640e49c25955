"""What comes between the look at a role and the change that it allows: two who act at once."""

from collections.abc import Callable

import pytest
from console_app import Console
from staff_parts import staff

from policy.people.roles import Role
from policy.store.audit import Wanted, newest
from policy.store.identities import IdentityStore
from policy.store.people import People


def before(monkeypatch: pytest.MonkeyPatch, owner: type, method: str, does: Callable[[], object]) -> None:
    """Somebody else does something just before this transaction begins, and after all that was looked at for it."""
    done = getattr(owner, method)

    def between(*given: object, **named: object) -> object:
        does()
        return done(*given, **named)

    monkeypatch.setattr(owner, method, between)


def acts(console: Console) -> list[str]:
    return [one.action for one in newest(console.engine, Wanted())]


async def test_who_becomes_an_administrator_meanwhile_is_not_reset(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link would make its maker, of the help desk, an administrator."""
    async with staff(console, "helen", Role.HELP_DESK) as helen:
        console.store.add_identity("ada", ("ada@example.org",), console.now)
        await helen.get("/staff/identities/ada")
        promote = lambda: console.store.set_role("ada", Role.ADMINISTRATOR, console.now)  # noqa: E731
        before(monkeypatch, People, "reset", promote)
        answer = await helen.post("/staff/identities/ada/reset", days="7")
    assert answer.status_code == 403
    assert "/invite/" not in answer.text
    assert acts(console)[0] == "role-changed"
    assert not console.people.invites()


async def test_who_is_no_administrator_any_more_gives_no_role(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staff(console, "root", Role.ADMINISTRATOR) as root:
        console.store.add_identity("ada", ("ada@example.org",), console.now)
        await root.get("/staff/identities/ada")

        def demote() -> None:
            monkeypatch.undo()
            console.store.set_role("root", Role.OWNER, console.now)

        before(monkeypatch, IdentityStore, "set_role", demote)
        answer = await root.post("/staff/identities/ada/role", role="administrator")
    assert answer.status_code == 403
    assert console.store.identity("ada").role is Role.OWNER


async def test_an_incident_of_a_new_administrator_is_left_alone(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staff(console, "helen", Role.HELP_DESK) as helen:
        console.store.add_identity("ada", ("ada@example.org",), console.now)
        login = console.store.add_credential("ada", "laptop", console.now).login
        number = console.store.contain_identity("ada", "", console.now).number
        await helen.get(f"/staff/incidents/{number}")
        promote = lambda: console.store.set_role("ada", Role.ADMINISTRATOR, console.now)  # noqa: E731
        before(monkeypatch, IdentityStore, "revoke", promote)
        answer = await helen.post(f"/staff/incidents/{number}/revoke", seen="open", login=login)
    assert answer.status_code == 403
    assert console.store.credential(login).revoked_at is None


async def test_a_new_note_is_in_the_audit_log(console: Console) -> None:
    """Where all logins are suspended already it is the only change, and it takes the place of somebody else's."""
    async with staff(console, "helen", Role.HELP_DESK) as helen:
        console.store.add_identity("ada", ("ada@example.org",), console.now)
        console.store.add_credential("ada", "laptop", console.now)
        number = console.store.contain_identity("ada", "stolen", console.now).number
        await helen.get(f"/staff/incidents/{number}")
        await helen.post(f"/staff/incidents/{number}/contain", seen="open", note="it was nothing")
    assert console.store.incident(number).note == "it was nothing"
    last = newest(console.engine, Wanted())[0]
    assert (last.actor, last.action, last.after["note"]) == ("console:helen", "contained", "it was nothing")


async def test_who_invites_somebody_second_hears_that_he_is_there(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staff(console, "helen", Role.HELP_DESK) as helen:
        await helen.get("/staff/invite")

        def first() -> None:
            monkeypatch.undo()
            console.store.add_identity("eve", ("eve@example.org",), console.now)

        before(monkeypatch, IdentityStore, "add_identity", first)
        answer = await helen.post("/staff/invite", name="eve", owner="Eve", addresses="")
    assert answer.status_code == 400
    assert helen.error == "There is somebody of this name already. Look there to send an invitation again."

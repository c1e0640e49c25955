"""A page is open, and somebody else changes what it is about; then its form comes. Every form of every page.

Whatever it was, the answer is a page that says what is so and leads somewhere, and nothing is done to what is not there
any more. The change comes before the form does, and, where a thing is gone, also between any two looks at the store of
the page that takes it.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from browser import PASSWORD, Browser
from console_app import Console
from console_world import World, with_token
from every_route import OWN, STAFF, Fields
from sqlalchemy import Engine, event, update
from staff_parts import staff
from staff_scene import stage

from policy.people.roles import Role
from policy.store.held import HeldState
from policy.store.incident_models import HeldMessages

FORMS: dict[str, Fields] = {
    one: fields
    for one, fields in {**OWN, **{name: fields for name, (_, fields) in STAFF.items()}}.items()
    if one.startswith("POST ") and one != "POST /sign-out"
}
# In the place of what shows only that a form is refused; a form comes with the answer to its own question.
FILLED: dict[str, Fields] = {
    "POST /staff/identities/{name}/exempt": {"country": "NL", "until": "2023-12-01"},
    "POST /staff/identities/{name}/end-exemption": {"country": "NL"},
    "POST /staff/incidents/{incident}/revoke": {"seen": "open", "login": "{login}", "sure": "yes"},
    "POST /staff/held/move": {"what": "delete", "m-1": "{message}", "sure": "yes"},
    "POST /account/password": {"current": PASSWORD, "password": f"{PASSWORD} too", "again": f"{PASSWORD} too"},
    "POST /account/recovery-codes": {"current": PASSWORD},
}
OF_INCIDENT = [
    one for one in FORMS if re.search(r"\{incident\}/(release|purge|keep|answer|contain)|^POST /incidents/", one)
]
OF_MESSAGE = ["POST /held/release", "POST /held/look", "POST /staff/held/move-all", "POST /staff/held/{message}/look"]
OF_DEVICE = [one for one, fields in FORMS.items() if "{login}" in fields.values()]
OF_BOB = [one for one in FORMS if one in OWN or "{" in one]
STAFFS = [one for one in FORMS if one in STAFF and "/policy/" not in one]


def remove_bob(world: World) -> None:
    """Decided first, or nobody can be removed."""
    world.console.store.purge_incident(1, "", world.console.now)
    with world.console.engine.begin() as connection:
        connection.execute(update(HeldMessages).values(state=HeldState.PURGED))
    world.console.store.remove_identity("bob", world.console.now)


def revoke(world: World) -> None:
    world.console.store.revoke(world.his.login, world.console.now)


def release(world: World) -> None:
    world.console.store.release_incident(1, "", world.console.now)


def purge(world: World) -> None:
    world.console.store.purge_incident(1, "", world.console.now)


def remove_chief(world: World) -> None:
    world.console.store.remove_identity("chief", world.console.now)


def demote_chief(world: World) -> None:
    world.console.store.set_role("chief", Role.OWNER, world.console.now)


def suspend_bob(world: World) -> None:
    world.console.store.suspend("bob", world.console.now)


Change = Callable[[World], None]
# What somebody else does, and the forms that must do nothing after it.
BEFORE: dict[str, tuple[Change, list[str]]] = {
    "the person is removed": (remove_bob, OF_BOB),
    "the device is revoked": (revoke, OF_DEVICE),
    "the incident was released": (release, [*OF_INCIDENT, *OF_MESSAGE]),
    "held mail was deleted": (purge, [*OF_INCIDENT, *OF_MESSAGE]),
    "who acts is removed": (remove_chief, STAFFS),
    "who acts has another role": (demote_chief, STAFFS),
    "who acts is suspended": (suspend_bob, [one for one in FORMS if one in OWN]),
}


class Rewound:
    """The database as it was, and the cookies: for one form after the other."""

    def __init__(self, world: World) -> None:
        self.world, self._kept = world, sqlite3.connect(":memory:")
        self._file = sqlite3.connect(world.console.folder / "sallyport.db")
        self._file.backup(self._kept)
        self._cookies = {name: dict(getattr(world, name).client.cookies) for name in ("bob", "chief")}

    def rewind(self) -> None:
        self._kept.backup(self._file)
        for name, cookies in self._cookies.items():
            jar = getattr(self.world, name).client.cookies
            jar.clear()
            for cookie, value in cookies.items():
                jar.set(cookie, value, domain="mail.example.org", path="/")

    def close(self) -> None:
        self._kept.close()
        self._file.close()


@pytest.fixture
def rewound(world: World) -> Iterator[Rewound]:
    one = Rewound(world)
    yield one
    one.close()


def who(world: World, form: str) -> Browser:
    return world.chief if form in STAFF else world.bob


async def filled(world: World, form: str) -> Fields:
    return await with_token(world, who(world, form), FILLED.get(form, FORMS[form]))


def leads_somewhere(text: str) -> bool:
    """What is so stands there, and a link beside the one that skips to it."""
    return 'role="alert"' in text and text.count("<a ") > 1


@pytest.mark.parametrize("change", BEFORE)
async def test_a_form_that_comes_after_a_change(rewound: Rewound, change: str) -> None:
    world, (does, forms) = rewound.world, BEFORE[change]
    for form in forms:
        given = await filled(world, form)
        does(world)
        before = world.rows()
        answer = await world.ask(who(world, form), form, given)
        assert answer.status_code < 500, form
        assert world.rows() == before, form
        if answer.status_code >= 400:
            assert leads_somewhere(answer.text), (form, answer.text)
        rewound.rewind()


@contextmanager
def between(engine: Engine, looks: int, does: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Somebody else acts after so many looks at the store. What is yielded says whether it came to that."""
    seen = 0

    def look(_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == looks + 1:
            does()

    event.listen(engine, "engine_connect", look)
    try:
        yield lambda: seen > looks
    finally:
        event.remove(engine, "engine_connect", look)


MOMENTS: dict[str, tuple[Change, list[str]]] = {
    "the person is removed": (remove_bob, OF_BOB),
    "the device is revoked": (revoke, OF_DEVICE),
}


@pytest.mark.parametrize("change", MOMENTS)
async def test_a_change_in_the_middle_of_it(rewound: Rewound, change: str) -> None:
    """At whatever moment: never a page that says that something went wrong on our side."""
    world, (does, forms) = rewound.world, MOMENTS[change]
    tried = 0
    for form in forms:
        looks, has_come = 1, True
        while has_come:
            given = await filled(world, form)
            with between(world.console.parts.engine, looks, lambda: does(world)) as came:
                answer = await world.ask(who(world, form), form, given)
                has_come = came()
            assert answer.status_code < 500, (form, looks)
            rewound.rewind()
            looks, tried = looks + 1, tried + 1
    assert tried > 3 * len(forms)


async def test_the_same_forms_do_something_otherwise(rewound: Rewound) -> None:
    """Or the tests above would show nothing."""
    world, idle = rewound.world, set()
    for form in {*OF_INCIDENT, *OF_MESSAGE, *OF_DEVICE}:
        given, before = await filled(world, form), world.rows()
        await world.ask(who(world, form), form, given)
        if world.rows() == before:
            idle.add(form)
        rewound.rewind()
    # There is no deletion that could be stopped, a question goes before a release, and a profile only shows something.
    keeps = {"POST /incidents/keep", "POST /staff/incidents/{incident}/keep"}
    assert idle == keeps | {"POST /held/release", "POST /devices/profile"}


async def test_a_deletion_that_is_under_way_is_not_called_stopped(console: Console) -> None:
    """The owner says no, which puts it off; an administrator deletes at once; then comes a form from before that."""
    async with staff(console, "chief", Role.ADMINISTRATOR) as chief:
        staged = stage(console)
        console.store.answer_incident(1, "eve", False, console.now, purge_after_s=86400.0)
        await chief.get("/staff/incidents/1")
        assert "Stop it" in chief.seen
        console.store.purge_incident(1, "", console.now)
        answer = await chief.post("/staff/incidents/1/keep", seen="purged")
        assert answer.status_code == 409
    assert {staged.state(one) for one in staged.held} == {"purging"}


async def test_what_was_typed_is_not_lost_with_the_session(console: Console) -> None:
    """It is shown to whoever has the browser in which it was typed, and secrets are not."""
    async with await console.enrolled("ada") as ada:
        console.now += 31 * 60
        answer = await ada.post("/account/notice-address", address="ada@<elsewhere>.example", current="a secret")
        assert answer.status_code == 403
        assert "ada@&lt;elsewhere&gt;.example" in answer.text
        assert "a secret" not in answer.text
        assert '<label for="typed-address">Address</label>' in answer.text


async def test_what_a_button_says_was_not_typed(console: Console) -> None:
    async with await console.enrolled("ada") as ada:
        console.now += 31 * 60
        answer = await ada.post("/held/look", message="4fXyZ21kNzwt", text="no")
        assert answer.status_code == 403
        assert "<textarea" not in answer.text


async def test_who_is_signed_out_by_time_is_told_so(console: Console) -> None:
    """Once, on the page of the sign-in."""
    async with await console.enrolled("ada") as ada:
        console.now += 31 * 60
        answer = await ada.follow(await ada.get("/devices"))
        assert "your session has ended" in answer.text
        assert "your session has ended" not in (await ada.get("/sign-in")).text


async def test_nobody_elses_form_puts_words_on_that_page(console: Console) -> None:
    async with await console.enrolled("ada") as ada:
        console.now += 31 * 60
        ada.seen = ada.seen.replace(ada.token, "0" * 64)
        answer = await ada.post("/account/notice-address", address="words of a stranger")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/sign-in"


async def test_the_same_name_again_is_no_change(console: Console) -> None:
    """A form that is sent as it came."""
    async with await console.enrolled("ada") as ada:
        login, _ = await console.add_device(ada, "ada", "laptop")
        await ada.get("/devices")
        answer = await ada.post("/devices/rename", login=login, label="laptop")
        assert (answer.status_code, answer.headers["location"]) == (303, "/devices")

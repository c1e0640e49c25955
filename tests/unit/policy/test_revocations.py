"""What has ended: the feed that gateways ask for, and the IMAP sessions that policy ends at Dovecot."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp.web
import pytest
from harness import turning
from sqlalchemy import Engine, text

from policy.brain import Brain
from policy.contract import Revocations, RevocationsAsked
from policy.doveadm import Doveadm
from policy.pickup import Pickup
from policy.store.handles import Scope
from policy.store.identities import IdentityStore, NewCredential
from policy.store.rows import Terms
from service.shared_token import SharedToken

T = 1_000_000.0
TOKEN = "ab" * 32

ENDINGS: list[tuple[str, Callable[[IdentityStore, str], object], bool]] = [
    ("revoked", lambda store, login: store.revoke(login, T), True),
    ("renewed", lambda store, login: store.renew(login, T), True),
    ("suspended", lambda store, _: store.suspend("ada", T), True),
    ("removed", lambda store, _: store.remove_identity("ada", T), True),
    ("without submit", lambda store, login: store.change_credential(login, T, scopes=(Scope.IMAP,)), True),
    ("from fewer networks", lambda store, login: store.change_credential(login, T, networks=("192.0.2.0/24",)), True),
    ("until tomorrow", lambda store, login: store.change_credential(login, T, expires_at=T + 86400), True),
    ("with another label", lambda store, login: store.change_credential(login, T, label="old laptop"), False),
    ("with another address", lambda store, _: store.add_address("ada", "a@example.org", T), False),
]


async def asked(brain: Brain, after: int) -> Revocations:
    return await brain.revocations(RevocationsAsked(after=after))


@pytest.mark.parametrize(("change", "ends"), [case[1:] for case in ENDINGS], ids=[case[0] for case in ENDINGS])
async def test_what_ends_sessions(
    brain: Brain,
    store: IdentityStore,
    ada: NewCredential,
    change: Callable[[IdentityStore, str], object],
    ends: bool,
) -> None:
    """Whatever makes a credential less than it was; told once, to everybody who has not heard of it."""
    start = (await asked(brain, -1)).newest
    change(store, ada.login)
    told = await asked(brain, start)
    assert told.credentials == ((1,) if ends else ())
    assert await asked(brain, told.newest) == Revocations(newest=told.newest)
    assert await asked(brain, start) == told


async def test_who_comes_new_hears_nothing_old(brain: Brain, store: IdentityStore, ada: NewCredential) -> None:
    """The first question only learns where the feed is."""
    store.revoke(ada.login, T)
    assert await asked(brain, -1) == Revocations(newest=1)


async def test_a_store_that_was_restored(brain: Brain, engine: Engine) -> None:
    """Its feed is further back than what a gateway remembers: it goes on from there, or would wait for ever."""
    assert await asked(brain, 1000) == Revocations(newest=0)


async def test_many_at_once_come_in_parts(brain: Brain, engine: Engine) -> None:
    """Two thousand and five credentials, in three answers, none of them twice."""
    with engine.begin() as connection:
        rows = [{"c": number} for number in range(2005)]
        connection.execute(text("INSERT INTO revocation (at, credential_id, identity) VALUES (0, :c, 'ada')"), rows)
    after, seen = 0, list[int]()
    while (told := await asked(brain, after)).credentials:
        after = told.newest
        seen += told.credentials
    assert seen == list(range(2005))


class Dovecot:
    """As much of doveadm's HTTP API as is used, and what it was told."""

    def __init__(self) -> None:
        self.kicked: list[str] = []
        self.status = 200
        self.asked = asyncio.Event()

    async def answer(self, request: aiohttp.web.Request) -> aiohttp.web.Response:
        self.asked.set()
        assert request.headers["Authorization"].startswith("X-Dovecot-API ")
        if self.status == 200:
            self.kicked += [parameters["mask"][0] for _, parameters, _ in await request.json()]
        return aiohttp.web.json_response([], status=self.status)


@asynccontextmanager
async def picking_up(doveadm: Dovecot, brain: Brain, clock: Callable[[], float]) -> AsyncIterator[Pickup]:
    """Not yet started, beside a doveadm that answers."""
    application = aiohttp.web.Application()
    application.router.add_post("/doveadm/v1", doveadm.answer)
    runner = aiohttp.web.AppRunner(application)
    await runner.setup()
    await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
    pickup = Pickup(Doveadm(f"http://127.0.0.1:{runner.addresses[0][1]}", SharedToken(TOKEN)), brain.feed, clock)
    pickup.period_s = 0.01
    yield pickup
    await pickup.close()
    await runner.cleanup()


async def test_imap_sessions_are_ended(brain: Brain, store: IdentityStore, ada: NewCredential) -> None:
    """Once for each identity; and while Dovecot is away nothing is forgotten."""
    doveadm = Dovecot()
    async with picking_up(doveadm, brain, lambda: T) as pickup:
        store.add_credential("ada", "phone", T, Terms())
        store.suspend("ada", T)
        doveadm.status = 500
        pickup.start()
        await turning(doveadm.asked.is_set)
        assert doveadm.kicked == []
        doveadm.status = 200
        await turning(lambda: doveadm.kicked == ["ada"])
        store.resume("ada", T)
        store.revoke(ada.login, T)
        await turning(lambda: doveadm.kicked == ["ada", "ada"])


async def test_imap_sessions_are_ended_once_more(brain: Brain, store: IdentityStore, ada: NewCredential) -> None:
    """A login that was granted just before the revocation is no session yet when Dovecot looks for those to end."""
    doveadm, now = Dovecot(), [T]
    async with picking_up(doveadm, brain, lambda: now[0]) as pickup:
        store.revoke(ada.login, T)
        pickup.start()
        await turning(lambda: doveadm.kicked == ["ada"] and bool(pickup._again))
        now[0] += 10
        await turning(lambda: doveadm.kicked == ["ada", "ada"])


async def test_a_credential_that_ends_by_itself(brain: Brain, store: IdentityStore, ada: NewCredential) -> None:
    """Nobody revokes it, and no row says so: its sessions end all the same, and only once."""
    doveadm, now = Dovecot(), [T]
    store.add_identity("guest", ("guest@example.org",), T)
    store.add_credential("guest", "visit", T, Terms(expires_at=T + 3600))
    async with picking_up(doveadm, brain, lambda: now[0]) as pickup:
        assert await brain.feed.expired(T, T + 3599) == []
        now[0] = T + 3600
        pickup.start()
        await turning(lambda: doveadm.kicked == ["guest"])
        now[0] += 60
        store.suspend("ada", T)
        await turning(lambda: "ada" in doveadm.kicked)
        assert doveadm.kicked == ["guest", "ada"]


async def test_a_clock_that_is_set_back(brain: Brain, store: IdentityStore, ada: NewCredential) -> None:
    """What was to come again, or ends by itself, does not wait until the clock is where it was."""
    doveadm, now, looks = Dovecot(), [T + 90_000], [0]

    def clock() -> float:
        looks[0] += 1
        return now[0]

    store.add_identity("guest", ("guest@example.org",), T)
    store.add_credential("guest", "visit", T, Terms(expires_at=T + 3600))
    async with picking_up(doveadm, brain, clock) as pickup:
        store.revoke(ada.login, now[0])
        pickup.start()
        await turning(lambda: doveadm.kicked == ["ada"] and bool(pickup._again))
        now[0], seen = T + 3500, looks[0]
        await turning(lambda: looks[0] > seen + 4)  # a whole round
        now[0] = T + 3600
        await turning(lambda: doveadm.kicked == ["ada", "ada", "guest"])

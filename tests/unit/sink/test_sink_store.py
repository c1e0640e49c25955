"""The messages: bounded, counted, and waited for."""

import asyncio

from sink.query import Filter, Wait
from sink.store import Store

ALL = Filter()


def add(store: Store, recipient: str = "bob@x.test", size: int = 10) -> int:
    return store.add("", (recipient,), b"x" * size, 0.0).id


def test_newest_is_last() -> None:
    store = Store(max_messages=9, max_bytes=1000)
    assert [add(store), add(store)] == [message.id for message in store.select(ALL)] == [1, 2]


def test_over_the_number_the_oldest_is_dropped_and_counted() -> None:
    store = Store(max_messages=2, max_bytes=1000)
    added = [add(store) for _ in range(4)]
    assert [message.id for message in store.select(ALL)] == added[2:]
    assert (len(store), store.held_bytes, store.dropped) == (2, 20, 2)


def test_over_the_octets_as_many_are_dropped_as_needed() -> None:
    store = Store(max_messages=9, max_bytes=100)
    for size in (40, 40, 90):
        add(store, size=size)
    assert (len(store), store.held_bytes, store.dropped) == (1, 90, 2)


def test_deleting_gives_the_room_back_and_is_no_drop() -> None:
    store = Store(max_messages=9, max_bytes=100)
    number = add(store, size=100)
    assert store.delete(number)
    assert not store.delete(number)
    assert (len(store), store.held_bytes, store.dropped) == (0, 0, 0)


def test_an_id_is_never_used_twice() -> None:
    store = Store(max_messages=9, max_bytes=100)
    store.delete(add(store))
    assert add(store) == 2


async def test_wait_ends_as_soon_as_enough_match() -> None:
    store = Store(max_messages=9, max_bytes=100)
    waiting = asyncio.create_task(store.wait(Filter(recipient="bob@x.test"), Wait(60, 2)))
    for recipient in ("bob@x.test", "eve@x.test", "bob@x.test"):
        await asyncio.sleep(0)  # the waiting task looks in between
        assert not waiting.done()
        add(store, recipient)
    assert [message.id for message in await waiting] == [1, 3]


async def test_wait_returns_at_once_what_is_there_already() -> None:
    store = Store(max_messages=9, max_bytes=100)
    add(store)
    assert len(await store.wait(ALL, Wait(60, 1))) == 1


async def test_wait_returns_what_there_is_when_the_time_is_over() -> None:
    store = Store(max_messages=9, max_bytes=100)
    add(store)
    assert len(await store.wait(ALL, Wait(0.01, 2))) == 1


async def test_wait_ends_when_the_sink_stops() -> None:
    store = Store(max_messages=9, max_bytes=100)
    waiting = asyncio.create_task(store.wait(ALL, Wait(60, 1)))
    await asyncio.sleep(0)
    store.close()
    assert await waiting == []

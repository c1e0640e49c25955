"""Budgets on a server of their own, in a backup and after a restore."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping

import valkey
from sqlalchemy import Engine

from policy.budgets.valkey_line import Server
from policy.migrating import budgets
from policy.migrating.in_valkey import InValkey, connect, told
from policy.migrating.places import InDatabase, charge_rows, member_rows
from policy.store.archive import Row
from policy.store.backup import Say, snapshot

_MARK = "a restore"  # as long as it has not ended nobody passes


@contextlib.contextmanager
def rows_of(server: Server | None, now: float) -> Iterator[Mapping[str, Iterable[Row]]]:
    """As a backup has them, by table; nothing where they are in the database. StoreError where it does not answer."""
    if not server:
        yield {}
        return
    with connect(server) as client, _told():
        place = InValkey(client, now)
        yield {"charge": charge_rows(place.every()), "member": member_rows(place.every())}


@contextlib.contextmanager
def filled_after(engine: Engine, server: Server | None, now: float, say: Say) -> Iterator[None]:
    """Around a restore: a server without budgets gets those that were restored, and one that has some keeps them.

    What it has is newer than the backup, so that it leaves nobody more than he had.
    """
    if not server:
        yield
        return
    with connect(server) as client, _told():
        place = InValkey(client, now)
        if place.state() not in (None, _MARK):
            yield
            return
        place.begin(_MARK)
        try:
            yield
        except BaseException:
            place.forget()  # nothing was restored
            raise
        place.empty()
        with snapshot(engine) as connection:
            budgets.move(InDatabase(connection), place, say)
        place.finish()


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except valkey.ValkeyError as error:
        raise told(error) from None

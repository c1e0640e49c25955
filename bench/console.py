"""The console's overview on a million recorded decisions, and live while a hundred come in a second.

.venv/bin/python -m bench.console               some minutes, most of them to fill the database; 3 GB of disk
.venv/bin/python -m bench.console --decisions 100000

The page is asked of the real application in a process of its own, first with nothing of the database in memory, then
again. Live, the console is served on loopback, five viewers read its streams, and another process commits one decision
after the other; how long it takes until a viewer has one is told for the newest one in each piece that comes. Retention
is that of policy: its own statement, as often as so many messages would run it.
"""

import argparse
import asyncio
import json
import logging
import multiprocessing
import os
import random
import re
import statistics
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import httpx
import structlog
import uvicorn

from bench.console_stage import KEPT_DAYS, Stage, fill, staged
from policy.console.app import hosts_of, make_app
from policy.console.parts import open_parts
from policy.console.serving import BoundedProtocol, Server
from policy.store.database import kept_connection, open_database
from policy.store.records import DELETED_AT_ONCE, FORGET
from tests.harness import free_port, until

TARGETS = {
    "open_first_s": 1.0,
    "open_cold_s": 1.0,
    "open_warm_s": 1.0,
    "open_live_s": 1.0,
    "delay_p50_s": 1.5,
    "loop_lag_p99_ms": 50.0,
}
_SPAWN = multiprocessing.get_context("spawn")
_VIEWERS, _A_SECOND = 5, 100
_NEWEST = re.compile(rb'id="decision-(live-\d+)"')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decisions", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=20.0, help="of the live view; default 20")
    parser.add_argument("--folder", type=Path, help="where the database is made; default a temporary folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        figures = measure(Path(folder), options.decisions, options.seconds)
    print(json.dumps(figures, indent=1))
    for name, limit in TARGETS.items():
        print(f"{name:<16} {figures[name]:>8.3f}   <= {limit:<6g} {'met' if figures[name] <= limit else 'NOT MET'}")


def measure(folder: Path, decisions: int, seconds: float) -> dict[str, float]:
    """One after the other on the same database."""
    begun = time.perf_counter()
    stage = staged(folder, decisions)
    figures = {"decisions": float(decisions), "filled_s": round(time.perf_counter() - begun, 1)}
    figures["database_mb"] = _megabytes(stage)
    with _SPAWN.Pool(1) as another:
        figures |= another.apply(opened, (stage,))
    figures |= asyncio.run(_live(stage, seconds))
    return figures | retention(stage, decisions)


# Opening


def opened(stage: Stage) -> dict[str, float]:
    """First in a process that has shown no page, then with nothing of the database in memory, then again."""
    _be_quiet()
    now = [time.time()]
    parts = open_parts(stage.settings, lambda: now[0], time.monotonic)
    app, cookie = make_app(parts, hosts_of(stage.settings)), stage.cookie()
    _forget_file(stage.database)

    async def ask(path: str) -> float:
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]  # an ASGI application
        async with httpx.AsyncClient(transport=transport, base_url=f"https://{stage.host}") as client:
            begun = time.perf_counter()
            answer = await client.get(path, headers={"Cookie": cookie})
        answer.raise_for_status()
        now[0] += 5  # what was read is not fresh any more
        return time.perf_counter() - begun

    async def all_of_them() -> dict[str, float]:
        first = await ask("/staff")
        _forget_file(stage.database)
        cold = await ask("/staff")
        warm = [await ask("/staff") for _ in range(20)]
        week = [await ask("/staff?span=7d") for _ in range(5)]
        found = {"open_first_s": first, "open_cold_s": cold, "open_warm_s": statistics.median(warm)}
        found |= {"open_warm_worst_s": max(warm), "open_week_s": statistics.median(week)}
        return {name: round(value, 3) for name, value in found.items()}

    return asyncio.run(all_of_them())


def _forget_file(path: Path) -> None:
    """posix_fadvise(2): what is on disk goes out of memory."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def _be_quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


# Live


async def _live(stage: Stage, seconds: float) -> dict[str, float]:
    port, cookies = free_port(), [stage.cookie(number) for number in range(_VIEWERS)]
    (ours, theirs), (written, writing) = _SPAWN.Pipe(), _SPAWN.Pipe()
    console = _SPAWN.Process(target=serve, args=(stage, port, theirs))
    console.start()
    ours.recv()  # it answers
    writer = _SPAWN.Process(target=write, args=(stage, seconds + 2.0, writing))
    writer.start()
    written.recv()
    viewers = [asyncio.create_task(_look(stage, port, cookie, seconds)) for cookie in cookies]
    opens = await _open_meanwhile(stage, port, cookies[0], seconds)
    seen = [one for viewer in viewers for one in await viewer]
    committed: dict[str, float] = await asyncio.to_thread(written.recv)
    ours.send("end")
    lags = ours.recv()
    for process in (console, writer):
        process.join()
    delays = sorted(at - committed[number] for number, at in seen if number in committed)
    last, first = max(committed.values()), min(committed.values())
    return {
        "committed_per_s": round(len(committed) / (last - first), 1),
        "pieces": float(len(delays)),
        "delay_p50_s": round(statistics.median(delays), 3),
        "delay_worst_s": round(delays[-1], 3),
        "open_live_s": round(statistics.median(opens), 3),
        "loop_lag_p99_ms": round(1000 * sorted(lags)[int(len(lags) * 0.99)], 1),
        "loop_lag_worst_ms": round(1000 * max(lags), 1),
    }


async def _look(stage: Stage, port: int, cookie: str, seconds: float) -> list[tuple[str, float]]:
    """The newest decision in each piece, and when it was there."""
    reader, sender = await asyncio.open_connection("127.0.0.1", port)
    sender.write(f"GET /staff/live HTTP/1.1\r\nHost: {stage.host}\r\nCookie: {cookie}\r\n\r\n".encode())
    found, end = list[tuple[str, float]](), time.time() + seconds
    while time.time() < end:
        line = await reader.readline()
        if newest := _NEWEST.search(line):
            number = newest[1].decode()
            if not found or int(number[5:]) > int(found[-1][0][5:]):  # the first of the next piece
                found.append((number, time.time()))
    sender.close()
    return found


async def _open_meanwhile(stage: Stage, port: int, cookie: str, seconds: float) -> list[float]:
    """The page, by somebody who comes now and then."""
    times, end = list[float](), time.time() + seconds
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        while time.time() < end:
            begun = time.perf_counter()
            answer = await client.get("/staff", headers={"Cookie": cookie, "Host": stage.host})
            answer.raise_for_status()
            times.append(time.perf_counter() - begun)
            await asyncio.sleep(1.3)
    return times


def serve(stage: Stage, port: int, told: Connection) -> None:
    """The console as it is served, but for TLS; until somebody says that it is enough."""
    _be_quiet()
    parts = open_parts(stage.settings, time.time, time.monotonic)
    app, lags = make_app(parts, hosts_of(stage.settings)), list[float]()
    config = uvicorn.Config(app, http=BoundedProtocol, host="127.0.0.1", port=port, log_config=None, access_log=False)
    server = Server(config, parts.live.end)

    async def watch_lag() -> None:
        loop = asyncio.get_running_loop()
        while not server.should_exit:
            begun = loop.time()
            await asyncio.sleep(0.01)
            lags.append(loop.time() - begun - 0.01)

    async def run() -> None:
        serving = asyncio.create_task(server.serve())
        await asyncio.to_thread(until, lambda: server.started, "the console answers")
        told.send("ready")
        watching = asyncio.create_task(watch_lag())
        await asyncio.to_thread(told.recv)
        server.should_exit = True
        await asyncio.gather(serving, watching)

    asyncio.run(run())
    told.send(lags)


def write(stage: Stage, seconds: float, told: Connection) -> None:
    """Those that are due go to disk in one commit, as policy does it; when each was there."""
    connection = kept_connection(open_database(stage.database))
    chance, committed = random.Random(1), dict[str, float]()  # noqa: S311 - a choice of rows
    told.send("begun")
    begun = time.time()
    while time.time() < begun + seconds:
        time.sleep(max(0.0, begun + len(committed) / _A_SECOND - time.time()))
        due = range(len(committed), int((time.time() - begun) * _A_SECOND) + 1)
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(stage.insert, [stage.row(f"live-{number}", time.time(), chance) for number in due])
        connection.execute("COMMIT")
        committed |= dict.fromkeys([f"live-{number}" for number in due], time.time())
    connection.close()
    told.send(committed)


# Retention


def retention(stage: Stage, decisions: int) -> dict[str, float]:
    """Ten days pass without a message: how long policy's statement takes for a third of all, and how large it is then.

    And once as many have come again: no file grows of what was forgotten before.
    """
    connection = kept_connection(open_database(stage.database))
    before, now, took = _megabytes(stage), time.time() + KEPT_DAYS / 3 * 86400, list[float]()
    edge = {"edge": now - KEPT_DAYS * 86400, "most": DELETED_AT_ONCE}
    deleted = 1
    while deleted:
        begun = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        deleted = sum(connection.execute(FORGET.sqlite, edge).rowcount for _ in range(100))
        connection.execute("COMMIT")
        took.append((time.perf_counter() - begun) / 100)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    ((left,),) = connection.execute("SELECT count(*) FROM submission").fetchall()
    free_pages = "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size"
    ((free,),) = connection.execute(free_pages).fetchall()
    connection.close()
    fill(stage, decisions // 3, now)
    return {
        "size_before_mb": before,
        "left": float(left),
        "free_within_mb": round(free / 1e6, 1),
        "size_after_as_many_again_mb": _megabytes(stage),
        "forget_ms": round(1000 * statistics.median(took), 2),
    }


def _megabytes(stage: Stage) -> float:
    return round(stage.database.stat().st_size / 1e6, 1)


if __name__ == "__main__":
    main()

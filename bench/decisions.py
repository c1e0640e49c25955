"""How many messages a policy process decides, on the shipped policy, with identities that have a history.

python -m bench.decisions                            10,000 identities with 100 known recipients each; about a minute
python -m bench.decisions --valkey valkey://127.0.0.1:6379/0 --processes 4

Devices hand messages in from their own networks, over connections that are kept, as the gateway asks: one to three
recipients, 97 in 100 of them known. Each decision is on disk before it is answered; of the accepted ones the outcome
is reported in batches, as the gateway does, and makes the new recipients known. Client and server share the machine.
First they ask as fast as they are answered, then `--rate` in each second, whether or not those before are answered.
"""

import argparse
import asyncio
import json
import random
import re
import secrets
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from bench.identities import Policy
from bench.processes import cpu_seconds
from bench.questions import Answers, Connection, connected
from gateway.handover import new_submission
from policy.marks import Marks
from policy.store.database import kept_connection, open_database

KNOWN_SHARE = 0.97  # of 20,000 messages in ten seconds: the server may reach 2,000 new recipients in an hour
REPORTED_TOGETHER = 10
TARGETS = {"decisions_per_s": (2000, ">="), "p99_ms": (5, "<=")}
_RESERVATION = re.compile(rb'"reservation":"([^"]+)"')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--identities", type=int, default=10_000)
    parser.add_argument("--known", type=int, default=100, help="recipients that each knows; default 100")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument(
        "--rate", type=float, default=500.0, help="messages in a second in the second part; default 500"
    )
    parser.add_argument("--connections", type=int, default=8, help="of each process; default 8")
    parser.add_argument("--processes", type=int, default=1, help="policy processes on one database; default 1")
    parser.add_argument("--valkey", default="", help="budgets there, in place of the database")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), options)
    print(json.dumps(figures, indent=1))
    for name, (limit, sign) in TARGETS.items():
        is_met = figures[name] >= limit if sign == ">=" else figures[name] <= limit
        print(f"{name:<16} {figures[name]:>10.2f}   {sign} {limit:<6} {'met' if is_met else 'NOT MET'}")


def measure(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """All processes on one store at once."""
    first = Policy(folder, options.identities)
    if options.valkey:
        first.set("POLICY_BUDGETS_URL", options.valkey)
    credentials = with_history(first, options.known)
    policies = [first, *(first.another() for _ in range(options.processes - 1))]
    try:
        for policy in policies:
            policy.start()
        work = (policies, credentials, options.known, options.connections)
        asyncio.run(decided(*work, 1.0))  # warm
        groups = {str(policy.port): policy.process_id for policy in policies}
        before = sum(cpu_seconds(groups).values())
        answers = asyncio.run(decided(*work, options.seconds))
        used = sum(cpu_seconds(groups).values()) - before
        paced = asyncio.run(decided(*work, options.seconds, options.rate))
        for one in (answers, paced):
            if refused := {what: count for what, count in one.outcomes.items() if what != "accept"}:
                print(f"note: not all messages were accepted: {refused}")
        return {
            "identities": options.identities,
            "known": options.identities * options.known,
            "processes": options.processes,
            "decisions_per_s": round(len(answers.seconds) / answers.elapsed, 1),
            "p50_ms": round(answers.at(0.5), 2),
            "p99_ms": round(answers.at(0.99), 2),
            "paced_per_s": round(len(paced.seconds) / paced.elapsed, 1),
            "paced_p50_ms": round(paced.at(0.5), 2),
            "paced_p99_ms": round(paced.at(0.99), 2),
            "cpu_us": round(used / len(answers.seconds) * 1e6, 1),
            "memory_mib": round(first.memory_mib(), 1),
        }
    finally:
        for policy in policies:
            policy.stop()


def with_history(policy: Policy, known: int) -> dict[int, int]:
    """Each identity knows `known` recipients, and its network is home. The credential of each device's number."""
    marks, today = Marks(policy.key), int(time.time() // 86400)
    connection = kept_connection(open_database(policy.database))
    rows = connection.execute(
        "SELECT credential.id, identity.id, identity.name FROM credential"
        " JOIN identity ON identity.id = credential.identity_id WHERE identity.name LIKE 'user%'"
    ).fetchall()
    everybody = [marks.recipient(_address(number)) for number in range(known)]
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE network SET days = 30, first_used_at = first_used_at - 30 * 86400")
    connection.executemany(
        "INSERT INTO known_recipient (identity_id, mark, last_used_day) VALUES (?, ?, ?)",
        ((identity, mark, today) for _, identity, _ in rows for mark in sorted(everybody)),
    )
    connection.execute("COMMIT")
    connection.execute("ANALYZE")
    connection.close()
    first = min(identity for _, identity, _ in rows)
    return {identity - first: credential for credential, identity, _ in rows}


def _address(number: int) -> str:
    return f"friend{number}@example.net"


def _questions(policy: Policy, credentials: dict[int, int], known: int) -> Iterator[bytes]:
    """One message after the other, by chance."""
    chance = random.Random(secrets.token_hex(4))  # noqa: S311 - the choice of a sender
    for number in iter(int, 1):
        del number
        sender = chance.randrange(len(policy.devices))
        recipients = [
            _address(chance.randrange(known))
            if chance.random() < KNOWN_SHARE
            else f"{secrets.token_hex(5)}@example.com"
            for _ in range(chance.choice((1, 1, 1, 1, 2, 3)))
        ]
        facts = {
            "submission": new_submission(time.time()),
            "session": secrets.token_hex(6),
            "listener": "submission",
            "client_address": policy.devices[sender].home,
            "client_name": "laptop.example",
            "credential": credentials[sender],
            "reverse_path": f"user{sender + policy.first}@example.org",
            "recipients": recipients,
            "authors": [f"user{sender + policy.first}@example.org"],
            "senders": [],
            "names": ["Somebody"],
            "message_bytes": chance.randrange(500, 20_000),
        }
        yield policy.request("/v1/message", facts)


async def decided(
    policies: list[Policy],
    credentials: dict[int, int],
    known: int,
    connections: int,
    seconds: float,
    rate: float | None = None,
) -> Answers:
    """As fast as they are answered, or so many in each second."""
    answers, begun = Answers(), time.perf_counter()
    moments = (begun + number / rate for number in count()) if rate else iter(time.perf_counter, None)
    pools = [(policy, await connected(policy.port, connections)) for policy in policies]
    asking = [
        _keep_asking(policy, one, _questions(policy, credentials, known), answers, moments, begun + seconds)
        for policy, pool in pools
        for one in pool
    ]
    await asyncio.gather(*asking)
    answers.elapsed = time.perf_counter() - begun
    return answers


async def _keep_asking(
    policy: Policy,
    connection: Connection,
    questions: Iterator[bytes],
    answers: Answers,
    moments: Iterator[float],
    until: float,
) -> None:
    """Each accepted message is relayed; reports on some of them at a time go beside the questions: nobody waits.

    `moments` are when all connections together are to ask, the next that is free the next one: to wait for it counts.
    """
    relayed, telling = list[str](), set[asyncio.Task[None]]()
    (teller,) = await connected(policy.port, 1)
    for question, asked in zip(questions, moments, strict=False):
        if asked > until:
            break
        if (early := asked - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        body = await connection.ask(question)
        answers.add(time.perf_counter() - asked, body)
        if found := _RESERVATION.search(body):
            relayed.append(found[1].decode())
        if len(relayed) >= REPORTED_TOGETHER:
            reports = [{"reservation": one, "outcome": "relayed", "queue_id": "4Q8kXz0Zg"} for one in relayed]
            await asyncio.gather(*telling)  # the one before, long since
            telling = {asyncio.create_task(teller.tell(policy.request("/v1/outcomes", {"outcomes": reports})))}
            relayed.clear()
    await asyncio.gather(*telling)
    connection.close()
    teller.close()


if __name__ == "__main__":
    main()

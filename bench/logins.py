"""How many logins one policy process decides, with many identities on SQLite; and what a storm of guesses does to them.

python -m bench.logins                            100,000 identities; about a minute
python -m bench.logins --identities 1000 --seconds 2

Devices log in from their own networks over connections that are kept, as the gateway asks. The storm: 500 wrong
secrets in a second on logins with a slow hash of another server, each from a network of its own, so that no wall keeps
them away; meanwhile devices log in at a steady rate. Client and server share the machine, as gateway and policy do.
"""

import argparse
import asyncio
import itertools
import json
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.identities import Policy
from bench.questions import Answers, flat_out, paced

STORM_PER_S, DEVICES_PER_S = 500, 200
MIGRATED = 2000  # logins with a foreign hash
TARGETS = {
    "decisions_per_s": (1500, ">="),
    "storm_p99_ms": (20, "<="),
    "start_up_s": (2, "<"),
    "memory_mib": (300, "<"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--identities", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each part; default 10")
    parser.add_argument("--connections", type=int, default=8, help="default 8")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), options.identities, options.seconds, options.connections)
    print(json.dumps(figures, indent=1))
    for name, (limit, sign) in TARGETS.items():
        is_met = {">=": figures[name] >= limit, "<=": figures[name] <= limit, "<": figures[name] < limit}[sign]
        print(f"{name:<16} {figures[name]:>10.2f}   {sign} {limit:<6} {'met' if is_met else 'NOT MET'}")


def measure(folder: Path, identities: int, seconds: float, connections: int) -> dict[str, float]:
    """Everything, one after the other, on one process."""
    begun = time.perf_counter()
    policy = Policy(folder, identities, min(MIGRATED, identities))
    made_s = time.perf_counter() - begun
    try:
        start_up_s, memory_mib = policy.start(), policy.memory_mib()
        asyncio.run(flat_out(policy.port, connections, devices(policy), 1.0))  # warm
        alone = asyncio.run(flat_out(policy.port, connections, devices(policy), seconds))
        _must_be_granted(alone)
        quiet = asyncio.run(paced(policy.port, connections, devices(policy), seconds, DEVICES_PER_S))
        _must_be_granted(quiet)
        storm, among = asyncio.run(_in_a_storm(policy, connections, seconds))
        _must_be_granted(among)
        return {
            "identities": identities,
            "store_made_s": round(made_s, 2),
            "start_up_s": round(start_up_s, 3),
            "memory_at_start_mib": round(memory_mib, 1),
            "memory_mib": round(policy.memory_mib(), 1),
            "decisions_per_s": round(len(alone.seconds) / alone.elapsed, 1),
            "p50_ms": round(alone.at(0.5), 2),
            "p99_ms": round(alone.at(0.99), 2),
            "quiet_p50_ms": round(quiet.at(0.5), 2),
            "quiet_p99_ms": round(quiet.at(0.99), 2),
            "storm_per_s": round(len(storm.seconds) / storm.elapsed, 1),
            "storm_verified": storm.outcomes.get("refused", 0),
            "storm_told_later": storm.outcomes.get("later", 0),
            "storm_p50_ms": round(among.at(0.5), 2),
            "storm_p99_ms": round(among.at(0.99), 2),
        }
    finally:
        policy.stop()


def devices(policy: Policy) -> Iterator[bytes]:
    """One after the other, each right and from home; by chance, so that no cache helps more than in life."""
    chance = random.Random(1)  # noqa: S311 - the same each time
    while True:
        one = chance.choice(policy.devices)
        yield policy.question(one.login, one.secret, one.home)


def wrong_ones(policy: Policy) -> Iterator[bytes]:
    """A guess on each login in turn, each from a network of its own."""
    for number in itertools.count():
        login = policy.migrated[number % len(policy.migrated)]
        address = f"2001:{number >> 16 & 65535:x}:{number & 65535:x}::1"
        yield policy.question(login, f"guess {number}", address)


async def _in_a_storm(policy: Policy, connections: int, seconds: float) -> tuple[Answers, Answers]:
    storm = asyncio.create_task(paced(policy.port, 64, wrong_ones(policy), seconds + 2, STORM_PER_S))
    await asyncio.sleep(1)
    among = await paced(policy.port, connections, devices(policy), seconds, DEVICES_PER_S)
    return await storm, among


def _must_be_granted(answers: Answers) -> None:
    refused = {outcome: count for outcome, count in answers.outcomes.items() if outcome != "granted"}
    if refused:
        print(f"note: not all devices were let in: {refused}")


if __name__ == "__main__":
    main()

"""How many connections one policy process decides on in a second, each with a look into the databases of addresses.

python -m bench.connects                          half a minute
python -m bench.connects --seconds 2

Over HTTP connections that are kept, as the gateway asks, on SQLite, with the shipped databases. Three parts: addresses
that were never seen, so that no table of ours helps; addresses that come again; a flood from a country that the gate
denies while somebody has an exemption for another one. Client and server share the
machine, as gateway and policy do.
"""

import argparse
import asyncio
import ipaddress
import json
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.identities import Policy
from bench.questions import Answers, flat_out
from policy.geo.opened import atlas_at
from policy.store.audit import Actor
from policy.store.database import open_database
from policy.store.identities import IdentityStore

_POLICY = '[gates.default]\ndeny-countries = ["CN", "KZ"]\nhosting = "probation"\n'
_KNOWN = 2000  # addresses that come again
_DAY_S = 86400.0
TARGETS = {"never_seen_per_s": 5000, "seen_per_s": 5000, "denied_per_s": 5000}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--identities", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each part; default 5")
    parser.add_argument("--connections", type=int, default=8, help="default 8")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), options.identities, options.seconds, options.connections)
    print(json.dumps(figures, indent=1))
    for name, limit in TARGETS.items():
        print(f"{name:<18} {figures[name]:>10.0f}   >= {limit:<6} {'met' if figures[name] >= limit else 'NOT MET'}")


def measure(folder: Path, identities: int, seconds: float, connections: int) -> dict[str, float]:
    """Everything, one after the other, on one process."""
    policy = Policy(folder, identities)
    (folder / "state" / "policy.toml").write_text(_POLICY)
    _exempt(policy)
    try:
        start_up_s = policy.start()
        memory_at_start_mib = policy.memory_mib()
        figures: dict[str, float] = {"start_up_s": round(start_up_s, 3)}
        asyncio.run(flat_out(policy.port, connections, _questions(policy, _public()), seconds / 5))  # warm
        for name, addresses in (("never_seen", _public()), ("seen", _again()), ("denied", _denied())):
            answers = asyncio.run(flat_out(policy.port, connections, _questions(policy, addresses), seconds))
            figures |= _figures(name, answers)
        return figures | {
            "lookup_us": round(_lookup_us(), 1),
            "memory_at_start_mib": round(memory_at_start_mib, 1),
            "memory_mib": round(policy.memory_mib(), 1),
        }
    finally:
        policy.stop()


def _exempt(policy: Policy) -> None:
    """Somebody travels, so that whoever is refused was compared with that, too."""
    engine, now = open_database(policy.database), time.time()
    store = IdentityStore(engine, policy.key, Actor("cli:bench", "localhost"))
    store.add_exemption("administrator", "KZ", now + _DAY_S, "", now)
    engine.dispose()


def _questions(policy: Policy, addresses: Iterator[str]) -> Iterator[bytes]:
    for address in addresses:
        body = json.dumps({"listener": "submission", "client_address": address}).encode()
        head = (
            f"POST /v1/connect HTTP/1.1\r\nHost: policy\r\nAuthorization: Bearer {policy.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        yield head.encode() + body


def _public() -> Iterator[str]:
    """All over the world, by chance, the same each time; hardly one comes twice."""
    chance = random.Random(1)  # noqa: S311 - the same each time
    while True:
        address = ipaddress.IPv4Address(chance.getrandbits(32))
        if address.is_global:
            yield str(address)


def _again() -> Iterator[str]:
    chance, source = random.Random(2), _public()  # noqa: S311 - the same each time
    known = [next(source) for _ in range(_KNOWN)]
    while True:
        yield chance.choice(known)


def _denied() -> Iterator[str]:
    """From a network of China's, each address once."""
    first = int(ipaddress.IPv4Address("111.0.0.0"))
    for number in range(2**22):
        yield str(ipaddress.IPv4Address(first + number))


def _figures(name: str, answers: Answers) -> dict[str, float]:
    refused = answers.outcomes.get("refused", 0)
    return {
        f"{name}_per_s": round(len(answers.seconds) / answers.elapsed, 1),
        f"{name}_p50_ms": round(answers.at(0.5), 2),
        f"{name}_p99_ms": round(answers.at(0.99), 2),
        f"{name}_refused": round(refused / len(answers.seconds), 3),
    }


def _lookup_us() -> float:
    """One origin that is in no table, alone."""
    count = 20_000
    atlas, source = atlas_at("", ""), _public()
    addresses = [next(source) for _ in range(count)]
    begun = time.perf_counter()
    for address in addresses:
        atlas.origin(address)
    return 1e6 * (time.perf_counter() - begun) / count


if __name__ == "__main__":
    main()

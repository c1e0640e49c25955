"""Whether the time of a refusal tells a stranger anything: 2,000 attempts of each kind, interleaved, on a real policy.

python -m bench.timing
python -m bench.timing --attempts 500

Unknown login against wrong secret, revoked and expired credential. Each attempt comes from a network of its own, so
that no wall is met, on a login of its own, so that no tarpit is. For each pair: the Mann-Whitney test of whether one is
slower than the other, and the difference of the medians. A stranger learns nothing where p > 0.05, or where the
difference is below 50 microseconds, which no network lets through.
"""

import argparse
import asyncio
import math
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.identities import Policy
from bench.questions import connected
from policy.store.database import kept_connection, open_database
from policy.store.handles import new_login, new_secret

BASE, OTHERS = "unknown login", ("wrong secret", "revoked, wrong secret", "expired, right secret")
P_LIMIT, DIFFERENCE_LIMIT_US = 0.05, 50.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attempts", type=int, default=2000, help="of each kind; default 2000")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        times = measure(Path(folder), options.attempts)
    base = times[BASE]
    print(f"{BASE:<24} median {1e6 * statistics.median(base):7.1f} us")
    for kind in OTHERS:
        difference_us = 1e6 * (statistics.median(times[kind]) - statistics.median(base))
        p = mann_whitney(base, times[kind])
        is_told = p <= P_LIMIT and abs(difference_us) >= DIFFERENCE_LIMIT_US
        print(
            f"{kind:<24} median {1e6 * statistics.median(times[kind]):7.1f} us   difference {difference_us:+6.1f} us"
            f"   p = {p:.3f}   {'TOLD APART' if is_told else 'not told apart'}"
        )


def measure(folder: Path, attempts: int) -> dict[str, list[float]]:
    """Seconds of each attempt, by its kind; one question at a time."""
    policy = Policy(folder, 3 * attempts)
    wrong, revoked, expired = (policy.devices[start::3] for start in range(3))
    _end(policy, "revoked_at", [one.login for one in revoked])
    _end(policy, "expires_at", [one.login for one in expired])
    tried = {
        BASE: [(new_login(), new_secret()) for _ in range(attempts)],
        OTHERS[0]: [(one.login, new_secret()) for one in wrong],
        OTHERS[1]: [(one.login, new_secret()) for one in revoked],
        OTHERS[2]: [(one.login, one.secret) for one in expired],
    }
    order = [(kind, *attempt) for kind, all_of_it in tried.items() for attempt in all_of_it]
    random.Random(1).shuffle(order)  # noqa: S311 - the same each time
    policy.start()
    try:
        return asyncio.run(_asked(policy, order))
    finally:
        policy.stop()


async def _asked(policy: Policy, order: Sequence[tuple[str, str, str]]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {kind: [] for kind in (BASE, *OTHERS)}
    (connection,) = await connected(policy.port, 1)
    for number, (kind, login, secret) in enumerate(order):
        question = policy.question(login, secret, f"2001:{number >> 16:x}:{number & 65535:x}::1")
        begun = time.perf_counter()
        answer = await connection.ask(question)
        times[kind].append(time.perf_counter() - begun)
        assert b'"refused"' in answer, answer  # noqa: S101 - else something else was measured
    connection.close()
    return times


def mann_whitney(one: Sequence[float], other: Sequence[float]) -> float:
    """The two-sided p of the rank-sum test in its normal approximation, which is good from twenty on."""
    ranked = sorted([(value, 0) for value in one] + [(value, 1) for value in other])
    rank_sum, place = 0.0, 0
    while place < len(ranked):
        end = place
        while end < len(ranked) and ranked[end][0] == ranked[place][0]:
            end += 1
        mean_rank = (place + 1 + end) / 2  # of equal values
        rank_sum += mean_rank * sum(1 for _, whose in ranked[place:end] if whose == 0)
        place = end
    n, m = len(one), len(other)
    statistic = rank_sum - n * (n + 1) / 2
    deviation = math.sqrt(n * m * (n + m + 1) / 12)
    return math.erfc(abs(statistic - n * m / 2) / deviation / math.sqrt(2))


def _end(policy: Policy, column: str, logins: Sequence[str]) -> None:
    connection = kept_connection(open_database(policy.database))
    connection.execute("BEGIN IMMEDIATE")
    moment = time.time() - 60
    connection.executemany(
        f"UPDATE credential SET {column} = ? WHERE login = ?",  # noqa: S608 - a column of ours
        [(moment, login) for login in logins],
    )
    connection.execute("COMMIT")
    connection.close()


if __name__ == "__main__":
    main()

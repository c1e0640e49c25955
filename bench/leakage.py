"""What a thief gets out: Sallyport beside the documented default limits of others, on the same scenarios.

    python -m bench.leakage                       all of them, a few minutes
    python -m bench.leakage --seeds 1 --scenario A1 --scenario L2

Recipients that the thief reaches in the first hour and in the first day, all accounts of a scenario together, known
recipients and our own people too; and recipients of legitimate senders that are refused. Medians of the seeds. Where a
thief only reads along at first, hour and day are those from when he begins to write.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median_low

from bench.others import SERVERS, Door, Server
from bench.table import aligned
from policy.budgets.memory import MemoryBudgets
from policy.marks import Marks
from policy.rulebook import shipped
from policy.simulation.atlas import Atlas
from policy.simulation.doors import Sallyport
from policy.simulation.runs import staged
from policy.simulation.scenarios import SCENARIOS, named
from policy.simulation.scenarios.neighbours import WRITES_FROM_S
from policy.simulation.scenarios.patient import LURKS_DAYS
from policy.simulation.scenarios.scenario import DAY_S, HOUR_S, Scenario
from policy.simulation.senders import OUR_DOMAIN
from policy.simulation.tally import Tally, until
from policy.simulation.world import World

OURS = "Sallyport"
NOT_COMPARED = {"A13", "A14", "L8", "L9"}  # guesses: before anybody is let in
QUIET_S = {**dict.fromkeys(("A19a", "A19b", "A19c"), (LURKS_DAYS - 1) * DAY_S), "A21": WRITES_FROM_S}


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """Of one scenario at one server. `held` is only ours: the others have nothing like it."""

    scenario: str
    server: str
    in_an_hour: int
    in_a_day: int
    refused: int  # recipients of a legitimate sender, or of the owner meanwhile
    held: int  # of the same


def main() -> None:
    options = read_options(sys.argv[1:])
    chosen = [one for one in _chosen(options.scenario) if one.name not in NOT_COMPARED]
    leaks = [leak for scenario in chosen for leak in compared(scenario, options.seeds)]
    if options.json:
        options.json.write_text(json.dumps([asdict(leak) for leak in leaks], indent=1) + "\n")
    print(as_text(leaks))


def read_options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.leakage", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3, help="runs of each; default 3")
    parser.add_argument("--scenario", action="append", help="A4, A5 with its variants, or L; repeat for more")
    parser.add_argument("--json", type=Path, help="keep the numbers there")
    options = parser.parse_args(arguments)
    for name in options.scenario or ():
        if not named(name):
            parser.error(f"there is no scenario {name!r}")
    return options


def compared(scenario: Scenario, seeds: int) -> Iterator[Leak]:
    """The same scenario at everybody's."""
    for server in (None, *SERVERS):
        tallies = [played(scenario, seed, server) for seed in range(seeds)]
        quiet_s = QUIET_S.get(scenario.name, 0.0)
        yield Leak(
            scenario=scenario.name,
            server=server.name if server else OURS,
            in_an_hour=median_low([_reached(tally, quiet_s + HOUR_S) for tally in tallies]),
            in_a_day=median_low([_reached(tally, quiet_s + DAY_S) for tally in tallies]),
            refused=median_low([tally.owner.refused for tally in tallies]),
            held=median_low([tally.owner.held for tally in tallies]),
        )


def played(scenario: Scenario, seed: int, server: Server | None) -> Tally:
    """The first day of it, or of what he writes; None is our own."""
    atlas = Atlas()
    scene = staged(scenario, seed, Door(server) if server else _ours(atlas), atlas)
    scene.play(min(scenario.lasts_s, QUIET_S.get(scenario.name, 0.0) + DAY_S))
    return scene.tally


def as_text(leaks: Sequence[Leak]) -> str:
    """Two tables, and where the limits come from."""
    names = list(dict.fromkeys(leak.server for leak in leaks))
    by_name = {(leak.scenario, leak.server): leak for leak in leaks}
    scenarios = list(dict.fromkeys(leak.scenario for leak in leaks))
    attacks = [("reached in 1 h / 24 h", *names)]
    senders = [("recipients refused", *names)]
    for scenario in scenarios:
        own = [by_name[scenario, name] for name in names]
        if scenario.startswith("A"):
            attacks.append((scenario, *(f"{leak.in_an_hour:,} / {leak.in_a_day:,}" for leak in own)))
        else:
            senders.append((scenario, *(_of_sender(leak) for leak in own)))
    tables = [aligned(lines) for lines in (attacks, senders) if len(lines) > 1]
    return "\n\n".join([*tables, "\n".join(f"{one.name}: {one.source}" for one in SERVERS)])


def _of_sender(leak: Leak) -> str:
    return f"{leak.refused} ({leak.held} held)" if leak.held else str(leak.refused)


def _reached(tally: Tally, seconds: float) -> int:
    return sum(until(one, seconds) for one in tally.thief.reached.values())


def _ours(atlas: Atlas) -> Sallyport:
    budgets, marks = MemoryBudgets(), Marks(bytes(32))
    return Sallyport(World(shipped(), budgets, domains=[OUR_DOMAIN], origin_of=atlas.origin_of, marks=marks))


def _chosen(names: Sequence[str] | None) -> Sequence[Scenario]:
    wanted = {one.name for name in names or () for one in named(name)}
    return [one for one in SCENARIOS if not wanted or one.name in wanted]


if __name__ == "__main__":
    main()

"""`sallyport simulate`: attacks and legitimate senders on a simulated clock. `sallyport bound` is in bound.py."""

import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from policy.cli.output import JSON
from policy.cli.progress import progress
from policy.engine.rulebook import Rulebook
from policy.rulebook import PolicyFileError, load, shipped
from policy.simulation import report
from policy.simulation.backends import BackEnd, NoBackEnd
from policy.simulation.plots import NoPlots, draw
from policy.simulation.runs import Plan, Run, run_all
from policy.simulation.scenarios import SCENARIOS, named
from policy.simulation.scenarios.scenario import Scenario
from policy.store.errors import StoreError

_PIPE_COLUMNS = 240

PolicyFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The policy file; the shipped policy unless said.", exists=True, dir_okay=False),
]


def simulate(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    scenario: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A4, or L; repeat for more. All of them unless said.")
    ] = None,
    policy: PolicyFile = None,
    seeds: Annotated[int, typer.Option(help="How many runs of each.", min=1)] = 100,
    budgets: Annotated[BackEnd, typer.Option(help="Where budgets are kept.")] = BackEnd.MEMORY,
    restart: Annotated[bool, typer.Option("--restart", help="Restart once in each run, at any moment.")] = False,
    jobs: Annotated[int | None, typer.Option(help="Processes; as many as processors unless said.", min=1)] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the recipients reached over time: .svg, .png or .pdf.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")] = False,
    as_json: JSON = False,
) -> None:
    """Play attacks and legitimate senders against a policy, on a simulated clock: who gets out, whom does it hurt?

    Exit code 1 where something is not as expected.

    Example: sallyport simulate --scenario A4 --seeds 20
    """
    read_policy(policy)  # before any process is sent to read it
    plan = Plan(
        scenarios=_chosen(scenario),
        seeds=seeds,
        back_end=budgets,
        policy=policy,
        is_interrupted=restart,
        jobs=jobs or os.cpu_count() or 1,
    )
    try:
        with progress("simulating", seeds * len(plan.scenarios)) as tell:
            runs = run_all(plan, tell)
    except NoBackEnd as error:
        raise StoreError(str(error)) from None
    rows = report.rows(plan.scenarios, runs)
    if as_json:
        print(json.dumps([dataclasses.asdict(row) | {"is_met": row.is_met} for row in rows]))
    elif markdown:
        print(report.as_markdown(rows))
    else:
        _print_table(rows)
    missed = [sentence for row in rows for sentence in report.missed(row)]
    for sentence in missed:
        print(sentence, file=sys.stderr)
    if plot:  # at last: a chart that cannot be written takes nothing of what has run for minutes along
        _draw(plan.scenarios, runs, plot)
    if missed:
        raise typer.Exit(1)


def _draw(scenarios: Sequence[Scenario], runs: Sequence[Run], path: Path) -> None:
    try:
        draw(scenarios, runs, path)
    except NoPlots as error:
        raise StoreError(str(error)) from None


def read_policy(policy: Path | None) -> Rulebook:
    """The policy of a file, or the shipped one."""
    try:
        return load(policy) if policy else shipped()
    except PolicyFileError as error:
        raise StoreError(str(error)) from None


def _chosen(names: list[str] | None) -> tuple[Scenario, ...]:
    if not names:
        return SCENARIOS
    chosen = set[str]()
    for name in names:
        if not (found := named(name)):
            every = ", ".join(one.name for one in SCENARIOS)
            raise StoreError(f"there is no scenario {name!r}; there are {every}, and A and L for all of a kind")
        chosen.update(one.name for one in found)
    return tuple(one for one in SCENARIOS if one.name in chosen)


def _print_table(rows: list[report.Row]) -> None:
    table = Table(*report.COLUMNS, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*report.cells(row))
    console = Console(width=None if sys.stdout.isatty() else _PIPE_COLUMNS, emoji=False)
    console.print(table, markup=False, highlight=False)
    for row in rows:
        print(f"{row.scenario:<4} {row.title}")
    print(f"{rows[0].runs} runs of each: median / maximum. Moments count from the theft on; - is never.")

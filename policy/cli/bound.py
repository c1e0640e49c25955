"""`sallyport bound`: the worst that a policy allows a thief."""

import dataclasses
import json
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from policy.cli.output import JSON, printed_width
from policy.cli.progress import progress
from policy.cli.simulate import PolicyFile, read_policy
from policy.simulation.adversary import Aim, search
from policy.simulation.bounds import From, Whom, bound
from policy.store.errors import StoreError
from service.spans import DAY_S, HOUR_S

_UNKNOWN = (0.0, 0.1, 0.3)  # shares of a list that do not exist


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One aim. `most` is what the windows allow, and `found` what a thief can reach; null where no window holds."""

    start: str
    recipients: str
    unknown: float
    seconds: float
    most: int | None
    rule: str
    found: int | None


def bound_of_policy(
    policy: PolicyFile = None,
    profile: Annotated[str, typer.Option(help="The profile of whoever was robbed.")] = "person",
    tries: Annotated[int, typer.Option(help="Campaigns that are tried for each line.", min=1)] = 40,
    seed: Annotated[int, typer.Option(help="Another one is another search.")] = 0,
    as_json: JSON = False,
) -> None:
    """State the most recipients that a thief can reach, in an hour and in a day, whatever he does.

    From strange networks and from the owner's own; with a list of which all addresses exist, and with others. `at
    most` is what the windows of the policy allow, by arithmetic; `found` is the best campaign of a thief who knows the
    policy, played on the real engine.

    Example: sallyport bound --policy policy.toml
    """
    rulebook = read_policy(policy)
    if profile not in rulebook.limits:
        raise StoreError(f"the policy has no profile {profile!r}; it has {', '.join(sorted(rulebook.limits))}")
    aims = list(_aims(profile))
    rows = []
    with progress("searching", len(aims)) as tell:
        for number, aim in enumerate(aims, start=1):
            most = bound(rulebook, profile, aim.start, aim.whom, aim.seconds)
            found = None if most.most is None else search(rulebook, aim, seed, tries, most.most).reached
            rows.append(
                _Row(
                    start=aim.start.value,
                    recipients=aim.whom.value,
                    unknown=aim.unknown,
                    seconds=aim.seconds,
                    most=most.most,
                    rule=most.rule,
                    found=found,
                )
            )
            tell(number)
    if as_json:
        print(json.dumps([dataclasses.asdict(row) for row in rows]))
    else:
        _print_table(rows)


def _aims(profile: str) -> Iterator[Aim]:
    """What does not exist is a matter of new recipients."""
    for start in From:
        for whom in Whom:
            for unknown in _UNKNOWN if whom is Whom.NEW else (0.0,):
                for seconds in (HOUR_S, DAY_S):
                    yield Aim(start=start, whom=whom, seconds=seconds, kind=profile, unknown=unknown)


def _print_table(rows: list[_Row]) -> None:
    table = Table("from", "reaches", "of a list with", "within", "at most", "by", "found", box=None, pad_edge=False)
    for row in rows:
        table.add_row(
            row.start,
            row.recipients,
            f"{row.unknown:.0%} unknown",
            "an hour" if row.seconds == HOUR_S else "a day",
            "no limit" if row.most is None else str(row.most),
            row.rule,
            "all that he has" if row.found is None else str(row.found),
        )
    console = Console(width=printed_width(), emoji=False)
    console.print(table, markup=False, highlight=False)

"""The tables that are printed: for each row the contenders side by side, and at the end all targets."""

from collections.abc import Iterator, Sequence

from bench.figures import Outcome, Spread, Verdict, judge
from bench.rows import EVERYBODY, Figure, Row
from bench.samples import Sample

CPU_GROUPS = ("gateway", "policy", "haraka", "dovecot", "policyd", "postfix", "load")
HEAD = ("median", "min", "max", "p50 ms", "p95 ms", "p99 ms", *CPU_GROUPS, "all but load", "others")


LEGEND = (
    "CPU in seconds for 1,000 messages: each process group, and all but the load generator. "
    "others: the share of the machine that processes which are none of ours had in the worst round."
)


def whole(rows: Sequence[Row], samples: Sequence[Sample]) -> str:
    """Everything that one run found."""
    parts = [of_row(row, [one for one in samples if one.row == row.key]) for row in rows]
    return "\n\n".join([*parts, LEGEND, of_targets(rows, samples)])


def of_row(row: Row, samples: Sequence[Sample]) -> str:
    """One row: the contenders side by side, or figure by figure where Sallyport is alone."""
    lines: list[tuple[str, ...]]
    if row.ours_alone:
        lines = [("", "median", "min", "max")]
        for figure in row.figures:
            spread = Spread.of([one.measured.figures[figure.name] for one in samples])
            lines.append((f"  {figure.name}", *_three(spread)))
    else:
        figure = row.figures[0]
        lines = [(f"  {figure.name}", *HEAD)]
        for name in EVERYBODY:
            own = [one for one in samples if one.contender == name]
            if own:
                lines.append((f"  {name}", *_cells(figure, own)))
    return f"{row.key}: {row.title}\n{aligned(lines)}\n{_trouble(samples)}".rstrip()


def of_targets(rows: Sequence[Row], samples: Sequence[Sample]) -> str:
    """One line for each target: met or not."""
    lines: list[tuple[str, ...]] = [("row", "figure", "against", "target", "measured", "min", "max", "")]
    for row in rows:
        for figure in row.figures:
            lines.extend(
                (row.key, figure.name, outcome.target.against, str(outcome.target), *_spread(outcome))
                for outcome in outcomes(row, figure, samples)
            )
    return "Targets of Sallyport; a ratio has its min and max from single rounds\n" + aligned(lines)


def outcomes(row: Row, figure: Figure, samples: Sequence[Sample]) -> Iterator[Outcome]:
    """What each target of a figure came to."""
    ours = _values(row, figure, samples, "sallyport")
    for target in figure.targets:
        theirs = _values(row, figure, samples, target.against) if target.against else None
        involved = {"sallyport", target.against}
        failed = sum(one.measured.failed for one in samples if one.row == row.key and one.contender in involved)
        yield judge(target, ours, theirs, failed)


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; the first to the left, numbers to the right."""
    count = max(len(line) for line in lines)
    full = [(*line, *[""] * (count - len(line))) for line in lines]
    shown = [column for column in range(count) if any(line[column] for line in full[1:])]
    widths = {column: max(len(line[column]) for line in full) for column in shown}
    texts = (
        "  ".join(
            line[column].ljust(widths[column]) if column == 0 else line[column].rjust(widths[column])
            for column in shown
        )
        for line in full
    )
    return "\n".join(text.rstrip() for text in texts)


def number(value: float) -> str:
    """Three significant digits, more for large numbers."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits


def _values(row: Row, figure: Figure, samples: Sequence[Sample], contender: str) -> list[float]:
    return [
        one.measured.figures[figure.name]
        for one in samples
        if one.row == row.key and one.contender == contender and figure.name in one.measured.figures
    ]


def _cells(figure: Figure, samples: Sequence[Sample]) -> list[str]:
    """The numbers of one contender: medians over the rounds, but of what others used the most."""
    spread = Spread.of([one.measured.figures[figure.name] for one in samples])
    cells = [*_three(spread)]
    latencies = [one.measured.latency for one in samples if one.measured.latency]
    for part in ("p50", "p95", "p99"):
        values = [getattr(one, part) * 1000 for one in latencies]
        cells.append(number(Spread.of(values).median) if values else "")
    return [*cells, *_cpu(samples), f"{Spread.of([one.others_share for one in samples]).max:.0%}"]


def _trouble(samples: Sequence[Sample]) -> str:
    """Sessions that failed: a line for each contender that had any."""
    lines = []
    for name in EVERYBODY:
        bad = [one.measured for one in samples if one.contender == name and one.measured.failed]
        if bad:
            lines.append(f"  {name}: {sum(one.failed for one in bad)} sessions FAILED, one of them: {bad[-1].error}")
    return "\n".join(lines)


def _cpu(samples: Sequence[Sample]) -> Iterator[str]:
    if not all(one.measured.messages for one in samples):
        yield from [""] * (len(CPU_GROUPS) + 1)
        return
    medians = {
        group: Spread.of([one.cpu_s[group] * 1000 / one.measured.messages for one in samples]).median
        for group in CPU_GROUPS
        if all(group in one.cpu_s for one in samples)
    }
    for group in CPU_GROUPS:
        yield f"{medians[group]:.2f}" if group in medians else ""
    yield f"{sum(value for group, value in medians.items() if group != 'load'):.2f}"


def _spread(outcome: Outcome) -> tuple[str, ...]:
    if not outcome.spread:
        return ("", "", "", Verdict.NOT_MEASURED)
    return (*_three(outcome.spread), outcome.verdict)


def _three(spread: Spread) -> tuple[str, str, str]:
    return number(spread.median), number(spread.min), number(spread.max)

"""The model drawn, for docs/capacity.md: what cores and cells a number of messages a second takes."""

from dataclasses import replace
from pathlib import Path

from bench.capacity.model import Costs, Demand, cells, needs
from bench.errors import BenchError

_RATES = (10, 30, 100, 300, 1_000, 3_000, 10_000)


def draw(costs: Costs, demand: Demand, path: Path) -> None:
    """SVG, PNG or PDF, as the name of the file says."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - no other bench needs it
    except ImportError:
        raise BenchError("charts need matplotlib, which is not installed: pip install 'sallyport[plots]'") from None
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    of_cores, of_cells = figure.subplots(1, 2)
    wanted = [needs(costs, replace(demand, messages_per_s=rate)) for rate in _RATES]
    for position, need in enumerate(wanted[0]):
        if need.unit == "cores":
            of_cores.loglog(_RATES, [one[position].amount for one in wanted], marker=".", label=need.part)
    of_cores.set(xlabel="messages a second", ylabel="cores", title="Processors")
    of_cores.legend(fontsize=7)
    of_cells.semilogx(_RATES, [cells(costs, replace(demand, messages_per_s=rate)) for rate in _RATES], marker=".")
    of_cells.set(xlabel="messages a second", ylabel="cells", title="Databases that share the identities")
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise BenchError(f"{path} cannot be written: {error}") from None

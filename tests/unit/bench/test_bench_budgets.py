"""The bench of budgets: a small run of all of it."""

from bench import budgets


def test_a_small_run() -> None:
    """Its numbers say nothing, but that everything was asked and answered."""
    figures = dict(budgets.measure(seconds=0.05, warm=50))
    assert {name.partition(":")[0] for name in figures} >= {"memory", "SQLite"}
    assert all(figure > 0 for figure in figures.values())

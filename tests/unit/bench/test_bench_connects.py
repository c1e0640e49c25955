"""The bench of connections: a small run of all of it."""

from pathlib import Path

from bench import connects


def test_a_small_run(tmp_path: Path) -> None:
    """Its numbers say nothing, but that everything was asked and answered."""
    figures = connects.measure(tmp_path, identities=20, seconds=0.2, connections=2)
    assert set(connects.TARGETS) <= set(figures)
    assert all(figures[name] > 0 for name in connects.TARGETS)
    assert figures["denied_refused"] == 1.0
    assert figures["seen_refused"] < 0.5

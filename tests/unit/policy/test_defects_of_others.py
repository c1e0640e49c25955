"""Each defect that was seen in other policy daemons, as a test of ours. The numbers are those in the list of them."""

from pathlib import Path

import pytest

from policy.budgets.driving import run_here
from policy.budgets.memory import MemoryBudgets
from policy.engine import charges
from policy.engine.entering import Newcomer, enter
from policy.engine.places import place_of
from policy.geo.atlas import Atlas
from policy.geo.opened import atlas_at
from policy.rulebook import shipped

T = 1_750_000_000.0

WHERE_NO_DATABASE_KNOWS = ["9.9.9.9", "192.168.7.1", "100.64.0.1", "2001:db8::1", "fd00:7::1", "127.0.0.1", "rubbish"]


@pytest.mark.parametrize("database", ["none", "shipped", "broken"])
def test_addresses_that_no_database_knows_are_counted(tmp_path: Path, database: str) -> None:
    """3.8 #7, the GeoIP plugin of Vnet: unknown, private, malformed, or a database that fails, and nothing is counted.

    Here each is a network of the country `??`, and the fourth system that was never seen is a signal.
    """
    (tmp_path / "broken.mmdb").write_bytes(b"rubbish")
    atlas = {
        "none": Atlas(None, None),
        "shipped": atlas_at("", ""),
        "broken": Atlas(tmp_path / "broken.mmdb", tmp_path / "broken.mmdb"),
    }[database]
    budgets, rulebook, signals = MemoryBudgets(), shipped(), list[str]()
    for number, address in enumerate(WHERE_NO_DATABASE_KNOWS[1:] if database == "shipped" else WHERE_NO_DATABASE_KNOWS):
        place = place_of(atlas.origin(address), {}, None, rulebook, T + number)
        assert (place.origin.country, place.is_settled, place.is_unseen_country) == ("??", False, True)
        newcomer = Newcomer(identity="ada", kind="person", place=place)
        entry = run_here(enter(newcomer, rulebook, T + number), budgets, f"r{number}", T + number)
        signals.append(" ".join(signal.kind for signal in entry.signals))
    assert signals[:4] == ["", "", "", "unseen"]
    assert all(signals[3:])
    spread = tuple(charges.spread_charges("ada", place, rulebook.limits_of("person"), rulebook))
    before = budgets.peek(spread, T + 60).before
    counted = {charge.name: taken[0] for charge, taken in zip(spread, before, strict=True)}
    assert counted["networks"] == len(signals)
    assert counted["countries"] == 1

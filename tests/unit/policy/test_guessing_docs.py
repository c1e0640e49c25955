"""docs/guessing.md and the code say the same: numbers and traps."""

from harness import ROOT

from policy.engine import guessing
from policy.store import traps, uses

PAGE = (ROOT / "docs" / "guessing.md").read_text()


def rows(heading: str) -> list[str]:
    """The rows of the table below a heading, without its head."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [row for row in section.splitlines() if row.startswith("|")][2:]


def test_numbers() -> None:
    """A number that is changed is changed in both places."""
    tarpit, login, network, _ = rows("What is counted")
    waits = ", ".join(f"{wait:g}" for wait in guessing.TARPIT_S)
    assert f"{guessing.TARPIT_FROM} in {guessing.TARPIT_SPAN_S / guessing.MINUTE_S:g} minutes" in tarpit
    assert f"answers wait {waits} s" in tarpit
    assert f"{guessing.LOGIN_LIMIT} in {guessing.LOGIN_SPAN_S / guessing.HOUR_S:g} hours" in login
    assert f"{guessing.NETWORK_LIMIT} in an hour" in network
    assert guessing.NETWORK_SPAN_S == guessing.PENALTIES_S[0] == guessing.HOUR_S
    assert guessing.PENALTIES_S[-1] == guessing.PENALTY_REMEMBERED_S == guessing.DAY_S
    assert f"{traps.KEPT_S / guessing.DAY_S:g} days and {traps.ROWS_KEPT:,} rows" in PAGE.replace("\n", " ")
    assert f"{uses._FORGOTTEN_AFTER_S / guessing.DAY_S:g} days" in PAGE
    assert f"{guessing.NETWORKS_KEPT:,} networks and {guessing.STRANGERS_KEPT:,} unknown logins" in PAGE


def test_traps() -> None:
    """Each kind has its row."""
    assert [row.split("`")[1] for row in rows("Traps")] == [
        kind.value
        for kind in (guessing.Trap.ADDRESS, guessing.Trap.RETIRED, guessing.Trap.REVOKED, guessing.Trap.DECOY)
    ]

"""`sallyport trap list`: what closed, for people and for programs."""

from pathlib import Path

from command_line import InProcess, prepared
from sqlalchemy import insert

from policy.store.database import open_database
from policy.store.models import TrapHits

HITS = [
    (1_000_000.0, "address", "192.0.2.0/24", "192.0.2.7", "imap", "ada", "", 3),
    (1_003_600.0, "decoy", "2001:db8:bad::/48", "2001:db8:bad::1", "submission", "", "wiki", 1),
]
COLUMNS = ("at", "kind", "network", "client_address", "protocol", "identity", "label", "hits")


def test_trap_list(tmp_path: Path) -> None:
    """Newest first; an empty list is a list."""
    sallyport = prepared(InProcess, tmp_path)
    assert sallyport.json("trap", "list") == []
    engine = open_database(tmp_path / "state" / "sallyport.db")
    with engine.begin() as connection:
        connection.execute(insert(TrapHits), [dict(zip(COLUMNS, hit, strict=True)) for hit in HITS])
    engine.dispose()
    newest, oldest = sallyport.json("trap", "list")
    assert (newest["kind"], newest["label"], newest["at"]) == ("decoy", "wiki", "1970-01-12T14:46:40Z")
    assert (oldest["identity"], oldest["hits"]) == ("ada", 3)
    assert [one["kind"] for one in sallyport.json("trap", "list", "--limit", "1")] == ["decoy"]
    shown = sallyport("trap", "list").stdout.splitlines()
    assert shown[0].split() == ["at", "kind", "network", "client", "protocol", "identity", "label", "hits"]
    assert len(shown) == 3

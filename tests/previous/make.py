"""Makes the files of this folder: a store as one version leaves it, and what that version says of it.

Run with the code of the version that is going to be the previous one, in a checkout of it into which this folder and
tests/a_day.py were copied:

    python -m tests.previous.make FOLDER      writes FOLDER/store-REVISION.tar.gz and FOLDER/store-REVISION.json

A week and a day of a small organisation, played through the real policy: logins, submissions, guesses, a theft with its
incident and mail on hold; and beside it one of each thing that people set up. The moment is fixed, and all names are
under .example and .test.
"""

import hashlib
import json
import sys
from pathlib import Path

from sqlalchemy import Engine, select, text

from policy.store.audit import Actor
from policy.store.backup import back_up
from policy.store.database import open_database
from policy.store.identities import IdentityStore
from policy.store.incident_models import Incidents
from policy.store.migrating import migrate, newest_revision
from policy.store.models import Audit, Charges, Members
from policy.store.schema import METADATA
from tests.a_day import play_a_day

NOW = 1_790_000_000.0  # 2026-09-21
SPANS_S = (600.0, 3600.0, 86400.0, 7 * 86400.0, 31 * 86400.0)
ACTOR = Actor("cli:setup", "mail.example.org")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(b"the digest key of a store for tests").digest()
    (folder / "digest.key").write_bytes(digest.hex().encode() + b"\n")
    where = folder / "sallyport.db"
    engine = open_database(where)
    migrate(engine)
    store = IdentityStore(engine, digest, ACTOR)
    known = _set_up(store)
    play_a_day(where, digest, NOW)
    known["contained"] = store.contain_identity("shop", "for a look", NOW - 600).number
    name = f"store-{newest_revision()}"
    with (folder / f"{name}.tar.gz").open("wb") as file:
        back_up(engine, folder, file, NOW, lambda _table, _rows: None)
    said = json.dumps(known | _said(engine), sort_keys=True, separators=(",", ":"))
    (folder / f"{name}.json").write_text(said + "\n")
    engine.dispose()


def _set_up(store: IdentityStore) -> dict[str, object]:
    """What people set up before that day, and logins whose secrets are known."""
    before = NOW - 45 * 86400
    store.add_identity("administrator", ("postmaster@example.org",), before)
    store.add_identity("shop", ("orders@shop.example",), before, owner="The shop's machine")
    logins = {}
    for label in ("laptop", "printer", "lost telephone"):
        made = store.add_credential("shop" if label == "printer" else "administrator", label, before)
        logins[label] = [made.login, made.secret]
    store.revoke(logins["lost telephone"][0], NOW - 86400)
    store.add_decoy("in the old wiki", before)
    store.add_address("administrator", "support@example.org", before)
    return {"logins": logins}


def _name(key: str) -> str:
    """`ada:recipients`, as it is stored since 0006, by the name that the engine has for it: `recipients:ada`."""
    who, colon, budget = key.rpartition(":")
    return f"{budget}:{who}" if colon else key


def _said(engine: Engine) -> dict[str, object]:
    """How many rows there are of each, open incidents, and what each budget holds, by the engine's names."""
    with engine.connect() as connection:
        rows = {
            table.name: connection.execute(text(f"SELECT count(*) FROM {table.name}")).scalar_one()  # noqa: S608
            for table in METADATA.sorted_tables
        }
        counters: dict[str, list[int]] = {}
        for key, at, cost in connection.execute(select(Charges.key, Charges.at, Charges.cost)):
            held = counters.setdefault(_name(key), [0] * len(SPANS_S))
            counters[_name(key)] = [have + cost * (at > NOW - span) for have, span in zip(held, SPANS_S, strict=True)]
        sets: dict[str, list[int]] = {}
        for key, at in connection.execute(select(Members.key, Members.at)):
            held = sets.setdefault(_name(key), [0] * len(SPANS_S))
            sets[_name(key)] = [have + (at > NOW - span) for have, span in zip(held, SPANS_S, strict=True)]
        incidents = [[one.id, one.identity, one.state] for one in connection.execute(select(Incidents.__table__))]
        newest_act = connection.execute(select(Audit.id).order_by(Audit.id.desc()).limit(1)).scalar_one()
    return {"rows": rows, "counters": counters, "sets": sets, "incidents": incidents, "newest_act": newest_act}


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""The statements of stored.py. Made once for each shape: how many counters and sets a question is about, of how many
windows; how many rows a change writes. Nothing that comes from outside is in a text: all of it is in parameters.

What a question's parameters are called: key0, edge0_0, edge0_1 ... of the first charge; marks0 is JSON.
"""

import re
from functools import cache

from policy.store.statements import Prepared, prepared

SWEPT_AT_ONCE = 16

_LISTED = re.compile(r"LISTED\((:\w+)\)")  # a list of marks in JSON, as rows
_UNFOLDED = r"SELECT CAST(one AS bigint) FROM json_array_elements_text(CAST(\1 AS json)) AS one"

_COMMIT = (
    "UPDATE charge SET is_open = FALSE WHERE reservation IN (SELECT {0}) AND is_open AND at >= :oldest"
    " RETURNING reservation"
)
COMMIT = Prepared(
    prepared(_COMMIT.format("value FROM json_each(:reservations)")).sqlite,
    prepared(_COMMIT.format("json_array_elements_text(CAST(:reservations AS json))")).postgresql,
)
OPEN = prepared("SELECT key, cost, at, total FROM charge WHERE reservation = :reservation AND is_open")
TAKE_BACK_CHARGES = prepared("DELETE FROM charge WHERE reservation = :reservation AND is_open")
TAKE_BACK_MEMBERS = prepared("DELETE FROM member WHERE reservation = :reservation AND reservation <> ''")
LOWER = prepared("UPDATE charge SET total = total - :cost WHERE key = :key AND at >= :at AND total > :total")

RESTAMP_CHARGES = prepared("UPDATE charge SET at = :at WHERE key = :key AND at > :at")
RESTAMP_MEMBERS = prepared("UPDATE member SET at = :at WHERE key = :key AND at > :at")
FORGET_CHARGES = prepared(
    "DELETE FROM charge WHERE (reservation, key) IN (SELECT reservation, key FROM charge "
    "WHERE key = :key AND at <= :edge ORDER BY at, total LIMIT :most)"
)
FORGET_MEMBERS = prepared(
    "DELETE FROM member WHERE key = :key AND mark IN (SELECT mark FROM member "
    "WHERE key = :key AND at <= :edge ORDER BY at, mark LIMIT :most)"
)
EVICT_MEMBERS = prepared(
    "DELETE FROM member WHERE key = :key AND mark IN (SELECT mark FROM member "
    "WHERE key = :key ORDER BY at DESC, mark DESC LIMIT 1000000 OFFSET :kept)"
)


def _next_keys(table: str) -> Prepared:
    """The keys that follow one, each with its oldest moment; a step down the index for each, and none for its rows."""
    return prepared(
        "WITH RECURSIVE step(key, number) AS ("  # noqa: S608 - a name of this module
        f"SELECT (SELECT min(key) FROM {table} WHERE key > :after), 1 UNION ALL "
        f"SELECT (SELECT min(key) FROM {table} WHERE key > step.key), number + 1 FROM step "
        f"WHERE step.key IS NOT NULL AND number < {SWEPT_AT_ONCE}) "
        f"SELECT key, (SELECT min(at) FROM {table} WHERE {table}.key = step.key) FROM step WHERE key IS NOT NULL"
    )


NEXT_COUNTERS = _next_keys("charge")
NEXT_SETS = _next_keys("member")


@cache
def question(shape: tuple[tuple[bool, int], ...]) -> Prepared:
    """`shape`: for each charge whether it is a set, and how many windows it has.

    Rows: (place, newest at, oldest at, total, held by each window ...) for each key; none for a counter without any
    charge. (place, at, NULL, mark, NULL ...) for each member that is asked for and has a row.
    """
    width = max([windows for _, windows in shape], default=0)
    arms = []
    for place, (is_set, windows) in enumerate(shape):
        padding = ["CAST(NULL AS bigint)"] * (width - windows)
        arms.extend(_set_arms(place, windows, padding) if is_set else [_counter_arm(place, windows, padding)])
    text = " UNION ALL ".join(arms)
    return Prepared(
        prepared(text.replace("LISTED", "SELECT value FROM json_each")).sqlite,
        prepared(_LISTED.sub(_UNFOLDED, text)).postgresql,
    )


def _counter_arm(place: int, windows: int, padding: list[str]) -> str:
    """What is before the first charge of each window; NULL where it is empty."""
    own = f"FROM charge WHERE key = :key{place}"
    before = [
        f"(SELECT total - cost {own} AND at > :edge{place}_{number} ORDER BY at, total LIMIT 1)"
        for number in range(windows)
    ]
    oldest = f"(SELECT at {own} ORDER BY at, total LIMIT 1) AS oldest"
    columns = ", ".join([str(place), "at", oldest, "total", *_named([*before, *padding])])
    return f"SELECT * FROM (SELECT {columns} {own} ORDER BY at DESC, total DESC LIMIT 1) AS counter{place}"  # noqa: S608 - numbers


def _set_arms(place: int, windows: int, padding: list[str]) -> list[str]:
    """How many members each window holds; and those of the charge that have a row."""
    own = f"FROM member WHERE key = :key{place}"
    held = [f"(SELECT count(*) {own} AND at > :edge{place}_{number})" for number in range(windows)]
    newest, oldest = f"(SELECT at {own} ORDER BY at DESC LIMIT 1)", f"(SELECT at {own} ORDER BY at LIMIT 1)"
    of_set = ", ".join([str(place), newest, oldest, f"(SELECT count(*) {own})", *held, *padding])
    nothing = ["CAST(NULL AS bigint)"] * windows
    of_member = ", ".join([str(place), "at", "CAST(NULL AS double precision)", "mark", *nothing, *padding])
    return [f"SELECT {of_set}", f"SELECT {of_member} {own} AND mark IN (LISTED(:marks{place}))"]


def _named(columns: list[str]) -> list[str]:
    return [f"{column} AS held{number}" for number, column in enumerate(columns)]


@cache
def insert_charges(rows: int) -> Prepared:
    """Parameters key0, cost0, at0, total0 ... of each, and `reservation` and `open` of all."""
    values = [f"(:reservation, :key{n}, :cost{n}, :at{n}, :total{n}, :open)" for n in range(rows)]
    return prepared(f"INSERT INTO charge (reservation, key, cost, at, total, is_open) VALUES {', '.join(values)}")  # noqa: S608 - numbers


@cache
def see_members(rows: int) -> Prepared:
    """Parameters key0, mark0, at0, reservation0 ... of each."""
    values = [f"(:key{n}, :mark{n}, :at{n}, :reservation{n})" for n in range(rows)]
    return prepared(
        f"INSERT INTO member (key, mark, at, reservation) VALUES {', '.join(values)} "  # noqa: S608 - numbers
        "ON CONFLICT (key, mark) DO UPDATE SET at = excluded.at, reservation = excluded.reservation"
    )

"""Whom an identity knows: the recipients that it has written to, and who has written to it. 400 days each.

    KnownRecipients   which of a message's recipients are known: one question of the hot path
    RecipientBook     learns those of a message that went out, within a writer's transaction

history.py learns from the past, for commands.

Marks (policy/marks.py) are kept, never an address. An annual newsletter knows its readers after a year, hence 400 days.

Rows that are too old are not searched for: that would take an index as large as the table. Marks are as good as random,
so the rows behind a mark that is learnt are a random sample of them; each mark that is learnt looks at a few, and those
that are too old go. Of all rows at most a quarter or so is ever too old, whoever learns whatever.
"""

import json
from collections.abc import Iterable, Sequence

from policy.store.reader import Reader
from policy.store.statements import Prepared, prepared
from policy.store.transactions import Statements
from service.spans import DAY_S

KEPT_DAYS = 400

LOOKED_AT = 4  # rows for each mark that is learnt

# Marks go as one text, `[17, -4]`: an array in JSON to SQLite, and in other brackets an array to PostgreSQL. However
# many they are, the statement is one; that costs the same as a statement for each number of marks would.
_KNOWN = Prepared(
    sqlite=(
        "SELECT known_recipient.mark FROM json_each(:marks) AS asked CROSS JOIN known_recipient"
        " WHERE known_recipient.identity_id = :identity AND known_recipient.mark = asked.value"
        " AND known_recipient.last_used_day >= :oldest"
    ),
    postgresql=(
        "SELECT mark FROM known_recipient WHERE identity_id = %(identity)s"
        " AND mark = ANY(CAST(translate(%(marks)s, '[]', '{}') AS bigint[])) AND last_used_day >= %(oldest)s"
    ),
)
_LEARN = Prepared(
    sqlite=(
        "INSERT INTO known_recipient (identity_id, mark, last_used_day)"
        " SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), :day FROM json_each(:pairs) WHERE true"
        " ON CONFLICT (identity_id, mark) DO UPDATE SET last_used_day = excluded.last_used_day"
        " WHERE known_recipient.last_used_day < excluded.last_used_day"
    ),
    postgresql=(
        "INSERT INTO known_recipient (identity_id, mark, last_used_day)"
        " SELECT CAST(one ->> 0 AS bigint), CAST(one ->> 1 AS bigint), %(day)s"
        " FROM json_array_elements(CAST(%(pairs)s AS json)) AS one"
        " ON CONFLICT (identity_id, mark) DO UPDATE SET last_used_day = excluded.last_used_day"
        " WHERE known_recipient.last_used_day < excluded.last_used_day"
    ),
)
FORGET = prepared(
    "DELETE FROM known_recipient WHERE (identity_id, mark) IN (SELECT identity_id, mark FROM"
    " (SELECT * FROM known_recipient WHERE (identity_id, mark) > (:identity, :mark)"
    " ORDER BY identity_id, mark LIMIT :most) AS next WHERE last_used_day < :oldest)"
)


class KnownRecipients:
    """Asks; changes nothing."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def known(self, identity: int, marks: Sequence[int], now: float) -> set[int]:
        """Those of `marks` that the identity (its row) has used within 400 days before `now`."""
        if not marks:
            return set()
        asked = {"identity": identity, "marks": str(list(marks)), "oldest": oldest_day(now)}
        return {mark for (mark,) in await self._reader.rows(_KNOWN, asked)}


class RecipientBook:
    """Runs in the transactions of a writer (store/writer.py)."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def learn(self, identity: int, marks: Iterable[int], now: float) -> None:
        """They are used on the day of `now`. Those that were used on it already cost no write."""
        self.learn_all([(identity, mark) for mark in marks], now)

    def learn_all(self, pairs: Iterable[tuple[int, int]], now: float) -> None:
        """The same of several identities: each with a mark."""
        fresh = list(dict.fromkeys(pairs))  # PostgreSQL takes none twice in one statement
        if not fresh:
            return
        learnt = self._statements.execute(_LEARN, {"pairs": json.dumps(fresh), "day": day_of(now)}).rowcount
        if learnt:
            identity, mark = fresh[0]
            look = {"identity": identity, "mark": mark, "most": LOOKED_AT * learnt, "oldest": oldest_day(now)}
            self._statements.execute(FORGET, look)


def day_of(at: float) -> int:
    """Days (UTC) since the epoch."""
    return int(at // DAY_S)


def oldest_day(now: float) -> int:
    """What was last used before that day is not known any more."""
    return day_of(now) - KEPT_DAYS

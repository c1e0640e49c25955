"""What was spent stays spent over a restore: charges since the backup go on counting beside those that are in it.

Else whoever could have a backup restored, or waited for one, could spend a limit twice.
"""

from sqlalchemy import Connection, inspect, text

from policy.store.migrating import newest_revision, revision_of

_TABLES = ("charge", "member")
_ADD_CHARGES = """
INSERT INTO charge (reservation, key, cost, at, total, is_open)
SELECT reservation, key, cost, at, total, is_open FROM kept_charge AS kept
WHERE NOT EXISTS (SELECT 1 FROM charge WHERE charge.reservation = kept.reservation AND charge.key = kept.key)"""
# What has ended since the backup cannot be given back any more.
_END_CHARGES = """
UPDATE charge SET is_open = FALSE WHERE is_open AND EXISTS (
SELECT 1 FROM kept_charge AS kept
WHERE kept.reservation = charge.reservation AND kept.key = charge.key AND NOT kept.is_open)"""
_COUNT_CHARGES = """
UPDATE charge SET total = running.total FROM (
SELECT reservation AS r, key AS k, sum(cost) OVER (PARTITION BY key ORDER BY at, total, reservation) AS total
FROM charge) AS running WHERE charge.reservation = running.r AND charge.key = running.k"""
_ADD_MEMBERS = """
INSERT INTO member (key, mark, at, reservation) SELECT key, mark, at, reservation FROM kept_member WHERE TRUE
ON CONFLICT (key, mark) DO UPDATE SET reservation = excluded.reservation,
at = CASE WHEN excluded.at > member.at THEN excluded.at ELSE member.at END"""


def keep(connection: Connection) -> bool:
    """Set aside what there is, within the transaction of a restore; False where there is nothing of this version."""
    if not inspect(connection).has_table(_TABLES[0]) or revision_of(connection) != newest_revision():
        return False
    for table in _TABLES:
        connection.execute(text(f"CREATE TEMPORARY TABLE kept_{table} AS SELECT * FROM {table}"))  # noqa: S608
    return True


def add(connection: Connection) -> None:
    """Beside what was restored."""
    for statement in (_ADD_CHARGES, _END_CHARGES, _COUNT_CHARGES, _ADD_MEMBERS):
        connection.execute(text(statement))
    for table in _TABLES:
        connection.execute(text(f"DROP TABLE kept_{table}"))

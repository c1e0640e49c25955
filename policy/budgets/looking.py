"""Where the budgets of one identity stand at this moment, for who looks at them. In the database alone.

Budgets on a server of their own (valkey.py) are out of reach for whoever has the database and nothing else.
"""

from sqlalchemy import Engine, func, select

from policy.budgets.stored import StoredBudgets
from policy.engine.allowances import allowances
from policy.engine.rulebook import Rulebook
from policy.engine.suspicion import Stood, stood
from policy.store.identity_seen import devices_of
from policy.store.models import Identities, Signals
from policy.store.statements import OnConnection


def budgets_now(engine: Engine, name: str, rulebook: Rulebook, now: float) -> list[Stood]:
    """Each window of each; of a credential's the key has its row. `before` and `after` are the same."""
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        kind = connection.scalar(select(Identities.profile).where(Identities.name == name)) or ""
        taken_back = connection.scalar(
            select(func.max(Signals.cleared_at)).join(Identities).where(Identities.name == name)
        )
        asked = allowances(name, kind, list(devices_of(engine, name)), rulebook, taken_back or 0.0)
        return list(stood(asked, StoredBudgets(OnConnection(connection)).peek(asked, now)))

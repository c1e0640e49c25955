"""Decoys: logins that nobody has. The administrator leaves them where a thief looks; whoever uses one is a thief."""

from sqlalchemy import delete, insert, select

from policy.store.changes import Changes, checked_label
from policy.store.errors import Unknown
from policy.store.logins import unused_login
from policy.store.models import Decoys
from policy.store.rows import Decoy


class DecoyBook(Changes):
    """The part of the identity store that has the decoys."""

    def add_decoy(self, label: str, now: float) -> Decoy:
        """A login that looks like any other; `label` says where it will lie."""
        checked_label(label)
        with self._engine.begin() as connection:
            made = Decoy(unused_login(connection), label, now)
            connection.execute(insert(Decoys).values(login=made.login, label=label, created_at=now))
            self._record(connection, now, "decoy-added", made.login, {}, {"label": label})
        return made

    def remove_decoy(self, login: str, now: float) -> Decoy:
        """No longer a trap, and unknown like any other login that is none."""
        with self._engine.begin() as connection:
            row = connection.execute(
                select(Decoys.login, Decoys.label, Decoys.created_at).where(Decoys.login == login)
            ).one_or_none()
            if row is None:
                raise Unknown(f"there is no decoy {login!r}; `sallyport decoy list` shows all")
            connection.execute(delete(Decoys).where(Decoys.login == login))
            self._record(connection, now, "decoy-removed", login, {"label": row.label}, {})
        return Decoy(*row)

    def decoys(self) -> list[Decoy]:
        """Oldest first."""
        question = select(Decoys.login, Decoys.label, Decoys.created_at).order_by(Decoys.id)
        with self._reading.connect() as connection:
            return [Decoy(*row) for row in connection.execute(question)]

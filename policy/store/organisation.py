"""A whole organisation at once: every line is tried, and what is wrong with each is told; only then it is committed.

Lines are tried on a copy (together.py), with the rules of the stores themselves, so that a rehearsal says exactly what
the real import would say, and nobody waits for either. Repeated with the same file it does nothing: who is there
already is there. Repeated with another last day, a migration ends on that one.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Engine

from policy.contract import canonical_address
from policy.enrolment.migration import LABEL, Migrant, names_for
from policy.enrolment.table import BadLine
from policy.enrolment.users import NewUser, Way
from policy.foreign_hashes import kept
from policy.store.audit import Actor
from policy.store.errors import StoreError
from policy.store.handles import Kind
from policy.store.identities import IdentityStore
from policy.store.people import People
from policy.store.rows import Credential, NewCredential, Profile
from policy.store.together import Together, together

Tell = Callable[[int], None]  # how many lines are done


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What became of one line. `token` is that of an invitation; both are told this once."""

    line: int
    name: str
    is_new: bool
    credential: NewCredential | None = None
    token: str = field(default="", repr=False)


class Organisation:
    """One import: what was enrolled, and what is wrong. commit() only where nothing is."""

    def __init__(self, work: Together, key: bytes, actor: Actor) -> None:
        self._work = work
        self._identities = IdentityStore(work.engine, key, actor)
        self._people = People(work.engine, key, actor)
        self.enrolled: list[Enrolled] = []
        self.bad: list[BadLine] = []

    def commit(self) -> None:
        """StoreError where somebody has changed something meanwhile: then nothing is imported."""
        self._work.commit()

    def enrol(self, users: Sequence[NewUser], invite_days: int, now: float, tell: Tell) -> None:
        """Identity, addresses, and an invitation or a device for each."""
        for done, user in enumerate(users, 1):
            self._try(user.line, partial(self._enrol, user, invite_days, now))
            tell(done)

    def migrate(self, migrants: Sequence[Migrant], until: float, now: float, tell: Tell) -> None:
        """The old login and hash for each, and an identity where there is none of that address."""
        for done, migrant in enumerate(migrants, 1):
            self._try(migrant.line, partial(self._migrate, migrant, until, now))
            tell(done)

    def _try(self, line: int, change: Callable[[], Enrolled]) -> None:
        try:
            with self._work.attempt():
                self.enrolled.append(change())
        except StoreError as reason:
            self.bad.append(BadLine(line, str(reason)))

    def _enrol(self, user: NewUser, invite_days: int, now: float) -> Enrolled:
        if self._is_there(user):
            return Enrolled(user.line, user.name, is_new=False)
        self._identities.add_identity(
            user.name,
            user.addresses,
            now,
            profile=user.profile,
            owner=user.owner,
            notice_address=user.notice_address,
        )
        if user.way is Way.DEVICE:
            made = self._identities.add_credential(user.name, user.device, now)
            return Enrolled(user.line, user.name, is_new=True, credential=made)
        token = self._people.invite(user.name, invite_days, now).token
        return Enrolled(user.line, user.name, is_new=True, token=token)

    def _is_there(self, user: NewUser) -> bool:
        """With all of these addresses: then this line was imported before."""
        owners = {self._identities.owner_of(address) for address in user.addresses}
        return owners == {user.name}

    def _migrate(self, migrant: Migrant, until: float, now: float) -> Enrolled:
        name = self._identities.owner_of(migrant.address) or self._add(migrant, now)
        if there := self._old_login(name, migrant.login):
            if there.revoked_at is None and there.expires_at != until:
                self._identities.change_credential(there.login, now, expires_at=until)
            return Enrolled(migrant.line, name, is_new=False)
        self._identities.add_migrated(name, migrant.login, LABEL, kept(migrant.hash), until, now)
        return Enrolled(migrant.line, name, is_new=True)

    def _add(self, migrant: Migrant, now: float) -> str:
        name, otherwise = names_for(migrant.address)
        if self._is_taken(name):
            name = otherwise
        self._identities.add_identity(name, (migrant.address,), now, profile=Profile.PERSON, owner=migrant.owner)
        return name

    def _is_taken(self, name: str) -> bool:
        try:
            self._identities.identity(name)
        except StoreError:
            return False
        return True

    def _old_login(self, name: str, login: str) -> Credential | None:
        wanted = canonical_address(login)
        logins = (one for one in self._identities.credentials(name) if one.kind is Kind.MIGRATED)
        return next((one for one in logins if one.login == wanted), None)


@contextmanager
def organisation(engine: Engine, key: bytes, actor: Actor) -> Iterator[Organisation]:
    """One import; undone unless it is committed."""
    with together(engine) as work:
        yield Organisation(work, key, actor)

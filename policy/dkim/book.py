"""What `sallyport dkim` does, one method each. A change is audited in the transaction that the files are written in.

Where the process dies between the files and the commit, the keys are there and the line of the audit log is not; the
other way round never.
"""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Engine

from policy.contract import canonical_address
from policy.dkim import rotation
from policy.dkim.folder import KeyFolder, key_file
from policy.dkim.keys import Algorithm, NewKey, new_key
from policy.dkim.rotation import Pair, Pairs, State, chosen, of_domain
from policy.store import audit
from policy.store.audit import Actor
from policy.store.errors import StoreError

_LABEL_LIMIT = 63

Keys = Mapping[Algorithm, NewKey]


class KeyBook:
    """The keys of all domains. `actor` is who the audit log names."""

    def __init__(self, folder: KeyFolder, engine: Engine, actor: Actor) -> None:
        self._folder = folder
        self._engine = engine
        self._actor = actor

    def pairs(self, domain: str = "") -> Pairs:
        """All, or those of one domain."""
        pairs = self._folder.pairs()
        return of_domain(pairs, checked_domain(domain)) if domain else pairs

    def ensure(self, domains: Mapping[str, State], now: float) -> list[str]:
        """A first pair for each of these domains that has none, in that state. The domains that got one."""
        with self._folder.alone():
            pairs = self._folder.pairs()
            missing = {checked_domain(one): state for one, state in domains.items()}
            made = [
                _made(pairs, domain, state, now) for domain, state in missing.items() if not of_domain(pairs, domain)
            ]
            self._add(pairs, made, now)
        return [pair.domain for pair, _ in made]

    def rotate(self, domain: str, now: float) -> Pair:
        """The pair that comes next, for its records to be published; the same again while it waits."""
        domain = checked_domain(domain)
        with self._folder.alone():
            pairs = self._folder.pairs()
            if waiting := of_domain(pairs, domain, State.WAITING):
                return waiting[0]
            made = _made(pairs, domain, State.WAITING, now)
            self._add(pairs, [made], now)
            return made[0]

    def activate(self, domain: str, name: str, now: float, kept_days: float = rotation.KEPT_DAYS) -> Pair:
        """Sign with the pair of that name, or with the one that waits."""
        domain = checked_domain(domain)

        def change(pairs: Pairs) -> tuple[Pair, Pairs]:
            pair = chosen(pairs, domain, name, State.WAITING)
            return pair, rotation.activated(pairs, pair, now, kept_days)

        return self._change("dkim-activated", change, now)

    def retire(self, domain: str, name: str, now: float, *, is_forced: bool = False) -> Pair:
        """Give up the pair that waits, or remove the keys of one that was replaced."""
        domain = checked_domain(domain)

        def change(pairs: Pairs) -> tuple[Pair, Pairs]:
            pair = chosen(pairs, domain, name, State.WAITING, State.RETIRING)
            return pair, rotation.retired(pairs, pair, now, is_forced=is_forced)

        return self._change("dkim-retired", change, now)

    def note_seen(self, domain: str, name: str, now: float) -> None:
        """Both records of that pair are in the DNS. No act of anybody's, so it is not audited."""
        with self._folder.alone():
            pairs = self._folder.pairs()
            self._folder.write(rotation.seen(pairs, chosen(pairs, domain, name), now))

    def _add(self, pairs: Pairs, made: Sequence[tuple[Pair, Keys]], now: float) -> None:
        """Also where nothing was made: a map that somebody did not come to write is written now."""
        files = {key_file(pair, kind): key for pair, keys in made for kind, key in keys.items()}
        with self._engine.begin() as connection:
            for pair, _ in made:
                after = {"selector": pair.name, "state": pair.state}
                audit.record(connection, self._actor, now, "dkim-made", pair.domain, {}, after)
            self._folder.write((*pairs, *(pair for pair, _ in made)), files)

    def _change(self, action: str, change: Callable[[Pairs], tuple[Pair, Pairs]], now: float) -> Pair:
        with self._folder.alone():
            before, pairs = change(self._folder.pairs())
            after = chosen(pairs, before.domain, before.name)
            with self._engine.begin() as connection:
                was, is_now = ({"selector": one.name, "state": one.state} for one in (before, after))
                audit.record(connection, self._actor, now, action, before.domain, was, is_now)
                self._folder.write(pairs)
        return after


def checked_domain(domain: str) -> str:
    """In A-labels; StoreError where it is none. It becomes part of a file's name."""
    canonical = canonical_address(f"@{domain.strip()}")[1:]
    labels = canonical.split(".")
    if len(labels) < 2 or not all(_is_label(one) for one in labels):  # noqa: PLR2004 - a top-level domain has no mail
        raise StoreError(f"{domain!r} is no domain such as example.org")
    return canonical


def _is_label(label: str) -> bool:
    letters = label.replace("-", "").replace("_", "")
    return 0 < len(label) <= _LABEL_LIMIT and label.isascii() and letters.isalnum()


def _made(pairs: Pairs, domain: str, state: State, now: float) -> tuple[Pair, Keys]:
    keys = {kind: new_key(kind) for kind in Algorithm}
    pair = Pair(
        domain=domain,
        name=rotation.next_name(pairs, domain, now),
        state=state,
        rsa=keys[Algorithm.RSA].public,
        ed25519=keys[Algorithm.ED25519].public,
        created_at=now,
        activated_at=now if state is State.ACTIVE else None,
    )
    return pair, keys

"""The tokens that our services show each other, and how one follows another while all of them run.

    sallyport init               makes them: one line in a file
    rotate                       a new one in front of it; both are taken now
    retire, a minute later       the one before is gone

service/shared_token.py reads the files. Where they are no files of ours (a Secret of Kubernetes) somebody else writes
them: deploy/kubernetes/rotate-token.
"""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from policy.secret_files import replace_file
from policy.settings import Settings
from policy.store import audit
from policy.store.audit import Actor
from policy.store.errors import StoreError
from service.shared_token import read_tokens

READ_WITHIN_S = 60.0  # a gateway reads a new file within a second, the container of the queue agent within seconds

_OF_KUBERNETES = "where Kubernetes or somebody else has made it, rotate it there (docs/kubernetes.md)"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a token is. `name` is for people, `what` for `sallyport init`."""

    name: str
    what: str
    setting: str
    path: Path


@dataclass(frozen=True, slots=True)
class State:
    """Of one file. `is_rotating`: the token before is still taken."""

    name: str
    path: str
    is_rotating: bool
    changed_at: float


def token_places(settings: Settings) -> tuple[Place, ...]:
    return (
        Place("gateway", "token of the gateway", "POLICY_GATEWAY_TOKEN_FILE", settings.gateway_token_file),
        Place("dovecot", "token of Dovecot", "POLICY_DOVECOT_TOKEN_FILE", settings.dovecot_token_file),
        Place("queue-agent", "token of the queue agent", "POLICY_QUEUE_TOKEN_FILE", settings.queue_token),
        Place(
            "auth-policy", "token of the auth-policy API", "POLICY_AUTH_POLICY_TOKEN_FILE", settings.auth_policy_token
        ),
    )


@dataclass(frozen=True, slots=True)
class TokenKeeper:
    """Each change has its line in the audit log, which says nothing of the token. SettingError where a file is bad."""

    settings: Settings
    engine: Engine
    actor: Actor
    clock: Callable[[], float]

    def states(self) -> Iterator[State]:
        for place in token_places(self.settings):
            yield _state(place, read_tokens(place.setting, place.path))

    def rotate(self, name: str) -> State:
        """StoreError where the one before the newest is still there: whoever has only that one would be shut out."""
        place = self._place(name)
        tokens = read_tokens(place.setting, place.path)
        if len(tokens) > 1:
            raise StoreError(
                f"the token before is still taken; `sallyport service-token retire {name}` ends that, and then rotate"
            )
        return self._write(place, "service-token-rotated", (secrets.token_hex(32), *tokens))

    def retire(self, name: str, *, is_at_once: bool) -> State:
        """StoreError where not everybody can have read the new one, unless `is_at_once`."""
        place = self._place(name)
        tokens = read_tokens(place.setting, place.path)
        if len(tokens) < 2:  # noqa: PLR2004 - a new one and an old one
            raise StoreError(f"there is one token alone; `sallyport service-token rotate {name}` makes a new one")
        age_s = self.clock() - _state(place, tokens).changed_at
        if age_s < READ_WITHIN_S and not is_at_once:
            raise StoreError(
                f"the new token is {round(age_s)} s old, and not everybody may have read it; "
                f"wait {round(READ_WITHIN_S - age_s)} s, or say --at-once"
            )
        return self._write(place, "service-token-retired", tokens[:1])

    def _write(self, place: Place, action: str, tokens: tuple[str, ...]) -> State:
        with self.engine.begin() as connection:
            audit.record(connection, self.actor, self.clock(), action, place.name, {}, {})
            content = "".join(f"{one}\n" for one in tokens).encode()
            replace_file(place.setting, place.path, content, _OF_KUBERNETES)
        return _state(place, tokens)

    def _place(self, name: str) -> Place:
        found = {one.name: one for one in token_places(self.settings)}
        if name not in found:
            raise StoreError(f'there is no token "{name}"; it is one of {", ".join(found)}')
        return found[name]


def _state(place: Place, tokens: tuple[str, ...]) -> State:
    return State(place.name, str(place.path), len(tokens) > 1, place.path.stat().st_mtime)

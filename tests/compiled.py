"""What SQLAlchemy compiles of a statement serves all engines of a test process, as it does in a service, which has one.

Nearly each test opens a database of its own. To compile takes as long as everything else that a statement costs, and an
engine keeps what it has compiled to itself.

    share      from now on; what is compiled for one kind of database is found by all engines for that kind
"""

from collections.abc import Hashable
from typing import Any

from sqlalchemy import Engine, create_engine

from policy.store import database


def share() -> None:
    database.create_engine = _create_engine


class _Compiled(dict[Hashable, Any]):
    """By the kind of the dialect, where SQLAlchemy's key begins with the dialect that an engine has for itself."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get((type(key[0]), *key[1:]), default)

    def __setitem__(self, key: Any, compiled: Any) -> None:
        super().__setitem__((type(key[0]), *key[1:]), compiled)


_COMPILED = _Compiled()


def _create_engine(*arguments: Any, **options: Any) -> Engine:
    engine = create_engine(*arguments, **options)
    engine.update_execution_options(compiled_cache=_COMPILED)
    return engine

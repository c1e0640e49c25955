"""The shortest file that makes a given policy of the shipped one: what a site has said itself, without its comments.

For whoever goes back to an earlier policy, of which the store has every number and no file.
"""

from typing import Any

from policy.engine.rulebook import Rulebook
from policy.rulebook.making import Tables, tables_of
from policy.rulebook.reading import shipped
from policy.rulebook.toml import written


def own_part(rulebook: Rulebook) -> str:
    """TOML; empty for the shipped policy."""
    tables, known = tables_of(rulebook), tables_of(shipped())
    own = {name: part for name, table in tables.items() if (part := _different(table, known.get(name)))}
    return written(own) if own else ""


def _different(table: Any, known: Any) -> Any:  # noqa: ANN401 - whatever TOML holds
    """What of it is not as in `known`; None where all of it is."""
    if not isinstance(table, dict) or not isinstance(known, dict):
        return None if table == known else table
    found: Tables = {}
    for key, value in table.items():
        part = _different(value, known.get(key))
        if part is not None and part != {}:
            found[key] = part
    return found

"""The JSON schema of the policy file, for editors: they complete keys and underline what is wrong while it is typed.

A site's file says only what differs from the shipped policy, so that next to nothing is required in it.
"""

import json
from typing import Any

from policy.rulebook.model import PolicyFile
from policy.rulebook.reading import shipped_tables

_TITLE = "Sallyport policy file"


def schema() -> str:
    """As JSON, with the shipped values as defaults."""
    made = PolicyFile.model_json_schema(by_alias=True)
    for name, definition in made["$defs"].items():
        definition.pop("title", None)
        if name != "Exemption":
            definition.pop("required", None)
        for one in definition.get("properties", {}).values():
            one.pop("title", None)
    made.pop("required")
    _add_defaults(made, "Modes", shipped_tables()["modes"])
    for table in ("Domain", "Host", "History", "Signals"):
        _add_defaults(made, table, shipped_tables()[table.lower()])
    _add_defaults(made, "ScanTable", shipped_tables()["scan"])
    _add_defaults(made, "Gate", shipped_tables()["gates"]["default"])
    _add_defaults(made, "Profile", shipped_tables()["profiles"]["person"])
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": _TITLE}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _add_defaults(made: dict[str, Any], table: str, values: dict[str, Any]) -> None:
    for key, value in values.items():
        made["$defs"][table]["properties"][key]["default"] = value

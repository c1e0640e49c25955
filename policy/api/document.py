"""The OpenAPI document, so that generators of clients find all of it: every name is in it once, under `components`.

app.py has the routes. FastAPI names two enumerations of the same name after modules of ours, and knows refusals only as
JSON of its own form.
"""

from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from policy.api.bodies import Problem

PROBLEM = "application/problem+json"
REFUSAL = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}  # the content of every one
_PLACE = "#/components/schemas/{model}"
_NAMES = {"policy__store__handles__Kind": "CredentialKind", "policy__store__measures__Kind": "MeasureKind"}


class DescribedApi(FastAPI):
    """As FastAPI, with a document that stands alone."""

    def openapi(self) -> dict[str, Any]:
        if not self.openapi_schema:
            described = _renamed(super().openapi())
            _, refusals = models_json_schema([(Problem, "serialization")], ref_template=_PLACE)
            schemas = described["components"]["schemas"]
            schemas |= refusals["$defs"]
            for name in _NAMES.values():
                schemas[name]["title"] = name  # by which some generators name a class
            self.openapi_schema = described
        return self.openapi_schema


def _renamed(part: Any) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Names of schemas and references to them."""
    if isinstance(part, dict):
        return {_NAMES.get(name, name): _renamed(value) for name, value in part.items()}
    if isinstance(part, list):
        return [_renamed(one) for one in part]
    if isinstance(part, str) and part.startswith("#/"):
        place, _, name = part.rpartition("/")
        return f"{place}/{_NAMES.get(name, name)}"
    return part

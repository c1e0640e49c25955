"""A body of JSON in which an object has a member twice is refused.

RFC 8259 section 4 leaves it open which one counts: Python takes the last one, others the first. What a program before
us has looked at could then be something else than what is done.
"""

import json
from http import HTTPStatus

from fastapi import HTTPException, Request


async def unambiguous(request: Request) -> None:
    """Asked before every route. A body that is no JSON is refused elsewhere, where it should be some."""
    if "json" in request.headers.get("content-type", "").lower():
        try:
            json.loads(await request.body(), object_pairs_hook=_once)
        except (ValueError, RecursionError):
            return


def _once(pairs: list[tuple[str, object]]) -> None:
    seen = set[str]()
    for name, _ in pairs:
        if name in seen:
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, f"body.{name}: it is there twice")
        seen.add(name)

"""Whether anybody here has ever logged in from a network: then a wall around it is not for all who come from there."""

from policy.store.reader import Reader
from policy.store.statements import prepared

_BY_ANYBODY = prepared("SELECT id FROM network WHERE network = :network LIMIT 1")


class Visited:
    """Asked for walled networks alone."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def by_anybody(self, network: str) -> bool:
        """Whether a login was granted from there, to whomever, or somebody vouched for it."""
        return bool(await self._reader.rows(_BY_ANYBODY, {"network": network}))

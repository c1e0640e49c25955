"""What an identity has handed in lately and the next hop took: what there is to hold when it turns out to be theft."""

import json
from typing import NamedTuple

from policy.store.reader import Reader
from policy.store.statements import prepared

_HANDED_IN = prepared(
    "SELECT id, queue_id, login, recipients - held, evidence FROM submission"
    " WHERE identity = :identity AND at > :since AND action = 'accept' AND queue_id <> ''"
    " ORDER BY at, id"
)
_IS_HOME = 3  # in evidence's place, see policy.store.records.evidence_of


class HandedIn(NamedTuple):
    """One message that went on its way."""

    submission: str
    queue_id: str
    login: str
    recipients: int
    is_home: bool


async def handed_in(reader: Reader, identity: str, since: float) -> list[HandedIn]:
    """All since then, the oldest first."""
    return [
        HandedIn(submission, queue_id, login, recipients, was_home(evidence))
        for submission, queue_id, login, recipients, evidence in await reader.rows(
            _HANDED_IN, {"identity": identity, "since": since}
        )
    ]


def was_home(evidence: str) -> bool:
    """Whether a submission came from where its owner is beyond doubt."""
    place = json.loads(evidence or "{}").get("place")
    return bool(place and place[_IS_HOME])

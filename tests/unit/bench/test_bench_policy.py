"""The bench's policy has room for the bench's own work: a message that is refused makes a row's targets invalid."""

from functools import partial
from pathlib import Path
from typing import cast

import pytest
from harness import policy_file

from bench.contenders.contender import USERS
from bench.contenders.sallyport import EVERYBODY, PERSON
from bench.rows import ROWS
from bench.throughput import Work
from policy.contract import Owned
from policy.engine.budget import Sum
from policy.engine.charges import message_charges
from policy.engine.profile import Place, Profile, Recipient
from policy.engine.sources import Origin
from policy.rulebook import parse

TURNS = 1 + 9 * 3  # a warm-up, and nine rounds with all of their tries
NEW = Recipient(mark=1, is_internal=False, is_known=False)


def messages() -> int:
    """Of all rows together; each has one recipient."""
    works = [row.measure.args[0] for row in ROWS if isinstance(row.measure, partial)]
    return TURNS * sum(work.sessions * work.messages for work in works if isinstance(work, Work))


def sender(*, is_settled: bool) -> Profile:
    """One of the bench's users, who writes to somebody new."""
    origin = cast("Origin", None)  # no charge of a message looks at it
    place = Place(origin=origin, is_settled=is_settled, is_home=False, is_unseen_area=False, is_unseen_country=False)
    return Profile(
        identity="user1",
        login="",
        credential=1,
        owned=Owned(),
        active=True,
        kind="person",
        recipients_per_message=100,
        place=place,
        recipients=(NEW,),
        domain="example.test",
        domain_users=USERS,
    )


@pytest.mark.parametrize("is_settled", [True, False])
def test_no_limit_is_met(tmp_path: Path, is_settled: bool) -> None:
    path = Path(policy_file(tmp_path, EVERYBODY, person=PERSON)["POLICY_FILE"])
    charged = message_charges(sender(is_settled=is_settled), (NEW,), 4096, parse(path.read_text(), "bench"))
    for charge in charged:
        # What is counted on a user, on one in two hundred. Only rows of small messages are many.
        number = messages() / USERS if "user1" in charge.key or charge.name.startswith("credential") else messages()
        cost = charge.cost if isinstance(charge, Sum) else 1
        assert all(number * cost <= window.limit for window in charge.windows), charge.name

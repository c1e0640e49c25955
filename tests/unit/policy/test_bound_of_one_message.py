"""What `sallyport bound` calls the most is the most, also where one message is larger than may be spent elsewhere."""

import pytest

from policy import rulebook
from policy.simulation.adversary import Aim, Move, reached
from policy.simulation.bounds import From, Whom, bound

HOUR = 3600.0
ONE_MESSAGE = (Move(wait_s=0.0, network=0, new=0, known=100, is_one_message=True),)
FIRST_A_SMALL_ONE = (Move(wait_s=0.0, network=0, new=0, known=1, is_one_message=True), *ONE_MESSAGE)

CASES = [
    # what it shows, recipients, from where, campaign, at most, reached
    ("a message of a hundred, where 88 may be spent", "100/hour", From.PROVIDER, ONE_MESSAGE, 100, 100),
    ("in a network that has become settled, too", "100/hour", From.PATIENT, ONE_MESSAGE, 100, 100),
    ("not where anything else went", "100/hour", From.PROVIDER, FIRST_A_SMALL_ONE, 100, 1),
    ("never more than the limit itself", "80/hour", From.PROVIDER, ONE_MESSAGE, 80, 0),
    ("where an eighth is more than a message", "200/hour", From.PROVIDER, ONE_MESSAGE, 175, 100),
    ("at home it is the limit", "100/hour", From.OWN, ONE_MESSAGE, 100, 100),
]


@pytest.mark.parametrize(
    ("recipients", "start", "campaign", "most", "found"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_bound_of_one_large_message(
    recipients: str, start: From, campaign: tuple[Move, ...], most: int, found: int
) -> None:
    book = rulebook.parse(f'[profiles.person]\nrecipients = "{recipients}"\n', "test")
    assert bound(book, "person", start, Whom.ALL, HOUR).most == most
    assert reached(book, Aim(start=start, whom=Whom.ALL, seconds=HOUR), campaign) == found

"""docs/alerts.md says of each kind of alert what it is and what to do, in the words of the code."""

import re

from harness import ROOT

from policy.alerting.courier import RETRY_AFTER_S
from policy.alerting.kinds import ABOUT, Kind
from policy.alerting.pacing import BY_MAIL, GAPS_S

PAGE = (ROOT / "docs" / "alerts.md").read_text()


def test_every_kind_is_documented() -> None:
    """One row each, and no other."""
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| ([a-z]+) \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)
    told = [(kind.value, about.severity.name.lower(), about.means, about.todo) for kind, about in ABOUT.items()]
    assert rows == told
    assert set(ABOUT) == set(Kind)


def test_how_often() -> None:
    """The numbers are those of the code."""
    assert GAPS_S[1:] == (300, 900, 1800, 3600)
    assert "5 minutes, 15, 30, then an hour" in PAGE
    assert f"By mail there are {BY_MAIL.per_hour} messages an\nhour" in PAGE
    assert [round(one / 3600) for one in RETRY_AFTER_S[4:]] == [2, 5, 10, 14, 20, 24]
    assert "after 5 seconds, 1, 5 and 30 minutes, 2, 5, 10, 14, 20 and 24 hours" in PAGE

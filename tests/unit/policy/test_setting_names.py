"""Messages name what a person sets: SALLYPORT_... where `make up` started it, policy's own name elsewhere."""

import re
from pathlib import Path

import pytest

from policy.setting_names import _OF_MAKE_UP, set_as

ROOT = Path(__file__).parent.parent.parent.parent


def test_each_way_has_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SALLYPORT_CALLER", raising=False)
    assert set_as("MX") == "POLICY_MX"
    monkeypatch.setenv("SALLYPORT_CALLER", "eve@server")
    assert (set_as("MX"), set_as("QUEUE_URL")) == ("SALLYPORT_MX", "POLICY_QUEUE_URL")


def test_both_names_are_settings() -> None:
    """The stack passes each of them on."""
    compose = (ROOT / "compose.yaml").read_text()
    for one in _OF_MAKE_UP:
        assert re.search(rf"POLICY_{one}: \$\{{SALLYPORT_{one}:-", compose), one


def test_no_message_names_one_by_hand() -> None:
    """It would be wrong for the others."""
    named = re.compile(rf"\b(?:SALLYPORT|POLICY)_(?:{'|'.join(_OF_MAKE_UP - {'MTA_STS'})})\b")
    folders = [ROOT / "policy" / "publishing", ROOT / "policy" / "enrolment"]
    files = [path for folder in folders for path in folder.glob("*.py")]
    files += [ROOT / "policy" / one for one in ("checkup.py", "cli/dns.py", "cli/identities.py", "cli/imports.py")]
    assert not [str(path) for path in files if named.search(path.read_text())]

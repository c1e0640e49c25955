"""docs/delegation.md, followed to the letter by somebody who has nothing else: a first start, and who asks where."""

import re
from pathlib import Path

import pytest
from harness import ROOT

from policy.settings import Settings
from policy.setup import init
from service.settings import load

PAGE = (ROOT / "docs" / "delegation.md").read_text()
T = 1_750_000_000.0  # any moment
SETTINGS = dict(re.findall(r"^(POLICY_[A-Z_]+)=(\S+)$", PAGE, re.MULTILINE))


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Those of the page, with another folder in the place of the one that it names."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value.replace("/var/lib/sallyport", str(tmp_path)))
    return load(Settings)


def test_a_first_start_writes_into_its_own_folder_alone(settings: Settings, tmp_path: Path) -> None:
    """The user of the unit owns that one and no other."""
    files = [value for _, value in settings if isinstance(value, Path)]
    assert [one for one in files if not one.is_relative_to(tmp_path)] == []
    assert "token of the auth-policy API" in init(settings, T)


def test_postfix_asks_where_policy_listens() -> None:
    """In a chroot the path begins in the queue."""
    asked = set(re.findall(r"check_policy_service (?:inet:|(?=unix:))([^\s,`}]+)", PAGE))
    listened = SETTINGS["POLICY_DELEGATION_LISTEN"].replace("unix:/var/spool/postfix/", "unix:")
    assert asked == set(listened.split(","))

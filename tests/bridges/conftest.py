"""An issuer of tokens and a directory (slapd) for the tests of the bridges to them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "unit" / "gateway"), str(HERE.parent / "unit" / "console")]

from directory_server import Directory
from issuer_server import Issuer


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    """An issuer that nobody has asked anything yet."""
    one = Issuer(tmp_path).start()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Directory]:
    """A slapd that the tests of a module share."""
    if not Directory.is_possible():
        pytest.skip("slapd is not installed (Debian package slapd)")
    one = Directory(tmp_path_factory.mktemp("ldap")).start()
    yield one
    one.stop()

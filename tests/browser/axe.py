"""axe-core, which finds what keeps people with a screen reader, a keyboard or bad eyes out of a page.

It is half a megabyte and none of the product's: npm fetches it once into build/, in the version and with the sum below.
"""

import functools
import hashlib
import shutil
import subprocess
import tarfile
from typing import Any

import pytest
from harness import ROOT
from playwright.sync_api import Page

_VERSION = "4.14.1"
_SUM = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"  # SHA-256 of axe.min.js
_KEPT = ROOT / "build" / f"axe-core-{_VERSION}.min.js"

# WCAG 2.2 at level AA, and what axe calls good practice: headings, landmarks, labels.
_ALL = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
_RUN = """(runOnly) => axe.run(document, { runOnly, preload: false, resultTypes: ["violations"] }).then(
  ({ violations, passes }) => [
    passes.length,
    violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 200)}`)),
  ])"""


@functools.cache
def source() -> str:
    if not _KEPT.exists():
        if not shutil.which("npm"):
            pytest.skip("npm is not installed here, which fetches axe-core (apt-get install npm)")
        _KEPT.parent.mkdir(exist_ok=True)
        pack = ("npm", "pack", f"axe-core@{_VERSION}", "--silent", "--pack-destination", str(_KEPT.parent))
        subprocess.run(pack, check=True, capture_output=True)
        packed = _KEPT.parent / f"axe-core-{_VERSION}.tgz"
        with tarfile.open(packed) as archive:
            found = archive.extractfile("package/axe.min.js")
            assert found
            _KEPT.write_bytes(found.read())
        packed.unlink()
    octets = _KEPT.read_bytes()
    assert hashlib.sha256(octets).hexdigest() == _SUM, f"{_KEPT} is not axe-core {_VERSION}: remove it"
    return octets.decode()


def faults(page: Page, *, colours_alone: bool = False) -> tuple[int, list[str]]:
    """How many rules passed, and what broke one, with the piece of the page that does."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(source() + "; true")  # beside the page's own policy, as a debugger does it
    told: list[Any] = page.evaluate(_RUN, _COLOURS if colours_alone else _ALL)
    return told[0], told[1]

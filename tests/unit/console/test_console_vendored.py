"""Files of others are what their makers published, and each is named with its licence."""

import hashlib
from pathlib import Path

from policy.console.language import HERE

FOLDER = HERE / "static" / "vendor"


def test_every_file_has_the_sum_that_is_written_down() -> None:
    lines = (FOLDER / "LICENSES.txt").read_text(encoding="utf-8").splitlines()
    written = {parts[1]: parts[0] for line in lines if len(parts := line.split()) > 2 and len(parts[0]) == 64}
    found = {path.name: _sum(path) for path in sorted(FOLDER.iterdir()) if path.name != "LICENSES.txt"}
    assert found == written


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

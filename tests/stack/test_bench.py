"""`make bench` works: one short round, Sallyport beside Postfix alone. What it measures is not looked at."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from harness import ROOT, Postfix

from bench import machine

CONTENDERS = ("direct", "sallyport")
MISSING = machine.missing_packages(CONTENDERS)

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(not Postfix.is_possible(), reason="needs root and Debian's postfix on this machine"),
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}"),
]


def test_smoke_run(tmp_path: Path) -> None:
    """Both contenders take every message, and the numbers are kept."""
    kept = tmp_path / "result.json"
    command = [sys.executable, "-m", "bench", "--quick", "--rows", "a", "--against", "direct", "--json", str(kept)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Targets of Sallyport" in done.stdout
    samples = json.loads(kept.read_text())["samples"]
    assert [sample["contender"] for sample in samples] == list(CONTENDERS)
    for sample in samples:
        measured = sample["measured"]
        assert measured["failed"] == 0, measured["error"]
        assert measured["messages"] == 40
        assert measured["figures"]["sessions/s"] > 0
        assert sample["cpu_s"]["postfix"] >= 0

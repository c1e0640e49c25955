"""The command line of the image, which runs in the memory of the service's container."""

import subprocess
from pathlib import Path

COMMAND = Path(__file__).parents[3] / "policy" / "sallyport"


def test_a_command_is_killed_before_the_service(tmp_path: Path) -> None:
    """Where the container's memory ends, the kernel takes whoever has the higher score; the service has 0."""
    stand_in = tmp_path / "python3"
    stand_in.write_text("#!/bin/sh\ncat /proc/self/oom_score_adj\n")
    stand_in.chmod(0o755)
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run([COMMAND, "standing", "list"], env=path, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("500\n", "")

"""Where the scripts are, and the type of the fixture that runs one."""

import subprocess
from collections.abc import Callable
from pathlib import Path

CHECKOUT = Path(__file__).parents[3]

Run = Callable[..., subprocess.CompletedProcess[str]]

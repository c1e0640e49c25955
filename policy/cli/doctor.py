"""`sallyport doctor`: what is wrong with this installation."""

import time

from policy.checkup import examine
from policy.cli.output import JSON, print_findings
from policy.settings import Settings
from service.settings import load


def doctor(as_json: JSON = False) -> None:
    """Say what is wrong with this installation, and what to do. Exit code 1 when something is.

    Example: sallyport doctor
    """
    print_findings(list(examine(load(Settings), time.time())), as_json)

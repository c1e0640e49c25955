"""`sallyport dns`: the records that lead mail programs here, to be pasted into a zone."""

import dataclasses
import json
import sys

from policy.cli.output import JSON
from policy.enrolment import Servers
from policy.enrolment.dns import notes, records, zone_file
from policy.settings import Settings
from service.settings import load


def dns(as_json: JSON = False) -> None:
    """Print the DNS records that lead mail programs here, for each of our domains, as lines of a zone file.

    Example: sallyport dns > records.zone
    """
    settings = load(Settings)
    wanted = records(Servers.of(settings), settings.console_origin)
    if as_json:
        print(json.dumps([dataclasses.asdict(one) for one in wanted]))
        return
    print(zone_file(wanted, settings.console_origin), end="")
    for note in notes(settings.console_origin):
        print(f"note: {note}", file=sys.stderr)

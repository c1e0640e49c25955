"""By which name a person sets something, for messages that say what to do.

Who started with `make up` sets SALLYPORT_... (.env, docs/settings.md), from which the stack makes ours; who runs the
services by other means sets ours. `./sallyport` tells which, by saying who calls (containers.sh, native.sh in stack/).
"""

import os

_OF_MAKE_UP = {"HOSTNAME", "DOMAINS", "MX", "MTA_STS", "CONSOLE_URL", "ALERT_TO"}


def set_as(setting: str) -> str:
    """Of a setting of policy's: `MX` is SALLYPORT_MX or POLICY_MX."""
    is_made_up = "SALLYPORT_CALLER" in os.environ and setting in _OF_MAKE_UP
    return f"{'SALLYPORT' if is_made_up else 'POLICY'}_{setting}"

"""Sallyport: policy and gateway, as tests/harness.py starts them, with identities for all users of the bench.

Full policy is on. Raised are only limits that the work itself would run into: recipients of an identity, new ones of
everybody together, and for the idle sessions their number. The gateway has as many workers as it has by default.
"""

import time
from pathlib import Path

from bench.contenders.contender import ADDRESS, USERS
from gateway.settings import Settings as GatewaySettings
from policy.location import open_existing
from policy.opening import open_store
from policy.settings import Settings as PolicySettings
from tests.harness import Sallyport, policy_file

MANY = "1000000/day"
# Counted as always, and never met.
PERSON = {
    **dict.fromkeys(("recipients", "messages", "probation-recipients"), MANY),
    **dict.fromkeys(("new-recipients", "probation-new-recipients"), "100000/day"),
    "bytes": "1000000 GB/day",
    "sessions": 10000,
}
EVERYBODY = f'[host]\nnew-recipients = "{MANY}"\n'


def gateway_settings(workers: int | None) -> dict[str, str]:
    """As shipped; workers where the command line asks for a number of them."""
    shipped = GatewaySettings.model_fields["workers"].get_default(call_default_factory=True)
    return {"GATEWAY_WORKERS": str(workers or shipped)}


def prepared(folder: Path, next_hop: int, workers: int | None = None) -> Sallyport:
    """Not yet running: state, certificate and identities are made."""
    sallyport = Sallyport(folder, next_hop, policy_file(folder, EVERYBODY, person=PERSON), gateway_settings(workers))
    sallyport.policy.is_fresh = sallyport.gateway.is_fresh = True  # as people run them: nothing is shared with a parent
    spool = folder / "spool"
    spool.mkdir()
    if "spool_dir" in GatewaySettings.model_fields:
        sallyport.gateway_environment["GATEWAY_SPOOL_DIR"] = str(spool)
    sallyport.cli("init")
    write_identities(sallyport, folder / "credentials")
    return sallyport


def write_identities(sallyport: Sallyport, credentials: Path) -> None:
    """One identity, address and credential for each user, straight into the store: a command takes 0.5 s."""
    settings = PolicySettings(state_dir=sallyport.folder / "state")
    engine = open_existing(settings)
    store = open_store(settings, engine)
    lines = []
    for number in range(1, USERS + 1):
        store.add_identity(f"user{number}", (ADDRESS.format(number),), time.time())
        made = store.add_credential(f"user{number}", "bench", time.time())
        lines.append(f"{made.login} {made.secret} {ADDRESS.format(number)}\n")
    engine.dispose()
    credentials.write_text("".join(lines))

from pathlib import Path
import pickup
from test_no_secrets import *
import test_no_secrets as t
pickup.ROOT = Path("/tmp/h/S/root")
def test_no_secret_is_left(run, sink):
    add_keys(run)
    for use in (t.use_devices, t.misuse_submission, t.use_other_proofs, t.use_console, t.use_api, t.look_at_everything):
        use(run)
    places = logs(run) | database(run) | processes(run) | said(run) | alerts(sink)
    f = files(run)
    print("COUNT", len(run.wanted.secrets), run.wanted.forms(), len(places), len(f), len(backup(run)), sum(map(len, places.values())) + sum(map(len, f.values())))
    for one in sorted({str(x) for x in run.wanted.found_in(places)}): print("FOUND", one)

"""Puts on the path what dialogs share with the unit tests: certificates made on the spot, and a client of SCRAM."""

import sys
from pathlib import Path

UNIT = Path(__file__).parent.parent / "unit"
sys.path += [str(UNIT / "gateway"), str(UNIT / "policy")]

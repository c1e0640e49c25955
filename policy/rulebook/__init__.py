"""The policy as a file: what it may say, what is in force, what changed.

    shipped.toml  every number with its ground
    words.py      limits, countries and so on in words; forms.py makes kinds of values of them
    model.py      tables and keys, and what each may hold
    reading.py    a file over the shipped policy; faults.py, wrong.py and lines.py say what is wrong, and where
    making.py     what the engine reads (policy/engine/rulebook.py), its digest, and the way back; toml.py writes it
    changes.py    what is different between two policies
    own.py        the other way round: the shortest file that makes a policy of the shipped one
    schema.py     the JSON schema for editors
    at_hand.py    the file as somebody finds it who wants to change it
    replacing.py  another file in its place, and the one before kept
    in_force.py   which policy is in force, while the file changes

docs/policy-file.md is for administrators.
"""

from policy.rulebook.faults import Fault, PolicyFileError
from policy.rulebook.reading import load, parse, shipped

__all__ = ["Fault", "PolicyFileError", "load", "parse", "shipped"]

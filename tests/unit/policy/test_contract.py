"""What both services have to agree on."""

import pytest

from policy.contract import canonical_address

CASES = [
    # what it shows, address, canonical form
    ("letter case does not matter", "Ada@Example.ORG", "ada@example.org"),
    ("a trailing dot does not matter", "ada@example.org.", "ada@example.org"),
    ("letters beyond ASCII have case, too", "ÄDA@Example.org", "äda@example.org"),
    ("two domains that casefold() takes for one are two", "ada@straße.example", "ada@straße.example"),
]


@pytest.mark.parametrize(("address", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_canonical_address(address: str, expected: str) -> None:
    """One form for each address, and no form for two owners."""
    assert canonical_address(address) == expected
    assert canonical_address(expected) == expected

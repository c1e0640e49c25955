"""The samples of bench.scan are messages of the sizes that its table names."""

import email
import email.policy

import pytest

from bench.scan import samples

SIZES = {"a short text": 500, "a letter with HTML": 7_000, "a PDF of 1 MB": 1_300_000, "a PDF of 18 MB": 24_000_000}


@pytest.mark.parametrize("name", SIZES)
def test_a_sample_is_what_it_is_called(name: str) -> None:
    """Well-formed, and with the parts that it should have."""
    octets = samples()[name]
    assert SIZES[name] <= len(octets) <= SIZES[name] * 1.2
    message = email.message_from_bytes(octets, policy=email.policy.default)
    assert not [one.defects for one in message.walk() if one.defects]
    assert any(one.get_content_type() == "application/pdf" for one in message.walk()) == ("PDF" in name)

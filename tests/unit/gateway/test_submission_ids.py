"""The id by which policy knows a message, and which its Received field carries."""

from gateway.handover import new_submission


def test_ids_of_submissions_are_in_the_order_of_time_and_never_the_same() -> None:
    """Later ones are larger, for some thousand years; those of one moment differ."""
    moments = [0.0, 1.0, 1.5, 1_795_737_058.4, 1_795_737_058.5, 2.0e11]
    ids = [new_submission(now) for now in moments]
    assert ids == sorted(ids)
    assert {len(one) for one in ids} == {28}
    assert len({new_submission(1.0) for _ in range(100)}) == 100

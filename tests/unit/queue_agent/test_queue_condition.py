"""What keeps the agent from its work, and for how long it is said."""

from queue_agent.condition import Condition


def test_an_order_that_nobody_repeats_is_no_fault_for_ever() -> None:
    """Policy asks again until it is done. What was called off, or asked for by hand once, is forgotten."""
    now = 0.0
    condition = Condition(ticks=lambda: now)
    assert condition.health(is_queue_read=True, unreported=0).is_ready
    condition.order_failed("hold")
    (warning,) = condition.health(is_queue_read=True, unreported=0).warnings
    assert "(hold)" in warning, "once is no fault yet"
    now = 5.0
    assert condition.health(is_queue_read=True, unreported=0).faults == (warning,)
    now = 299.0
    assert not condition.health(is_queue_read=True, unreported=0).is_ready
    condition.order_failed("hold")
    now = 598.0
    assert not condition.health(is_queue_read=True, unreported=0).is_ready
    now = 599.0
    assert condition.health(is_queue_read=True, unreported=0).is_ready
    condition.order_failed("delete")
    condition.order_done()
    assert condition.health(is_queue_read=True, unreported=0).is_ready

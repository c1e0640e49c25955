"""Steps that are not finished: each for its time, never too many, and once where once is meant."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from policy.people.pending import Pending


def test_a_value_is_there_for_its_time() -> None:
    pending: Pending[str] = Pending(60)
    pending.put("a", "one", 0)
    assert (pending.get("a", 59), pending.get("a", 60), pending.get("b", 0)) == ("one", None, None)
    pending.put("a", "two", 30)
    assert pending.get("a", 89) == "two"
    assert pending.take("a", 90) is None
    assert len(pending) == 0


def test_the_first_one_stays() -> None:
    pending: Pending[str] = Pending(60)
    assert pending.put_first("a", "one", 0)
    assert not pending.put_first("a", "two", 59)
    assert pending.get("a", 59) == "one"
    assert pending.put_first("a", "three", 60)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 30)), max_size=100))
def test_there_are_never_too_many(puts: list[tuple[int, int]]) -> None:
    """And the newest ones are always there."""
    pending: Pending[int] = Pending(60, limit=5)
    now, kept = 0.0, dict[str, float]()
    for key, gap in puts:
        now += gap
        pending.put(str(key), key, now)
        kept.pop(str(key), None)
        kept[str(key)] = now
        assert len(pending) <= 5
        newest = list(kept.items())[-5:]
        assert all((pending.get(one, now) is not None) == (at + 60 > now) for one, at in newest)


def test_of_many_that_take_one_gets_it() -> None:
    pending: Pending[str] = Pending(60)
    taken, together = list[str | None](), threading.Barrier(8)
    pending.put("a", "one", 0)

    def take() -> None:
        together.wait()
        taken.append(pending.take("a", 1))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, taken)) == ["None"] * 7 + ["one"]

"""Caps on open connections (in all, for each address, for each network) and on sessions; over several processes."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.caps import Caps

CASES = [
    # what it shows, caps (all, address, network), addresses that hold a slot, address that asks, whether it gets one
    ("room", (3, 2, 2), ["192.0.2.1"], "192.0.2.1", True),
    ("address is full", (9, 2, 9), ["192.0.2.1", "192.0.2.1"], "192.0.2.1", False),
    ("another address has room", (9, 2, 9), ["192.0.2.1", "192.0.2.1"], "192.0.2.2", True),
    ("network is full", (9, 9, 2), ["192.0.2.1", "192.0.2.2"], "192.0.2.3", False),
    ("another network has room", (9, 9, 2), ["192.0.2.1", "192.0.2.2"], "198.51.100.3", True),
    ("all is full", (2, 9, 9), ["192.0.2.1", "198.51.100.2"], "203.0.113.3", False),
    ("IPv6: one /64 is one address", (9, 1, 9), ["2001:db8::1"], "2001:db8::ffff", False),
    ("IPv6: another /64 has room", (9, 1, 9), ["2001:db8::1"], "2001:db8:0:1::1", True),
    ("IPv6: one /48 is one network", (9, 9, 1), ["2001:db8::1"], "2001:db8:0:1::1", False),
    ("IPv6: another /48 has room", (9, 9, 1), ["2001:db8::1"], "2001:db8:1::1", True),
    ("no IPv4 network is an IPv6 one", (9, 9, 1), ["32.1.13.184"], "2001:db8::1", True),
]


@pytest.mark.parametrize(("caps", "held", "asks", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_take(caps: tuple[int, int, int], held: list[str], asks: str, expected: bool) -> None:
    """One row, one cap."""
    one = Caps(*caps)
    assert all(one.take(address) is not None for address in held)
    assert (one.take(asks) is not None) is expected


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=60))
def test_no_cap_is_ever_exceeded(steps: list[tuple[bool, int]]) -> None:
    """Against a plain list of who is in, for any order of coming and going."""
    caps = Caps(in_all=6, per_address=2, per_network=3)
    inside: list[tuple[str, int]] = []
    for comes, number in steps:
        if comes:
            address = f"192.0.{number % 2}.{number}"
            network = address.rpartition(".")[0]
            fits = (
                len(inside) < 6
                and sum(one == address for one, _ in inside) < 2
                and sum(one.rpartition(".")[0] == network for one, _ in inside) < 3
            )
            slot = caps.take(address)
            assert (slot is not None) == fits
            if slot is not None:
                inside.append((address, slot))
        elif inside:
            caps.give_back(inside.pop(number % len(inside))[1])
        assert caps.open() == len(inside)


def test_caps_hold_over_processes_and_a_dead_worker_gives_back() -> None:
    """What a child took is counted here, and freed when the child is gone."""
    caps = Caps(in_all=3, per_address=9, per_network=9)
    child = os.fork()
    if not child:
        caps.worker = 2
        os._exit(0 if [caps.take("192.0.2.1"), caps.take("192.0.2.2")] == [0, 1] else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert caps.take("192.0.2.3") == 2
    assert caps.take("192.0.2.4") is None
    assert caps.forget(2) == 2
    assert caps.open() == 1
    assert caps.take("192.0.2.4") == 0


def taken(caps: Caps, address: str = "192.0.2.1") -> int:
    slot = caps.take(address)
    assert slot is not None
    return slot


def test_an_identity_has_so_many_sessions_wherever_it_comes_from() -> None:
    """Of another identity they do not count, nor do connections that nobody has logged in on."""
    caps = Caps(in_all=9, per_address=9, per_network=9)
    slots = [taken(caps, f"192.0.{number}.1") for number in range(5)]
    assert [caps.log_in(slot, "ada", 2) for slot in slots[:3]] == [True, True, False]
    assert caps.log_in(slots[2], "bob", 1)
    assert not caps.log_in(slots[3], "bob", 1)
    assert caps.log_in(slots[3], "ada", 3)


def test_a_session_that_ends_is_counted_no_more() -> None:
    """Whoever takes the slot next is nobody's until he logs in."""
    caps = Caps(in_all=2, per_address=9, per_network=9)
    first, second = taken(caps), taken(caps)
    assert caps.log_in(first, "ada", 1)
    assert not caps.log_in(second, "ada", 1)
    caps.give_back(first)
    assert taken(caps) == first
    assert caps.log_in(second, "ada", 1)
    assert not caps.log_in(first, "ada", 1)


@given(st.lists(st.tuples(st.sampled_from(["come", "log in", "go"]), st.integers(0, 7)), max_size=60))
def test_no_identity_ever_has_more_sessions_than_it_may(steps: list[tuple[str, int]]) -> None:
    """Against a plain list, for any order of coming, logging in and going."""
    caps = Caps(in_all=8, per_address=9, per_network=9)
    inside: dict[int, str] = {}
    for step, number in steps:
        identity = ("ada", "bob")[number % 2]
        if step == "come" and len(inside) < 8:
            inside[taken(caps)] = ""
        elif inside:
            slot = sorted(inside)[number % len(inside)]
            if step == "go":
                caps.give_back(slot)
                del inside[slot]
            elif step == "log in" and not inside[slot]:
                fits = list(inside.values()).count(identity) < 2
                assert caps.log_in(slot, identity, 2) is fits
                inside[slot] = identity if fits else ""


def test_sessions_are_counted_over_processes_and_a_dead_worker_gives_them_back() -> None:
    """What a child logged in counts here, and no more when the child is gone."""
    caps = Caps(in_all=3, per_address=9, per_network=9)
    child = os.fork()
    if not child:
        caps.worker = 2
        os._exit(0 if caps.log_in(taken(caps), "ada", 1) else 1)
    assert os.waitpid(child, 0)[1] == 0
    slot = taken(caps)
    assert not caps.log_in(slot, "ada", 1)
    caps.forget(2)
    assert caps.log_in(slot, "ada", 1)

"""Who may do what in the console."""

import pytest

from policy.people.roles import Right, Role, may, may_act_on, may_free

RIGHTS = [
    # role, right, may
    (Role.OWNER, Right.SEE, False),
    (Role.OWNER, Right.DECIDE, False),
    (Role.HELP_DESK, Right.SEE, True),
    (Role.HELP_DESK, Right.CARE, True),
    (Role.HELP_DESK, Right.CONTAIN, True),
    (Role.HELP_DESK, Right.DECIDE, False),
    (Role.HELP_DESK, Right.READ, False),
    (Role.HELP_DESK, Right.RULE, False),
    (Role.ADMINISTRATOR, Right.READ, True),
    (Role.ADMINISTRATOR, Right.RULE, True),
]


@pytest.mark.parametrize(("role", "right", "expected"), RIGHTS)
def test_rights(role: Role, right: Right, expected: bool) -> None:
    assert may(role, right) is expected


ON_OTHERS = [
    (Role.HELP_DESK, Role.OWNER, True),
    (Role.HELP_DESK, Role.HELP_DESK, True),
    (Role.HELP_DESK, Role.ADMINISTRATOR, False),
    (Role.ADMINISTRATOR, Role.ADMINISTRATOR, True),
    (Role.OWNER, Role.HELP_DESK, False),
]


@pytest.mark.parametrize(("role", "other", "expected"), ON_OTHERS)
def test_nobody_gains_a_right_through_somebody_else(role: Role, other: Role, expected: bool) -> None:
    assert may_act_on(role, other) is expected


FREE = [
    (Role.HELP_DESK, Role.OWNER, True),
    (Role.HELP_DESK, Role.HELP_DESK, False),
    (Role.HELP_DESK, Role.ADMINISTRATOR, False),
    (Role.ADMINISTRATOR, Role.HELP_DESK, True),
    (Role.ADMINISTRATOR, Role.ADMINISTRATOR, False),
    (Role.OWNER, Role.OWNER, False),
]


@pytest.mark.parametrize(("role", "other", "expected"), FREE)
def test_only_those_above_lift_a_gate(role: Role, other: Role, expected: bool) -> None:
    assert may_free(role, other) is expected

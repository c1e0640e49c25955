"""Who may do what in the console. The command line asks nobody: whoever has it has the machine.

Everybody has the own pages. A role opens pages about others: a help desk looks after people and stops what is going on;
what is hard to undo, what people wrote, and the policy are an administrator's.
"""

from enum import StrEnum


class Role(StrEnum):
    """Of an identity, as it signs in."""

    OWNER = "owner"  # of the own account
    HELP_DESK = "help-desk"
    ADMINISTRATOR = "administrator"


class Right(StrEnum):
    """What a page about others takes."""

    SEE = "see"  # figures, identities, decisions, incidents, what is on hold; no content
    CARE = "care"  # invite, let start over, revoke a device, vouch for a network, exempt for a journey
    CONTAIN = "contain"
    DECIDE = "decide"  # release and purge
    READ = "read"  # what is in a message that is on hold
    RULE = "rule"  # change the policy, and who has which role


_RIGHTS = {
    Role.OWNER: frozenset[Right](),
    Role.HELP_DESK: frozenset({Right.SEE, Right.CARE, Right.CONTAIN}),
    Role.ADMINISTRATOR: frozenset(Right),
}


def may(role: Role, right: Right) -> bool:
    return right in _RIGHTS[role]


def may_act_on(role: Role, other: Role) -> bool:
    """Whether nothing is gained by it: who may let an administrator start over could become one."""
    return _RIGHTS[role] >= _RIGHTS[other]


def may_free(role: Role, other: Role) -> bool:
    """Whether he may lift a gate for somebody of that role: equals, who could do it for each other, may not."""
    return _RIGHTS[role] > _RIGHTS[other]

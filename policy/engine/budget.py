"""What is asked of the budgets for one decision, and what they answer. Pure values; policy/budgets/ keeps the counts.

    Sum        adds a cost to a counter: recipients, messages, octets
    Distinct   adds members to a set: new recipients, source networks, ASNs, countries
    Take       all of some charges or none of them; where they do not fit, others instead
    Taken      whether they fitted, and where each window stood

Windows slide and are exact: at most `limit` in any half-open span of `seconds`. A charge that is not enforced is
counted like any other and never refuses.
"""

from typing import NamedTuple, TypeAlias

# Of one set no more members are kept than its largest limit; of one that is not enforced, or has a smaller limit, this
# many: what lies beyond is "many". Whoever is counted cannot make a set longer than that.
MEMBERS_KEPT = 64
RESERVATION_LIFE_S = 3600.0  # an open reservation that is older cannot be released any more: it may have been sent


class Window(NamedTuple):
    """At most `limit` in any span of `seconds`."""

    limit: int
    seconds: float


class Sum(NamedTuple):
    """`cost` on the counter `key`. `name` is the rule's, for evidence: it decides nothing."""

    name: str
    key: str
    cost: int
    windows: tuple[Window, ...]
    is_enforced: bool = True


class Distinct(NamedTuple):
    """`members` (marks: signed 64 bits) in the set `key`; a window holds the members that were seen within it.

    A member that is there already is seen anew and costs nothing. `release` takes out the members that its reservation
    brought into the set and that nobody else has seen since.
    """

    name: str
    key: str
    members: tuple[int, ...]
    windows: tuple[Window, ...]
    is_enforced: bool = True

    def only_counted(self) -> "Distinct":
        """The same, and it always fits."""
        return Distinct(self.name, self.key, self.members, self.windows, is_enforced=False)


Charge: TypeAlias = Sum | Distinct


class Take(NamedTuple):
    """`charges` are taken all together, as one reservation, if with them no window of an enforced one is over its
    limit.

    A set that is over its limit already, by charges that were not enforced, has no room for its members either.

    A key comes once in `charges`, and its charges always have the same longest window, of 31 days at most.

    Where they do not fit, nothing of them is taken, and each of `otherwise` is, for good, if it has room by itself (one
    that is not enforced always has): what an attempt costs, and that somebody was seen.
    """

    charges: tuple[Charge, ...]
    otherwise: tuple[Charge, ...] = ()


class Taken(NamedTuple):
    """`before` and `after`: for each of `charges`, for each of its windows, what is counted without it and with it.

    `after` is what would be counted where the charges did not fit. For a Distinct the two differ by the members that
    the window does not hold yet.
    """

    fits: bool
    before: tuple[tuple[int, ...], ...]
    after: tuple[tuple[int, ...], ...]

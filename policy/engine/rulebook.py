"""The policy that is in force, as the engine reads it. policy/rulebook/ makes it of a file.

Nothing here has a default: the shipped numbers, each with its ground, are in policy/rulebook/shipped.toml.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from policy.engine.budget import Window
from policy.engine.sources import Sources

Windows = tuple[Window, ...]


class Mode(StrEnum):
    """What a rule does when its condition does not hold."""

    ENFORCE = "enforce"
    OBSERVE = "observe"  # it is written down what it would have done
    OFF = "off"


class WhenSilent(StrEnum):
    """Which messages go where the scanner says nothing."""

    KNOWN = "known"  # those to recipients of whom none is new
    PASS = "pass"  # noqa: S105 - all of them
    DEFER = "defer"  # none


class Treatment(StrEnum):
    """What a gate does with a kind of network."""

    ACCEPT = "accept"
    PROBATION = "probation"  # small budgets for as long as the kind is what it is
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of one profile: person, app, newsletter, or one of the site's own. An empty tuple is no limit."""

    recipients_per_message: int
    recipients: Windows
    messages: Windows
    message_bytes: Windows
    credential_recipients: Windows  # of each credential, beside those of its identity
    new_recipients: Windows  # external, and not in the identity's history
    probation_new_recipients: Windows  # of those, from networks on probation
    probation_recipients: Windows  # all recipients, from networks on probation
    networks: Windows  # distinct source networks that are not the identity's own
    asns: Windows  # distinct ASNs of these
    countries: Windows  # distinct countries of these
    unseen_asns: Windows  # ASNs that the identity never used, by areas (Origin.area)
    unseen_countries: Windows
    many_networks: Windows  # so many that it is two signals
    unknown_recipients: Windows  # new recipients that turned out not to exist, beside the sequential test
    unknown_share: float  # in place of the test: of this share of a day's recipients, where there are 200; 0: the test
    spam_refusals: Windows  # new recipients whose servers refused it as spam
    complaints: Windows  # recipients who said that it is spam
    held_messages: Windows
    held_bytes: Windows
    sessions: int  # at the same time

    @property
    def may_travel(self) -> bool:
        """Programs do not: whose small budget is nothing stays on probation until somebody vouches for the network."""
        return all(window.limit for window in (*self.probation_new_recipients, *self.probation_recipients))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Who may talk on the listeners that name this gate. Empty `allow_...` is everywhere; `deny_...` goes first."""

    allow_countries: frozenset[str] = frozenset()
    deny_countries: frozenset[str] = frozenset()
    allow_asns: frozenset[int] = frozenset()
    deny_asns: frozenset[int] = frozenset()
    hosting: Treatment = Treatment.ACCEPT
    unknown: Treatment = Treatment.ACCEPT  # no country known


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemption:
    """What the gates let through for one identity until `until` (seconds since the epoch)."""

    identity: str
    countries: frozenset[str] = frozenset()
    asns: frozenset[int] = frozenset()
    until: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Containment:
    """What happens to mail when a credential turns out to be stolen. All in seconds."""

    retro_hold_s: float  # so far back, what was handed in and is still queued is held
    held_s: float  # what nobody has decided about expires then
    purge_after_s: float  # from its owner's `no` until held mail is deleted
    sending_delay_s: float  # what goes to new recipients from a network on probation waits; 0: nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """All of it. `digest` names it in every record: SHA-256 of its canonical form, hexadecimal, 16 digits."""

    digest: str
    limits: Mapping[str, Limits]  # by profile; "person" is always there
    gates: Mapping[str, Gate]  # by name; "default" is always there
    modes: Mapping[str, Mode]  # by rule; one that is not there is enforced
    exemptions: tuple[Exemption, ...]
    domain_recipients_per_user: int  # of a whole domain in a day: this many x 20 x the square root of its users
    domain_recipients_least: int
    host_new_recipients: Windows
    settled_after_days: int  # different days after which an area is not on probation any more
    home_after_days: int  # and a network is one from which even a locked identity goes on
    forgotten_after_days: int  # areas that were not used for so long are on probation again
    linked_identities: int  # so many identities that write to new recipients from one strange network are linked
    usual_new_recipients_per_day: float  # the least baseline
    containment: Containment
    when_silent: WhenSilent
    trap_recipients: frozenset[str]  # canonical addresses that only harvesters have
    sources: Sources = field(default_factory=Sources)
    members: Mapping[str, str] = field(default_factory=dict)  # the profile of an identity that a profile names

    def forgotten_at(self, now: float) -> float:
        """What was not used since then is strange again."""
        return now - self.forgotten_after_days * 86400.0

    def mode(self, rule: str) -> Mode:
        return self.modes.get(rule, Mode.ENFORCE)

    def limits_of(self, profile: str, identity: str = "") -> Limits:
        """A profile that the policy does not have is a person: the strictest that people can live with."""
        return self.limits.get(self.members.get(identity, profile)) or self.limits["person"]

    def gate(self, name: str) -> Gate:
        """A gate that the policy does not have is the default one."""
        return self.gates.get(name) or self.gates["default"]

"""The policy file as it is written: every table, every key, what each may hold. Keys are the fields with hyphens.

    words.py      limits, countries and so on in words; forms.py makes kinds of values of them
    model.py      (you are here)
    reading.py    a file over the shipped policy, and the sentence about what is wrong with it
    making.py     what the engine reads, made of this

What a site's file does not say is in shipped.toml: nothing has a default here. The sentence below each key is what
editors show (schema.py), and what docs/policy-file.md says of it.
"""

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, create_model

from policy.rulebook import words
from policy.rulebook.forms import (
    Asns,
    Count,
    Countries,
    Days,
    Identities,
    Identity,
    Limit,
    Moded,
    Name,
    Networks,
    Number,
    Pool,
    Silent,
    Size,
    Traps,
    Treated,
    Until,
)

# What [modes] may name. Who may send as whom has rules, too; they have no mode.
RULES: Final = (
    "recipients-per-message",
    "recipients",
    "messages",
    "bytes",
    "credential-recipients",
    "new-recipients",
    "probation-new-recipients",
    "probation-recipients",
    "networks",
    "asns",
    "countries",
    "unseen-asns",
    "unseen-countries",
    "many-networks",
    "held-messages",
    "held-bytes",
    "domain-recipients",
    "host-new-recipients",
    "unknown-recipients",
    "spam-refusals",
    "complaints",
    "spread",
    "unseen",
    "linked",
    "trap",
    "malware",
    "spam",
    "suspicious",
    "scanner-silent",
    "volume",
    "strange-client",
    "trusted-network",
    "probation",
    "ladder",
)


class Table(BaseModel):
    """A table of the file. Nothing is taken for something else: 5 is no text, and "5" no number."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=lambda field: field.replace("_", "-"),
        use_attribute_docstrings=True,
    )


class Profile(Table):
    """`like` has done its work by now: what a profile does not say itself is that of the other one."""

    like: Name | None = None
    """The profile that this one is like, but for what it says itself."""
    identities: Identities = frozenset()
    """The identities that have this profile. Every other one has the profile of its sort: person, app or newsletter."""
    recipients_per_message: Number
    """Recipients of one message."""
    recipients: Limit
    """Recipients of all messages, the same one twice as well."""
    messages: Limit
    """Messages; an attempt that is refused counts a quarter of one."""
    bytes: Size
    """Octets of messages, each message once."""
    credential_recipients: Limit
    """Recipients of one credential, which is one device, beside those of its identity."""
    new_recipients: Count
    """Different external recipients that the identity has not written to before."""
    probation_new_recipients: Count
    """The same from networks on probation."""
    probation_recipients: Limit
    """All recipients, known ones too, from networks on probation."""
    networks: Count
    """Different source networks on probation (IPv4 /24, IPv6 /48; a carrier or a pool is one)."""
    asns: Count
    """Different autonomous systems of these."""
    countries: Count
    """Different countries of these."""
    unseen_asns: Count
    """Different autonomous systems that the identity never used: one more is a signal."""
    unseen_countries: Count
    """Different countries that it never used: one more is a signal."""
    many_networks: Count
    """Different source networks of which one more is two signals at once."""
    unknown_recipients: Limit
    """New recipients that turned out not to exist."""
    unknown_share: Annotated[float, Field(ge=0, lt=1)]
    """Their share of the recipients of a day, from the 200th on, that is a signal; 0 is the sequential test."""
    spam_refusals: Limit
    """New recipients whose servers refused a message as spam."""
    complaints: Limit
    """Recipients who said that a message is spam."""
    held_messages: Limit
    """Messages that are held; what is beyond is deferred."""
    held_bytes: Size
    """Octets that are held."""
    sessions: Number
    """Sessions at the same time."""


class Gate(Table):
    """Of the listeners that name it."""

    allow_countries: Countries
    """Only clients from these countries (ISO 3166-1 alpha-2; ?? is unknown) or systems; empty: from everywhere."""
    deny_countries: Countries
    """No clients from these countries, whatever is allowed."""
    allow_asns: Asns
    """Only clients of these autonomous systems, or of these countries; empty: of all."""
    deny_asns: Asns
    """No clients of these autonomous systems, whatever is allowed."""
    hosting: Treated
    """What becomes of clients on rented machines."""
    unknown: Treated
    """What becomes of clients whose country no database knows."""


class Exemption(Table):
    """Some countries, or some autonomous systems, for one identity."""

    identity: Identity
    """Whom the gates let through."""
    countries: Countries = frozenset()
    """From where."""
    asns: Asns = frozenset()
    """Through whose networks."""
    until: Until
    """The last day (UTC), or a moment."""


class Domain(Table):
    """Of all identities of a domain together."""

    recipients_per_user: Number
    """Recipients of a whole domain in a day: so many, times 20, times the square root of its users."""
    recipients_least: Annotated[int, Field(ge=1, le=words.MOST)]
    """But never fewer than these."""


class Host(Table):
    """Of everybody together."""

    new_recipients: Limit
    """New recipients of everybody together."""


class History(Table):
    """How a network becomes an identity's own, and stops being it."""

    settled_after_days: Days
    """Different days, 24 hours each, after which a network is not on probation any more."""
    home_after_days: Days
    """Different days, 24 hours each, after which its owner goes on from it even while the identity is locked."""
    forgotten_after_days: Days
    """Days without use after which it is on probation again."""


class Signals(Table):
    """What is suspicious from when on. More than 500 a day is nobody's usual: its limit could not be computed."""

    linked_identities: Annotated[int, Field(ge=2, le=1000)]
    """So many identities that write to new recipients from one strange network within a day are linked."""
    usual_new_recipients_per_day: Annotated[float, Field(gt=0, le=500)]
    """New recipients a day that an identity's past is taken for at least, when a day is compared with it."""


class ScanTable(Table):
    """Where messages are scanned (docs/scanning.md)."""

    when_silent: Silent
    """What goes while the scanner does not answer: mail to known recipients alone (known), all (pass), none (defer)."""


class ContainmentTable(Table):
    """What happens to mail when a credential turns out to be stolen."""

    retro_hold_minutes: Annotated[int, Field(ge=1, le=10_000)]
    """So far back, what was handed in and is still in the queue is held when an identity is restricted or locked."""
    held_days: Annotated[int, Field(ge=1, le=90)]
    """Days after which held mail that nobody has decided about expires; its owner is told before."""
    purge_after_hours: Annotated[int, Field(ge=0, le=720)]
    """Hours from the owner's answer that it was not him until the held mail is deleted."""
    sending_delay_seconds: Annotated[int, Field(ge=0, le=3600)]
    """Seconds that mail to new recipients from a network on probation waits on hold; 0 is no delay."""


class Sources(Table):
    """Beside the shipped lists of policy/geo/."""

    hosting_asns: Asns
    """Autonomous systems of rented machines, beside the shipped list."""
    mobile_asns: Asns
    """Autonomous systems of mobile carriers, each of which is one source, beside the shipped list."""
    ordinary_asns: Asns
    """Autonomous systems that are neither, whatever the shipped list says."""
    pools: dict[Pool, Networks]
    """Networks that count as one source, by its name: those of a mail provider, or of an office of your own."""


class TrapTable(Table):
    """Addresses that nobody writes to who has not harvested them."""

    recipients: Traps
    """Addresses that only harvesters have: whoever writes to one is suspicious."""


_OF_RULES: dict[str, Any] = {rule.replace("-", "_"): (Moded, ...) for rule in RULES}
Modes = create_model("Modes", __base__=Table, **_OF_RULES)


class PolicyFile(Table):
    """All of it."""

    profiles: dict[Name, Profile]
    """Limits, by the profile of an identity."""
    gates: dict[Name, Gate]
    """Who may talk on the listeners that name a gate."""
    modes: Modes
    """What a rule does where its condition does not hold."""
    exemptions: Annotated[tuple[Exemption, ...], Field(strict=False)] = ()
    """What the gates let through for one identity for a time."""
    domain: Domain
    """Limits of a whole domain."""
    host: Host
    """Limits of the whole server."""
    history: History
    """When a network is an identity's own."""
    signals: Signals
    """When something is suspicious."""
    scan: ScanTable
    """What becomes of mail that nobody could scan."""
    containment: ContainmentTable
    """What happens to mail when a credential turns out to be stolen."""
    sources: Sources
    """What is to be known of networks."""
    traps: TrapTable
    """Recipients that are traps."""

"""What a notice was about, in few words for the timeline of an incident: by its kind (kinds.py) and its facts. Pure."""

from collections.abc import Mapping

from policy.alerting.kinds import Kind
from service.sentence import Part, Sentences


class Subject(Sentences):
    """One for each Kind, and some more. The notice itself, which has more to say, is in English."""

    INCIDENT_OPENED = "an incident was opened"
    INCIDENT_ESCALATED = "the incident got graver"
    INCIDENT_CONTAINED = "somebody contained it"
    INCIDENT_RELEASED = "the incident was released"
    INCIDENT_PURGED = "the held mail was deleted"
    INCIDENT_CLOSED = "the incident is closed"
    TRAP_HIT = "a trap closed"
    SIGNAL = "something speaks against the account"
    BUDGET_90 = "nine tenths of a budget are used"
    SERVER_BUDGET_SPENT = "what all may send together is used up"
    GATEWAY_DEGRADED = "a gateway cannot work"
    SCANNER_DEGRADED = "messages are not scanned"
    CERTIFICATE_ENDING = "the certificate ends soon"
    GEO_DATABASE_OLD = "a database of addresses is old"
    QUEUE_GROWING = "the queue grows"
    BLOCKLISTED = "our address is on a blocklist"
    HELD_EXPIRING = "held mail is deleted soon because of its age"
    HELD_GONE = "held mail is not in the queue any more"
    NOTICE_ADDRESS_CHANGED = "a second address was changed"
    NETWORK_TRUSTED = "a network became one of the owner's"
    SECOND_FACTOR_WRONG = "somebody knows the password for the console, and no second factor"
    TEST = "a test"
    # Of some kinds more is known.
    RAISED = "%(signal)s; now: %(step)s"
    CONTAINED_BY = "it was contained by %(actor)s"
    RELEASED_BY = "it was released by %(actor)s"
    PURGED_BY = "the held mail was deleted by %(actor)s"
    OWNER_SAID_NO = "the owner says that it was not him"


def about(kind: str, facts: Mapping[str, object]) -> Part | None:
    """What a notice of this kind says, as a part of a sentence; None of a kind that nobody knows."""
    if kind not in set(Kind):
        return None
    signals, step, actor = facts.get("signals"), facts.get("step"), facts.get("by")
    if isinstance(signals, list) and signals and step:
        return Part(Subject.RAISED.name, {"signal": str(signals[-1]["kind"]), "step": str(step)})
    if actor and (known := _BY.get(Kind(kind))):
        return Part(known.name, {"actor": str(actor)})
    if kind == Kind.INCIDENT_PURGED and "until" in facts:
        return Part(Subject.OWNER_SAID_NO.name, {})
    return Part(Subject[Kind(kind).name].name, {})


_BY = {
    Kind.INCIDENT_CONTAINED: Subject.CONTAINED_BY,
    Kind.INCIDENT_RELEASED: Subject.RELEASED_BY,
    Kind.INCIDENT_PURGED: Subject.PURGED_BY,
}

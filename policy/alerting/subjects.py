"""What a notice was about, in few words for the timeline of an incident: by the name of its kind (kinds.py)."""

from service.sentence import Sentences


class Subject(Sentences):
    """One for each Kind. The notice itself, which has more to say, is in English."""

    INCIDENT_OPENED = "an incident was opened"
    INCIDENT_ESCALATED = "the incident got graver"
    INCIDENT_CONTAINED = "somebody contained it"
    INCIDENT_RELEASED = "the incident was released"
    INCIDENT_PURGED = "the held mail was deleted"
    INCIDENT_CLOSED = "the incident is closed"
    TRAP_HIT = "a trap closed"
    SIGNAL = "something speaks against the account"
    BUDGET_90 = "nine tenths of a budget are used"
    GATEWAY_DEGRADED = "a gateway cannot work"
    SCANNER_DEGRADED = "messages are not scanned"
    CERTIFICATE_ENDING = "the certificate ends soon"
    GEO_DATABASE_OLD = "a database of addresses is old"
    QUEUE_GROWING = "the queue grows"
    BLOCKLISTED = "our address is on a blocklist"
    HELD_EXPIRING = "held mail is deleted soon because of its age"
    NOTICE_ADDRESS_CHANGED = "a second address was changed"
    TEST = "a test"

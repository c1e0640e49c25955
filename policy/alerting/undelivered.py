"""Why a notice was not taken, in sentences that hold nothing of what the other side wrote."""

from service.sentence import Sentences


class Undelivered(Sentences):
    """A closed list; the console says each in the reader's language."""

    NO_ANSWER = "no answer in time"
    UNREACHABLE = "cannot be reached (%(error)s)"
    NOTICE_REFUSED = "the service did not take it"
    OWNER_NO_ADDRESS = "the owner has no address"
    NO_RELAY = "there is no POLICY_ALERT_RELAY: it is in the log alone"
    RELAY_NOT_UTF8 = "the relay takes no addresses with letters such as ö (it offers no SMTPUTF8)"
    RELAY_BROKE_OFF = "the relay broke off"
    RELAY_SAID = "the relay said %(code)s"
    ANSWERED = "it answered %(status)s"
    REDIRECTED = "it answered %(status)s, a redirect, which is not followed"
    CHANNEL_GONE = "its channel was taken out"
    NOBODY_SENDS = "nobody sends by this channel any more"

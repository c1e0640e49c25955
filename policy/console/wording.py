"""The machine's own sentences and words in the reader's language: evidence, health, faults of a policy, outcomes.

    LISTS      the closed lists of sentences (service/sentence.py); each sentence is a key of the catalogues
    WORDS      the closed lists of words, by the name that a value has in a sentence; each is a key, too
    in_words   a sentence; where nobody knows what it was made of, as it was written down
    worded     one word; what is on no list is a name of somebody's, and stays as it is

A test holds lists and catalogues together (tests/unit/console/test_console_language.py).
"""

from collections.abc import Mapping
from typing import Protocol

from policy.alerting.subjects import Subject
from policy.alerting.undelivered import Undelivered
from policy.engine.evidence import Evidence
from policy.rulebook.wrong import Wrong
from policy.store.evidence import STANDINGS, Looked
from policy.store.measures import Outcome
from service.ailments import Ailment
from service.sentence import BETWEEN, SPANS, Part, Sentence, Sentences, Value, filled, unpacked

LISTS: tuple[type[Sentences], ...] = (Evidence, Looked, Outcome, Ailment, Wrong, Subject, Undelivered)
TEMPLATES: Mapping[str, str] = {one.name: one.value for some in LISTS for one in some}

_RULES = {
    "recipients-per-message": "Recipients of one message",
    "recipients": "Recipients of all messages",
    "messages": "Messages",
    "bytes": "Size of all messages",
    "credential-recipients": "Recipients of one device",
    "new-recipients": "People never written to before",
    "sessions": "Connections at the same time",
    "probation-new-recipients": "People never written to before, from unfamiliar networks",
    "probation-recipients": "All recipients, from unfamiliar networks",
    "networks": "Unfamiliar networks",
    "asns": "Unfamiliar providers",
    "countries": "Unfamiliar countries",
    "unseen-asns": "Providers never used before",
    "unseen-countries": "Countries never used before",
    "many-networks": "Unfamiliar networks, above which it is a botnet",
    "unknown-recipients": "Recipients that do not exist",
    "unknown-share": "Their share of the recipients of a day",
    "spam-refusals": "Recipients whose servers refuse it as spam",
    "complaints": "Recipients who say that it is spam",
    "held-messages": "Messages that are held",
    "held-bytes": "Size of what is held",
    "domain-recipients": "Recipients of a whole domain",
    "host-new-recipients": "New recipients of everybody together",
    "spread": "More networks, providers or countries than one person has",
    "unseen": "Too many places that were never used before",
    "linked": "Several accounts from one unfamiliar network",
    "trap": "A recipient that only harvesters have",
    "malware": "Malware, says the scanner",
    "spam": "Spam, says the scanner",
    "suspicious": "Suspicious, says the scanner",
    "scanner-silent": "The scanner does not answer",
    "volume": "Many more recipients than on other days",
    "strange-client": "A mail program that was never seen before",
    "trusted-network": "Quiet days make a network one of the owner's",
    "probation": "An unfamiliar network uses much of what it may",
    "ladder": "Accounts are slowed, held, restricted and locked",
}
_SIGNALS = {
    "spread": "more networks, systems or countries than one person has",
    "many-networks": "very many strange networks",
    "unseen": "systems or countries never used before",
    "unknown-recipients": "many recipients that do not exist",
    "spam": "spam, says our own scanner",
    "spam-refusals": "others refuse it as spam",
    "complaints": "recipients complain of spam",
    "new-recipients": "more new recipients than allowed",
    "linked": "shares a strange network with other accounts",
    "trap": "wrote to a trap address",
    "volume": "far more recipients than on other days",
    "probation": "much mail from a strange network",
    "strange-client": "a mail program never seen before",
    "trusted-network": "a network became one of the owner's",
}
_REASONS = {
    "credential-revoked": "The login was revoked or has expired, or its identity is suspended.",
    "sender-not-owned": "The reverse-path is not an address that the identity may send as.",
    "author-not-owned": "An address in From is not one that the identity may send as.",
    "author-missing": "The message has no author: no address in From.",
    "sender-field-not-owned": "An address in Sender or in a Resent field is not one of the identity's.",
    "secret-in-message": "The message contains the secret of a login.",
    "malware": "The scanner found malware in it.",
    "spam": "The scanner took it for spam.",
    "scanner-silent": "The scanner did not answer, and such mail does not pass without it.",
    "name-shows-address": "The name beside an address looks like somebody else's address.",
    "too-many-recipients": "The message has more recipients than one message may have.",
    "budget-too-small": "The message alone costs more than the limit: no waiting helps.",
    "budget-spent": "The identity has sent as much as it may in this time.",
    "sending-delay": "Mail to new recipients waits a while here, so that it can still be stopped.",
    "new-recipients": "It reached more new recipients than the identity may; those beyond that number are held.",
    "probation": "It came from a network that is strange to the identity, and went beyond the small budget there.",
    "held": "The identity stands on the ladder: mail to new recipients is held. Or this one is suspicious.",
    "hold-full": "It would have been held, but no more of this identity is.",
    "restricted": "The identity stands on the ladder: it may write only to recipients that it knows.",
    "locked": "The identity is locked, but for its owner at home.",
    "server-budget-spent": "The whole domain, or the whole server, has sent as much as it may in this time.",
}
_ACTS = {
    "address-added": "added the address",
    "address-changed": "changed the address",
    "address-removed": "removed the address",
    "complaint-read": "entered a complaint about",
    "contained": "contained",
    "credential-added": "made the login",
    "credential-changed": "changed the login",
    "credential-renewed": "renewed the login",
    "credential-revoked": "revoked the login",
    "decoy-added": "made the decoy",
    "decoy-removed": "removed the decoy",
    "exemption-added": "made an exemption for the country",
    "exemption-removed": "ended the exemption for the country",
    "held-message-read": "looked at a held message of",
    "held-messages-purged": "deleted held messages of",
    "held-messages-released": "released held messages of",
    "identity-added": "added",
    "identity-changed": "changed",
    "identity-removed": "removed",
    "incident-answered": "answered for",
    "incident-purged": "deleted the held mail of",
    "incident-released": "released the incident of",
    "invite-made": "invited",
    "invite-revoked": "withdrew the invitation of",
    "message-traced": "traced a message of",
    "network-confirmed": "vouched for the network",
    "network-distrusted": "took back the network",
    "network-forgotten": "forgot the network",
    "password-changed": "changed the password of",
    "person-enrolled": "set up the account of",
    "person-reset": "reset the account of",
    "purge-stopped": "stopped the deletion for",
    "queue-read": "looked at the queued mail of",
    "recipients-forgotten": "forgot the recipients of",
    "role-changed": "changed the role of",
    "send-as-allowed": "allowed somebody else to send as",
    "send-as-disallowed": "took back the right to send as",
    "standing-cleared": "cleared the signals of",
    "wall-lifted": "lifted the wall of the network",
}
WORDS: Mapping[str, Mapping[str, str]] = {
    "rule": _RULES,
    "signal": _SIGNALS,
    "reason": _REASONS,
    "act": _ACTS,
    "standing": {one: one for one in STANDINGS},
    "result": {"clean": "clean", "suspicious": "suspicious", "spam": "spam", "malware": "malware", "silent": "silent"},
    "profile": {"person": "person", "app": "application", "newsletter": "newsletter"},
    "step": {
        "free": "free",
        "slow": "slowed",
        "hold": "new recipients held",
        "restrict": "restricted",
        "lock": "locked",
    },
    "measure": {
        "suspend": "suspend logins",
        "end-sessions": "end sessions",
        "retro-hold": "hold what is still queued",
        "release": "release held mail",
        "purge": "delete held mail",
    },
    "order": {"hold": "hold", "release": "release", "delete": "delete"},
    "trap": {
        "address": "an address as login",
        "retired-secret": "a secret of before",
        "revoked-secret": "a revoked secret",
        "decoy": "a decoy",
    },
    "complaint": {
        "abuse": "complaint of spam",
        "fraud": "complaint of fraud",
        "virus": "complaint of malware",
        "opt-out": "wish for no more mail",
        "other": "another complaint",
    },
    "channel": {"administrator": "the administrator", "owner": "the owner"},
    "fact": {
        "recipients": "Recipients",
        "network": "Network",
        "profile": "Profile",
        "size": "Size",
        "step": "Step of the ladder",
        "scan": "Scanner",
    },
}


class Speaker(Protocol):
    """A Language."""

    @property
    def is_default(self) -> bool: ...
    def say(self, text: str, /, **values: object) -> str: ...
    def decimal(self, value: float) -> str: ...
    def area(self, area: str) -> str: ...


def in_words(speaker: Speaker, text: str) -> str:
    """A sentence, or one that `packed` has made."""
    return _in_words(speaker, text) or str(_sentence(text))


def is_foreign(speaker: Speaker, text: str) -> bool:
    """Whether it stays English on a page of another language."""
    return not speaker.is_default and _in_words(speaker, text) is None


def worded(speaker: Speaker, word: str, sort: str) -> str:
    known = WORDS[sort].get(word)
    return speaker.say(known) if known else word


def entry_in_words(speaker: Speaker, said: str, values: Mapping[str, object]) -> str:
    """One of a timeline (policy/store/incident_timeline.py): its values are words, sentences, names and numbers.

    A network has its area beside it, which is said in words.
    """
    spoken = {name: _entry_value(speaker, name, value) for name, value in values.items()}
    if area := spoken.pop("area", ""):
        spoken["network"] = f"{spoken['network']}, {speaker.area(str(area))}"
    return speaker.say(said, **spoken)


def _entry_value(speaker: Speaker, name: str, value: object) -> object:
    if isinstance(value, Sentence):
        return in_words(speaker, value)
    # A reason is a whole sentence, and stands in brackets here.
    return worded(speaker, value, name).rstrip(".") if isinstance(value, str) and name in WORDS else value


def _in_words(speaker: Speaker, text: str) -> str | None:
    """None where it is to stay as it was written down."""
    sentence = _sentence(text)
    if not sentence.parts:
        return None
    try:
        return BETWEEN.join(_part(speaker, part) for part in sentence.parts)
    except (KeyError, TypeError, ValueError):  # of a version that has other sentences
        return None


def _part(speaker: Speaker, part: Part) -> str:
    values = {name: _value(speaker, name, value) for name, value in part.values.items()}
    return filled(TEMPLATES[part.kind], values, speaker.say, lambda sentence: in_words(speaker, sentence))


def _value(speaker: Speaker, name: str, value: Value) -> Value:
    if isinstance(value, float) and name not in SPANS:
        return speaker.decimal(value)
    is_word = isinstance(value, str) and not isinstance(value, Sentence) and name in WORDS
    return worded(speaker, str(value), name) if is_word else value


def _sentence(text: str) -> Sentence:
    return text if isinstance(text, Sentence) else unpacked(text)

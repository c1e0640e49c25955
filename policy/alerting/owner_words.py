"""What the owner of an identity is told: plain text, in English and below in German: nobody knows which he reads.

It goes to his mailbox, which a thief may be reading, and to his second address. So nothing in it is a secret, and its
only link is the plain address of the console: whoever answers there signs in, with password and second factor. Nothing
in it was chosen by a stranger either, but how many and when.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from policy.alerting.kinds import Kind
from policy.engine.ladder import Step

_GERMAN_BELOW = "(Deutsch weiter unten)"
_RULE = "-" * 60
_FREE = Step.FREE.name.lower()


@dataclass(frozen=True, slots=True)
class OwnerMail:
    """Subject and text of one mail."""

    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class _Words:
    """Of one kind, in one language. `{url}`, `{when}`, `{until}`, `{number}` and `{home}` stand in them."""

    subject: str
    text: str


_ASK = {
    "en": "Please sign in to the console and say whether it was you:\n    {url}",
    "de": "Bitte melden Sie sich an der Konsole an und sagen Sie, ob Sie es waren:\n    {url}",
}
_LOOK = {"en": "More in the console:\n    {url}", "de": "Mehr dazu in der Konsole:\n    {url}"}
_END = {
    "en": "If you doubt this message, type the address yourself. No message of ours has a link that signs you in, and\n"
    "none asks for a password or a code.",
    "de": "Wenn Sie dieser Nachricht nicht trauen, tippen Sie die Adresse selbst. Keine unserer Nachrichten enthält\n"
    "einen Link, der Sie anmeldet, und keine fragt nach einem Passwort oder einem Code.",
}
_GOES_ON = {
    "en": "From your own networks you can go on.",
    "de": "Aus Ihren eigenen Netzen können Sie weiterarbeiten.",
}
_NOT_AT_HOME = {
    "en": "So it is in your own networks, too, because some of it came from there.",
    "de": "So ist es auch in Ihren eigenen Netzen, weil manches von dort kam.",
}
_WHEN = {"en": "When: {when}", "de": "Wann: {when}"}
_MORE = {
    "en": "This message stands for {number} events.",
    "de": "Diese Nachricht steht für {number} Ereignisse.",
}

_WORDS: Mapping[Kind, Mapping[str, _Words]] = {
    Kind.INCIDENT_OPENED: {
        "en": _Words(
            "Was this you?",
            "Your mail account was used in a way that is not like you. Such mail is held back, or refused. What is\n"
            "on hold is not lost, and nothing of it goes out before you have answered.\n\n" + _ASK["en"],
        ),
        "de": _Words(
            "Waren Sie das?",
            "Ihr Mailkonto wurde anders benutzt, als Sie es tun. Solche Mail wird zurückgehalten oder abgelehnt. Was\n"
            "angehalten wird, ist nicht verloren, und nichts davon geht hinaus, ehe Sie geantwortet haben.\n\n"
            + _ASK["de"],
        ),
    },
    Kind.INCIDENT_ESCALATED: {
        "en": _Words(
            "Your mail account is restricted",
            "The unusual use of your mail account went on. From networks that are not yours, mail to new people is\n"
            "held or refused, or nobody can log in at all.\n{home}\n\n" + _ASK["en"],
        ),
        "de": _Words(
            "Ihr Mailkonto ist eingeschränkt",
            "Die ungewöhnliche Benutzung Ihres Mailkontos ging weiter. Aus Netzen, die nicht Ihre sind, wird Mail an\n"
            "neue Empfänger angehalten oder abgelehnt, oder niemand kann sich mehr anmelden.\n"
            "{home}\n\n" + _ASK["de"],
        ),
    },
    Kind.INCIDENT_CONTAINED: {
        "en": _Words(
            "Devices of your mail account are suspended",
            "You, or an administrator, have suspended logins of your mail account, because they may be stolen. What\n"
            "they had handed in and was still here is on hold.\n\n" + _ASK["en"],
        ),
        "de": _Words(
            "Geräte Ihres Mailkontos sind gesperrt",
            "Sie oder die Administration haben Logins Ihres Mailkontos gesperrt, weil sie gestohlen sein könnten. Was\n"
            "damit eingeliefert wurde und noch hier war, wird angehalten.\n\n" + _ASK["de"],
        ),
    },
    Kind.INCIDENT_RELEASED: {
        "en": _Words(
            "Your mail account is as before",
            "You, or an administrator, decided that it is over: devices that were suspended and not removed work\n"
            "again, and what is still on hold goes on its way. What was deleted stays deleted. If you know nothing\n"
            "of it, ask your administrator at once.\n\n" + _LOOK["en"],
        ),
        "de": _Words(
            "Ihr Mailkonto ist wieder wie zuvor",
            "Sie oder die Administration haben entschieden, dass es vorbei ist: Geräte, die gesperrt und nicht\n"
            "entfernt sind, funktionieren wieder, und was noch angehalten ist, geht hinaus. Was gelöscht wurde,\n"
            "bleibt gelöscht. Wenn Sie davon nichts wissen, fragen Sie sofort die Administration.\n\n" + _LOOK["de"],
        ),
    },
    Kind.INCIDENT_PURGED: {
        "en": _Words(
            "Held mail of your account is deleted",
            "It was not you who used your mail account: what was on hold goes to nobody. It is deleted {until}.\n"
            "If it was you who said so, the console can stop that until then. Add a new device there in place of the\n"
            "one that was misused.\n\n" + _LOOK["en"],
        ),
        "de": _Words(
            "Angehaltene Mail Ihres Kontos wird gelöscht",
            "Nicht Sie haben Ihr Mailkonto benutzt: Was angehalten wurde, bekommt niemand. Gelöscht wird es {until}.\n"
            "Haben Sie das selbst gesagt, können Sie es bis dahin in der Konsole aufhalten. Fügen Sie dort ein neues\n"
            "Gerät hinzu, anstelle des missbrauchten.\n\n" + _LOOK["de"],
        ),
    },
    Kind.INCIDENT_CLOSED: {
        "en": _Words("It is settled", "The question about your mail account is settled.\n\n" + _LOOK["en"]),
        "de": _Words("Das ist erledigt", "Die Frage zu Ihrem Mailkonto ist erledigt.\n\n" + _LOOK["de"]),
    },
    Kind.HELD_EXPIRING: {
        "en": _Words(
            "Held mail of your account is deleted soon",
            "Mail of yours is on hold, and nobody has decided about it. It is deleted {until}, and nobody gets it.\n\n"
            + _ASK["en"],
        ),
        "de": _Words(
            "Angehaltene Mail Ihres Kontos wird bald gelöscht",
            "Mail von Ihnen wird angehalten, und niemand hat darüber entschieden. Sie wird {until} gelöscht, und\n"
            "niemand bekommt sie.\n\n" + _ASK["de"],
        ),
    },
    Kind.NOTICE_ADDRESS_CHANGED: {
        "en": _Words(
            "Another second address for your mail account",
            "The address at which you are told of incidents, beside your mailbox, was changed or removed. This\n"
            "message goes to the one before, too. If it was not you, tell your administrator at once.\n\n"
            + _LOOK["en"],
        ),
        "de": _Words(
            "Eine andere Zweitadresse für Ihr Mailkonto",
            "Die Adresse, unter der Sie neben Ihrem Postfach von Vorfällen erfahren, wurde geändert oder entfernt.\n"
            "Diese Nachricht geht auch an die vorige. Wenn Sie das nicht waren, sagen Sie es sofort der\n"
            "Administration.\n\n" + _LOOK["de"],
        ),
    },
    Kind.SIGNAL: {
        "en": _Words(
            "More mail than usual from your account",
            "With your mail account more was sent than you usually do, or some of it from a network that you never\n"
            "used before. Nothing is held or refused for that. If it was you, there is nothing to do. If not,\n"
            "somebody else is sending as you: the console shows under “My sending” what went out, and under “My\n"
            "networks” you can say that it was not you.\n\n" + _LOOK["en"],
        ),
        "de": _Words(
            "Mehr Mail als sonst von Ihrem Konto",
            "Mit Ihrem Mailkonto wurde mehr gesendet, als Sie es sonst tun, oder etwas davon aus einem Netz, das Sie\n"
            "noch nie benutzt haben. Deswegen wird nichts angehalten und nichts abgelehnt. Wenn Sie das waren, ist\n"
            "nichts zu tun. Wenn nicht, sendet jemand in Ihrem Namen: Die Konsole zeigt unter „Mein Versand“, was\n"
            "hinausging, und unter „Meine Netze“ können Sie sagen, dass Sie es nicht waren.\n\n" + _LOOK["de"],
        ),
    },
    Kind.SECOND_FACTOR_WRONG: {
        "en": _Words(
            "Somebody knows your password for the console",
            "Your name and your password for the console were right, and the second factor was wrong, several times.\n"
            "Nobody has signed in by that. If it was you, there is nothing to do. If not, sign in and choose another\n"
            "password, which you use nowhere else.\n\n" + _LOOK["en"],
        ),
        "de": _Words(
            "Jemand kennt Ihr Passwort für die Konsole",
            "Ihr Name und Ihr Passwort für die Konsole stimmten, der zweite Faktor war mehrmals falsch. Angemeldet\n"
            "hat sich dadurch niemand. Wenn Sie das waren, ist nichts zu tun. Wenn nicht, melden Sie sich an und\n"
            "wählen Sie ein anderes Passwort, das Sie sonst nirgends benutzen.\n\n" + _LOOK["de"],
        ),
    },
    Kind.NETWORK_TRUSTED: {
        "en": _Words(
            "A network now counts as yours",
            "Your mail account was used from the same network, or through the same provider, on several days, or with\n"
            "a new device for the first time, and nothing spoke against it. From now on more may be sent from there.\n"
            "If you have moved, travel, or have a new telephone, there is nothing to do. If not, somebody may be\n"
            "reading your mail: the console shows under “My networks” which one it is and since when, and there you\n"
            "can say that it was not you.\n\n" + _LOOK["en"],
        ),
        "de": _Words(
            "Ein Netz gilt jetzt als Ihres",
            "Ihr Mailkonto wurde an mehreren Tagen aus demselben Netz oder über denselben Anbieter benutzt, oder mit\n"
            "einem neuen Gerät zum ersten Mal, und nichts sprach dagegen. Ab jetzt darf von dort mehr gesendet\n"
            "werden. Wenn Sie umgezogen oder auf Reisen sind oder ein neues Telefon haben, ist nichts zu tun. Wenn\n"
            "nicht, liest vielleicht jemand Ihre Mail mit: Die Konsole zeigt unter „Meine Netze“, welches es ist und\n"
            "seit wann, und dort können Sie sagen, dass Sie es nicht waren.\n\n" + _LOOK["de"],
        ),
    },
}
_SOON = {"en": "soon", "de": "bald"}


def owner_mail(kind: Kind, facts: Mapping[str, object], console_url: str, at: float, more: int = 0) -> OwnerMail:
    """`facts` may have `until`, a moment (seconds since the epoch), and `home_step`. `more` events came beside this."""
    words = _WORDS.get(kind, _WORDS[Kind.INCIDENT_OPENED])
    english, german = (_text(words[code].text, code, facts, console_url, at, more) for code in ("en", "de"))
    subject = f"{words['en'].subject} / {words['de'].subject}"
    return OwnerMail(subject, f"{_GERMAN_BELOW}\n\n{english}\n\n{_RULE}\n\n{german}\n")


def _text(text: str, code: str, facts: Mapping[str, object], url: str, at: float, more: int) -> str:
    until = facts.get("until")
    values = {
        "url": f"{url.rstrip('/')}/",
        "when": _moment(at),
        "until": _moment(until) if isinstance(until, int | float) else _SOON[code],
        "number": more + 1,
        "home": (_GOES_ON if facts.get("home_step", _FREE) == _FREE else _NOT_AT_HOME)[code],
    }
    parts = (text, _WHEN[code], *([_MORE[code]] if more else []), _END[code])
    return "\n\n".join(part.format(**values) for part in parts)


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")

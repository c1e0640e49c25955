"""German and English: every word that a person reads on a sheet. Guides have theirs in guides.py."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Language(StrEnum):
    """Which of the two."""

    EN = "en"
    DE = "de"


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The words of one language, in the order of the sheet."""

    title: str
    for_whom: str
    device: str
    address: str
    login: str
    login_note: str
    secret: str
    secret_note: str
    incoming: str
    outgoing: str
    alternative: str
    server: str
    port: str
    security: str
    method: str
    method_value: str
    step_by_step: str
    scan: str
    invitation_title: str
    invitation: str
    link: str
    valid_until: str
    link_note: str
    keep: str


WORDS: Mapping[Language, Words] = {
    Language.EN: Words(
        title="Your mail settings",
        for_whom="For",
        device="Device",
        address="E-mail address",
        login="Login (user name)",
        login_note="It is not the e-mail address. A mail program that fills in the address is wrong: replace it.",
        secret="Secret (password)",  # noqa: S106 - the word
        secret_note="For this one device. Nobody can look it up again; for another device get another one.",  # noqa: S106
        incoming="Incoming mail (IMAP)",
        outgoing="Outgoing mail (SMTP)",
        alternative="Outgoing mail, if port {port} is blocked",
        server="Server",
        port="Port",
        security="Security",
        method="Authentication",
        method_value="normal password",
        step_by_step="Step by step",
        scan="Thunderbird for Android, K-9 Mail: scan this code",
        invitation_title="Your invitation",
        invitation="Open this link. You choose a password for the web console and add your devices there; each gets "
        "its own login.",
        link="Link",
        valid_until="Valid until",
        link_note="It can be used once. Whoever has it can enrol in your name.",
        keep="Keep this page like a key, and destroy it when your device is set up.",
    ),
    Language.DE: Words(
        title="Ihre Mail-Einstellungen",
        for_whom="Für",
        device="Gerät",
        address="E-Mail-Adresse",
        login="Login (Benutzername)",
        login_note="Das ist nicht die E-Mail-Adresse. Trägt ein Mailprogramm die Adresse ein, ist das falsch: bitte "
        "ersetzen.",
        secret="Geheimnis (Passwort)",  # noqa: S106 - the word
        secret_note="Nur für dieses eine Gerät. Niemand kann es nachsehen; für ein anderes Gerät gibt es ein anderes.",  # noqa: S106
        incoming="Posteingang (IMAP)",
        outgoing="Postausgang (SMTP)",
        alternative="Postausgang, falls Port {port} gesperrt ist",
        server="Server",
        port="Port",
        security="Sicherheit",
        method="Authentifizierung",
        method_value="Passwort, normal",
        step_by_step="Schritt für Schritt",
        scan="Thunderbird für Android, K-9 Mail: diesen Code scannen",
        invitation_title="Ihre Einladung",
        invitation="Öffnen Sie diesen Link. Dort wählen Sie ein Passwort für die Web-Konsole und fügen Ihre Geräte "
        "hinzu; jedes bekommt ein eigenes Login.",
        link="Link",
        valid_until="Gültig bis",
        link_note="Er gilt ein einziges Mal. Wer ihn hat, kann sich in Ihrem Namen anmelden.",
        keep="Verwahren Sie diese Seite wie einen Schlüssel und vernichten Sie sie, sobald Ihr Gerät eingerichtet ist.",
    ),
}

"""Messages such as people and programs send, made anew the same for each run: what a scanner must not stop.

`messages(number)` gives as many; each kind of KINDS comes round in turn, with words, names and files of its own.
"""

import io
import random
import zipfile
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid

AUTHOR = "ada@sallyport.test"
_NAMES = (
    "Bob Meier",
    "Carla Schäfer",
    "Dmitri Petrow",
    "Élodie Blanc",
    "Frank O'Hara",
    "Gül Aydemir",
    "Hanne Sørensen",
)
_AGENTS = (
    "Mozilla Thunderbird",
    "Apple Mail (2.3774.600.62)",
    "Microsoft Outlook 16.0",
    "iPhone Mail (21F90)",
    "Evolution 3.46.4-2",
    "mutt/2.2.9",
)
_ENGLISH = (
    "I have attached the minutes of Tuesday's meeting.",
    "Could you have a look at the second chapter before Friday?",
    "The train was late again, so I shall be there at half past ten.",
    "Thank you for the photographs, the children loved them.",
    "We still need two people for the stall on Saturday afternoon.",
    "Please find the figures for the third quarter below.",
    "The plumber comes on Monday between eight and noon.",
    "I am out of the office next week; Frank has the keys.",
)
_GERMAN = (
    "anbei das Protokoll der Sitzung von gestern.",
    "könntest du bitte bis Freitag über den Entwurf schauen?",
    "die Überweisung ist heute rausgegangen, Beleg im Anhang.",
    "wir treffen uns um halb acht am Südtor, bringt Regenjacken mit.",
    "der Termin beim Zahnarzt ist auf Donnerstag verschoben.",
    "vielen Dank für die schöne Feier, es hat uns sehr gefallen.",
    "für die Straßensperrung brauchen wir noch eine Genehmigung.",
    "im Kühlschrank steht noch Käsekuchen, bitte aufessen!",
)


def messages(number: int) -> Iterator[tuple[str, str, bytes]]:
    """The kind, one recipient, and the octets with CRLF."""
    kinds = list(KINDS.items())
    for place in range(number):
        name, write = kinds[place % len(kinds)]
        chance = random.Random(place)  # noqa: S311 - the same each time
        message = EmailMessage(policy=SMTP)
        person = chance.choice(_NAMES)
        recipient = f"recipient{place}@example{place % 7}.org"
        message["From"] = f"Ada Lovelace <{AUTHOR}>"
        message["To"] = f"{person} <{recipient}>"
        message["Date"] = format_datetime(datetime(2026, 11, 20, 8, tzinfo=UTC) + timedelta(minutes=37 * place))
        message["Message-ID"] = make_msgid(domain="sallyport.test")
        write(message, chance)
        yield name, recipient, message.as_bytes()


def _english(message: EmailMessage, chance: random.Random) -> str:
    _titled(message, chance, ("Minutes of the meeting", "Friday", "Re: draft of chapter two", "Keys", "Photographs"))
    return "\n".join(("Hi,", "", *chance.sample(_ENGLISH, 3), "", "Best wishes", "Ada", ""))


def _german(message: EmailMessage, chance: random.Random) -> str:
    _titled(
        message, chance, ("Protokoll der Sitzung", "Grüße aus Görlitz", "Terminänderung", "Fußballturnier", "Entwurf")
    )
    return "\n".join(("Hallo zusammen,", "", *chance.sample(_GERMAN, 3), "", "Viele Grüße", "Ada", ""))


def _titled(message: EmailMessage, chance: random.Random, subjects: tuple[str, ...]) -> None:
    message["Subject"] = chance.choice(subjects)
    message["User-Agent"] = chance.choice(_AGENTS)


def plain_english(message: EmailMessage, chance: random.Random) -> None:
    message.set_content(_english(message, chance))


def plain_german(message: EmailMessage, chance: random.Random) -> None:
    message.set_content(
        _german(message, chance), charset="utf-8", cte=chance.choice(("quoted-printable", "base64", "8bit"))
    )


def latin_one(message: EmailMessage, chance: random.Random) -> None:
    message.set_content(_german(message, chance), charset="iso-8859-1", cte="quoted-printable")


def one_line(message: EmailMessage, chance: random.Random) -> None:
    _titled(message, chance, ("ok", "Re: Freitag", "morgen?", "lunch"))
    message.set_content(chance.choice(("ok, see you there\n", "Ja, passt!\n", "👍\n", "12:30 am Brunnen?\n")))


def reply(message: EmailMessage, chance: random.Random) -> None:
    quoted = "\n".join(f"> {line}" for line in chance.sample(_ENGLISH, 4))
    text = _english(message, chance)
    message.replace_header("Subject", f"Re: {message['Subject']}")
    message["In-Reply-To"] = make_msgid(domain="example.org")
    message["References"] = f"{make_msgid(domain='example.org')} {message['In-Reply-To']}"
    message.set_content(f"{text}\nOn 19 November 2026 at 10:14, Bob Meier wrote:\n{quoted}\n>\n> -- \n> Bob\n")


def with_html(message: EmailMessage, chance: random.Random) -> None:
    text = _german(message, chance)
    message.set_content(text, cte="quoted-printable")
    paragraphs = "".join(f"<p>{line}</p>" for line in text.splitlines() if line)
    message.add_alternative(
        f"<html><head><style>p {{ margin: 0 }}</style></head>"
        f'<body style="font-family: Calibri">{paragraphs}</body></html>',
        subtype="html",
    )


def with_signature_picture(message: EmailMessage, chance: random.Random) -> None:
    message.set_content(_english(message, chance))
    picture = make_msgid(domain="sallyport.test")
    message.add_alternative(
        "<html><body><p>See below.</p><p>Ada Lovelace<br>"
        f'<img src="cid:{picture[1:-1]}" width="80" height="20" alt="logo">'
        '<br><a href="https://www.sallyport.test/">www.sallyport.test</a></p></body></html>',
        subtype="html",
    )
    message.get_payload()[1].add_related(_png(), "image", "png", cid=picture)  # type: ignore[union-attr, index]


def with_pdf(message: EmailMessage, chance: random.Random) -> None:
    message.set_content(_german(message, chance))
    pages = b"%PDF-1.7\n" + chance.randbytes(30_000) + b"\n%%EOF\n"
    message.add_attachment(pages, "application", "pdf", filename=f"Rechnung {chance.randrange(1000)}.pdf")


def with_office_file(message: EmailMessage, chance: random.Random) -> None:
    message.set_content(_english(message, chance))
    message.add_attachment(
        _archive(
            {
                "[Content_Types].xml": b"<Types/>",
                "word/document.xml": b"<document>" + chance.randbytes(5000) + b"</document>",
            }
        ),
        "application",
        "vnd.openxmlformats-officedocument.wordprocessingml.document",
        filename="Minutes.docx",
    )


def with_photographs(message: EmailMessage, chance: random.Random) -> None:
    message.set_content(_german(message, chance))
    for number in range(3):
        picture = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + chance.randbytes(60_000) + b"\xff\xd9"
        message.add_attachment(picture, "image", "jpeg", filename=f"IMG_{4000 + number}.JPG")


def with_zip(message: EmailMessage, chance: random.Random) -> None:
    message.set_content(_english(message, chance))
    files = {"figures.csv": b"a;b\r\n1;2\r\n", "notes.txt": b"nothing much\r\n"}
    message.add_attachment(_archive(files), "application", "zip", filename="figures.zip")


def with_table(message: EmailMessage, chance: random.Random) -> None:
    message.set_content(_english(message, chance))
    rows = "\n".join(f"2026-11-{day:02};{chance.randrange(1000)}" for day in range(1, 29))
    message.add_attachment(rows, subtype="csv", filename="figures.csv")


def forwarded(message: EmailMessage, chance: random.Random) -> None:
    inner = EmailMessage()
    inner["From"], inner["To"], inner["Subject"] = "Bob <bob@example.org>", AUTHOR, "Original"
    inner["Date"] = message["Date"]
    inner.set_content("\n".join(chance.sample(_ENGLISH, 2)) + "\n")
    message.set_content(_english(message, chance))
    message.replace_header("Subject", f"Fwd: {message['Subject']}")
    message.add_attachment(inner)


def invitation(message: EmailMessage, chance: random.Random) -> None:
    _titled(message, chance, ("Einladung: Jahresplanung", "Invitation: design review"))
    message.set_content("Ada Lovelace hat Sie zu einem Termin eingeladen.\n")
    day = chance.randrange(1, 28)
    lines = (
        *(
            "BEGIN:VCALENDAR",
            "PRODID:-//Mozilla.org/NONSGML Mozilla Calendar V1.1//EN",
            "VERSION:2.0",
            "METHOD:REQUEST",
        ),
        *("BEGIN:VEVENT", f"UID:{chance.randrange(10**9)}@sallyport.test", "DTSTAMP:20261120T080000Z"),
        *(
            f"DTSTART:202612{day:02}T090000Z",
            f"DTEND:202612{day:02}T100000Z",
            "SUMMARY:Jahresplanung",
            "LOCATION:Raum 3",
        ),
        *(
            f"ORGANIZER;CN=Ada:mailto:{AUTHOR}",
            "ATTENDEE;RSVP=TRUE:mailto:bob@example.org",
            "END:VEVENT",
            "END:VCALENDAR",
            "",
        ),
    )
    message.add_alternative("\r\n".join(lines), subtype="calendar", params={"method": "REQUEST"})


def newsletter(message: EmailMessage, chance: random.Random) -> None:
    message["Subject"] = f"Vereinsnachrichten {chance.randrange(1, 13)}/2026"
    message["List-Id"] = "Vereinsnachrichten <news.sallyport.test>"
    message["List-Unsubscribe"] = "<https://www.sallyport.test/unsubscribe>, <mailto:leave@sallyport.test>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    text = "\n\n".join(chance.sample(_GERMAN, 6))
    message.set_content(f"Liebe Mitglieder,\n\n{text}\n\nAbmelden: https://www.sallyport.test/unsubscribe\n")
    blocks = "".join(
        f'<h2>Bericht {number}</h2><p>{line}</p><p><a href="https://www.sallyport.test/{number}">mehr lesen</a></p>'
        for number, line in enumerate(chance.sample(_GERMAN, 6))
    )
    message.add_alternative(
        f"<html><body><h1>Vereinsnachrichten</h1>{blocks}"
        '<p><a href="https://www.sallyport.test/unsubscribe">Abmelden</a></p></body></html>',
        subtype="html",
    )


def invoice(message: EmailMessage, chance: random.Random) -> None:
    number = chance.randrange(10_000, 99_999)
    message["Subject"] = f"Rechnung Nr. {number}"
    message["X-Mailer"] = "invoicing 4.2"
    message.set_content(
        "Sehr geehrte Damen und Herren,\n\n"
        f"anbei erhalten Sie die Rechnung Nr. {number} über {chance.randrange(20, 900)},00 EUR.\n"
        "Bitte überweisen Sie den Betrag bis zum 15.12.2026.\n\nMit freundlichen Grüßen\nIhre Buchhaltung\n"
    )
    pages = b"%PDF-1.4\n" + zlib.compress(chance.randbytes(9000)) + b"\n%%EOF\n"
    message.add_attachment(pages, "application", "pdf", filename=f"RE-{number}.pdf")


def alarm(message: EmailMessage, chance: random.Random) -> None:
    message["Subject"] = f"[monitoring] disk on db{chance.randrange(9)} at {chance.randrange(80, 99)} %"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(
        "host: db1\nservice: disk\nstate: WARNING\nsince: 2026-11-20 08:00 UTC\n\nFilesystem /var 87% used\n"
    )


def receipt(message: EmailMessage, chance: random.Random) -> None:
    message["Subject"] = "Gelesen: Protokoll"
    message["Auto-Submitted"] = "auto-replied"
    message.set_content("Ihre Nachricht wurde am 20.11.2026 um 09:14 gelesen.\n")
    message.make_mixed()
    message.set_type("multipart/report")
    message.set_param("report-type", "disposition-notification")


def other_script(message: EmailMessage, chance: random.Random) -> None:
    text = chance.choice(
        (
            "Добрый день! Высылаю отчёт за ноябрь.",
            "お世話になっております。議事録をお送りします。",
            "Καλημέρα, σας στέλνω τα πρακτικά.",
        )
    )
    message["Subject"] = text[:12]
    message["User-Agent"] = _AGENTS[0]
    message.set_content(f"{text}\n\nAda\n", cte="base64")


KINDS: dict[str, Callable[[EmailMessage, random.Random], None]] = {
    made.__name__: made
    for made in (
        *(plain_english, plain_german, latin_one, one_line, reply, with_html, with_signature_picture, with_pdf),
        *(with_office_file, with_photographs, with_zip, with_table, forwarded, invitation, newsletter, invoice),
        *(alarm, receipt, other_script),
    )
}


def _archive(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def _png() -> bytes:
    """80 x 20, white."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + name + data + zlib.crc32(name + data).to_bytes(4)

    header = (80).to_bytes(4) + (20).to_bytes(4) + bytes((8, 0, 0, 0, 0))
    pixels = zlib.compress(b"".join(b"\0" + b"\xff" * 80 for _ in range(20)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")

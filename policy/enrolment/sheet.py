"""One page for each person, to be printed or read aloud: HTML that fetches nothing, and plain text.

Two kinds: a device with its login and secret, or an invitation with its link.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from policy.enrolment.guides import Guide, guides
from policy.enrolment.qr import qr_svg, thunderbird_qr
from policy.enrolment.settings import Device, Endpoint, Servers, one_line
from policy.enrolment.words import WORDS, Language, Words


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: `is_code` for what is typed letter for letter, `is_key` for what matters most."""

    name: str
    value: str = field(repr=False)  # it may be the secret
    note: str = ""
    is_code: bool = False
    is_key: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """A table with its heading."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link that lets a person enrol, and until when, as the person reads it."""

    url: str = field(repr=False)
    address: str
    display_name: str
    valid_until: str


def typed(servers: Servers, device: Device, language: Language = Language.EN) -> tuple[Group, ...]:
    """Everything that a person may have to type into a mail program, in the order in which programs ask."""
    words = WORDS[language]
    return (
        Group("", tuple(_whose(device, words))),
        Group(words.incoming, tuple(_endpoint(servers.incoming, words))),
        Group(words.outgoing, tuple(_endpoint(servers.outgoing, words))),
        Group(
            words.alternative.format(port=servers.submissions_port),
            tuple(_endpoint(servers.outgoing_alternative, words)),
        ),
    )


def sheet_html(servers: Servers, device: Device, language: Language = Language.EN) -> str:
    """The page of one device."""
    words = WORDS[language]
    return _page(
        language,
        words.title,
        typed(servers, device, language),
        qr=qr_svg(thunderbird_qr(servers, device), words.scan),
        qr_caption=words.scan,
        steps=[guide for guide in guides(servers, device, language) if not guide.files],  # they fill one page of A4
    )


def sheet_text(servers: Servers, device: Device, language: Language = Language.EN) -> str:
    """The same for a terminal or a mail, without the code."""
    words = WORDS[language]
    return _text(words.title, typed(servers, device, language), words)


def invitation_html(invitation: Invitation, language: Language = Language.EN) -> str:
    """The page of somebody who has not enrolled yet."""
    words = WORDS[language]
    qr = qr_svg(invitation.url, words.link)
    return _page(language, words.invitation_title, _invited(invitation, words), qr=qr, qr_caption=words.link, steps=())


def invitation_text(invitation: Invitation, language: Language = Language.EN) -> str:
    """The same for a terminal or a mail."""
    words = WORDS[language]
    return _text(words.invitation_title, _invited(invitation, words), words)


def _whose(device: Device, words: Words) -> Iterator[Row]:
    yield Row(words.for_whom, device.name)
    yield Row(words.device, one_line(device.label))
    yield Row(words.address, one_line(device.address), is_code=True)
    yield Row(words.login, device.login, words.login_note, is_code=True, is_key=True)
    yield Row(words.secret, device.secret, words.secret_note, is_code=True, is_key=True)


def _endpoint(endpoint: Endpoint, words: Words) -> Iterator[Row]:
    yield Row(words.server, endpoint.host, is_code=True)
    yield Row(words.port, str(endpoint.port), is_code=True)
    yield Row(words.security, endpoint.security)
    yield Row(words.method, words.method_value)


def _invited(invitation: Invitation, words: Words) -> tuple[Group, ...]:
    rows = (
        Row(words.for_whom, one_line(invitation.display_name) or one_line(invitation.address)),
        Row(words.address, one_line(invitation.address), is_code=True),
        Row(words.link, one_line(invitation.url), words.invitation, is_code=True),
        Row(words.valid_until, one_line(invitation.valid_until), words.link_note),
    )
    return (Group("", rows),)


def _page(
    language: Language,
    title: str,
    groups: Sequence[Group],
    *,
    qr: str,
    qr_caption: str,
    steps: Sequence[Guide],
) -> str:
    return _template().render(
        language=language,
        words=WORDS[language],
        title=title,
        groups=groups,
        qr=Markup(qr),  # noqa: S704 - made by qr.py, which escapes its title
        qr_caption=qr_caption,
        guides=steps,
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("policy.enrolment", ""), autoescape=True, undefined=StrictUndefined, auto_reload=False
    )
    return environment.get_template("sheet.html")


def _text(title: str, groups: Sequence[Group], words: Words) -> str:
    lines = [title, "=" * len(title)]
    for group in groups:
        lines += ["", group.title] if group.title else [""]
        width = max(len(row.name) for row in group.rows) + 2
        for row in group.rows:
            lines.append(f"{row.name:<{width}}{row.value}")
            lines += [f"{'':<{width}}({row.note})"] if row.note else []
    return "\n".join([*lines, "", words.keep, ""])

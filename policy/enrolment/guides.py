"""The usual mail programs, step by step, in the words that they show. For pages and for the printed sheet.

The steps are in guides.en.txt and guides.de.txt: a line `client: title` for each program, then its steps, each after a
hyphen. No step holds the secret: that stands once, in the table of settings.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from policy.enrolment.settings import Device, Servers, one_line
from policy.enrolment.words import Language


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file for a program without a wizard. It reads the secret from elsewhere."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Guide:
    """One mail program; `client` is a name for code that never changes."""

    client: str
    title: str
    steps: tuple[str, ...]
    files: tuple[ConfigFile, ...] = ()


_MSMTPRC = """\
account default
host {host}
port {submissions}
tls on
tls_starttls off
auth plain
user {login}
passwordeval cat ~/.sallyport-secret
from {address}
"""
_MUTTRC = """\
set from = "{quoted_address}"
set use_envelope_from = yes
set folder = "imaps://{login}@{host}:{imaps}/"
set spoolfile = "+INBOX"
set imap_pass = "`cat ~/.sallyport-secret`"
set smtp_url = "smtps://{login}@{host}:{submissions}"
set smtp_pass = "`cat ~/.sallyport-secret`"
set ssl_force_tls = yes
"""
_FILES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "mutt-msmtp": (("~/.msmtprc", _MSMTPRC), ("muttrc", _MUTTRC)),
}


def guides(servers: Servers, device: Device, language: Language = Language.EN) -> tuple[Guide, ...]:
    """One for each program, with this device's values in it."""
    address = one_line(device.address)
    values = {
        "host": servers.hostname,
        "imaps": servers.imaps_port,
        "submissions": servers.submissions_port,
        "login": device.login,
        "address": address,
        # mutt runs what stands in backquotes, and a local part may have them.
        "quoted_address": re.sub(r'([\\"`$])', r"\\\1", address),
    }
    return tuple(
        Guide(
            client,
            title,
            tuple(step.format_map(values) for step in steps),
            tuple(ConfigFile(name, text.format_map(values)) for name, text in _FILES.get(client, ())),
        )
        for client, title, steps in _templates(language)
    )


@cache
def _templates(language: Language) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    text = files("policy.enrolment").joinpath(f"guides.{language}.txt").read_text(encoding="utf-8")
    found = []
    for block in text.strip().split("\n\n"):
        head, *steps = block.splitlines()
        client, _, title = head.partition(": ")
        found.append((client, title, tuple(step.removeprefix("- ") for step in steps)))
    return tuple(found)

"""The settings that a person types, as values: which servers, and whose login on which device."""

import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from policy.contract import canonical_address
from policy.settings import Settings


class Security(StrEnum):
    """How a connection is secured, in the words of most clients."""

    TLS = "SSL/TLS"
    STARTTLS = "STARTTLS"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One server as a client has to be told of it. Its authentication is always a password under TLS."""

    protocol: str  # IMAP or SMTP
    host: str
    port: int
    security: Security


@dataclass(frozen=True, slots=True)
class Servers:
    """What this installation offers, under the names and ports that the world sees."""

    hostname: str
    imaps_port: int
    submission_port: int
    submissions_port: int
    domains: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            hostname=settings.hostname.lower(),
            imaps_port=settings.public_imaps_port,
            submission_port=settings.public_submission_port,
            submissions_port=settings.public_submissions_port,
            domains=tuple(canonical_address(f"@{domain}")[1:] for domain in settings.domains),
        )

    @property
    def incoming(self) -> Endpoint:
        return Endpoint("IMAP", self.hostname, self.imaps_port, Security.TLS)

    @property
    def outgoing(self) -> Endpoint:
        """RFC 8314 section 3.3 prefers implicit TLS."""
        return Endpoint("SMTP", self.hostname, self.submissions_port, Security.TLS)

    @property
    def outgoing_alternative(self) -> Endpoint:
        """For a client that knows nothing better, or a network that lets nothing else out."""
        return Endpoint("SMTP", self.hostname, self.submission_port, Security.STARTTLS)

    def serve(self, address: str) -> bool:
        """Whether an address is of one of our domains; says nothing about whether it is anybody's."""
        _, at, domain = canonical_address(address).rpartition("@")
        return bool(at) and domain in self.domains


@dataclass(frozen=True, slots=True)
class Device:
    """What is shown once: a new credential, and whose it is."""

    login: str
    secret: str = field(repr=False)
    address: str
    display_name: str
    label: str

    @property
    def name(self) -> str:
        """The person's name as From shows it, on one line; the address where there is none."""
        return one_line(self.display_name) or one_line(self.address)


def one_line(text: str) -> str:
    """`text` without what XML and property lists cannot hold: controls, line breaks, surrogates, non-characters."""
    kept = (
        " " if unicodedata.category(letter) in ("Zl", "Zp") or letter in "\t\r\n" else letter
        for letter in text
        if letter in "\t\r\n" or unicodedata.category(letter) not in ("Cc", "Cs", "Cn")
    )
    return " ".join("".join(kept).split())

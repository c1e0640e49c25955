"""Every record of a domain that `sallyport dns` prints, exactly as it is to be published.

TXT is written as strings of at most 255 octets, which receivers put together again (RFC 7208 section 3.3, RFC 6376
section 3.6.2.2).
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from policy.dkim.rotation import Pair, State
from policy.enrolment.dns import Record, is_public
from policy.enrolment.dns import records_of as records_of_clients
from policy.enrolment.settings import Servers
from policy.publishing import mta_sts, spf

FILE = "file"  # the type of what is no record: the policy file of MTA-STS

_STRING_OCTETS = 255
_SMTP_PORT = 25
_OF_STATE = {
    State.ACTIVE: "DKIM, signs",
    State.WAITING: "DKIM, will sign once this is published",
    State.RETIRING: "DKIM, for mail that is still on its way",
}


@dataclass(frozen=True, slots=True)
class Publishing:
    """What the records are made from."""

    servers: Servers
    console_url: str
    mx: tuple[str, ...]  # hosts that take mail for our domains, the first one preferred; empty: not ours to say
    mta_sts: str  # testing, enforce, or empty: none
    pairs: tuple[Pair, ...]  # of keys, those that are to be published
    certificate: bytes = b""  # PEM; empty: not known
    addresses: tuple[str, ...] = ()  # from which mail leaves; empty: those of the host's name

    @property
    def policy_text(self) -> str:
        return mta_sts.policy_text(self.mta_sts, self.mx)


def records_of(domain: str, given: Publishing) -> tuple[Record, ...]:
    """All of one domain. Domains are A-labels."""
    return (*_mail(domain, given), *_dkim(domain, given), *_policies(domain, given), *_clients(domain, given))


def records_of_host(given: Publishing) -> Iterator[Record]:
    """DANE (RFC 6698, RFC 7672): the key of the certificate. It counts only in a zone that is signed (DNSSEC)."""
    if not given.certificate:
        return
    try:
        digest = key_digest(given.certificate)
    except ValueError:  # the doctor says so elsewhere
        return
    ports = {
        given.servers.submissions_port: "outgoing mail, TLS",
        given.servers.submission_port: "outgoing mail, STARTTLS",
        given.servers.imaps_port: "incoming mail, TLS",
    }
    if given.servers.hostname in given.mx:
        ports = {_SMTP_PORT: "mail from others, where that server has the same certificate"} | ports
    for port, why in ports.items():
        name = f"_{port}._tcp.{given.servers.hostname}."
        yield Record(
            name, "TLSA", f"3 1 1 {digest}", f"{why}; the next certificate must have the same key, or two of these"
        )


def key_digest(certificate: bytes) -> str:
    """SHA-256 of the public key of a PEM certificate, as TLSA 3 1 1 has it. ValueError where it is none."""
    key = x509.load_pem_x509_certificate(certificate).public_key()
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def quoted(text: str) -> str:
    """A TXT record's data, in strings."""
    strings = [text[start : start + _STRING_OCTETS] for start in range(0, len(text), _STRING_OCTETS)]
    return " ".join(f'"{one}"' for one in strings)


def spf_text(hostname: str, addresses: Sequence[str]) -> str:
    """The host's name, or the addresses from which mail leaves; nobody else."""
    named = [f"ip6:{one}" if ":" in one else f"ip4:{one}" for one in addresses] or [f"a:{hostname}"]
    return " ".join([spf.VERSION, *named, "-all"])


def dmarc_text(domain: str) -> str:
    """Mail that is not ours is put aside, and reports of it come to the postmaster (RFC 7489)."""
    return f"v=DMARC1; p=quarantine; rua=mailto:postmaster@{domain}"


def tls_reports_text(domain: str) -> str:
    return f"v=TLSRPTv1; rua=mailto:postmaster@{domain}"


def _mail(domain: str, given: Publishing) -> Iterator[Record]:
    for preference, host in enumerate(given.mx, 1):
        yield Record(f"{domain}.", "MX", f"{preference * 10} {host}.", "takes mail for the domain")
    text = spf_text(given.servers.hostname, given.addresses)
    yield Record(f"{domain}.", "TXT", quoted(text), "SPF: who may send")


def _dkim(domain: str, given: Publishing) -> Iterator[Record]:
    for pair in given.pairs:
        if pair.domain == domain:
            for name, text in pair.records:
                yield Record(f"{name}.", "TXT", quoted(text), _OF_STATE[pair.state])


def _policies(domain: str, given: Publishing) -> Iterator[Record]:
    yield Record(f"_dmarc.{domain}.", "TXT", quoted(dmarc_text(domain)), "DMARC")
    if given.mx:
        yield Record(f"_smtp._tls.{domain}.", "TXT", quoted(tls_reports_text(domain)), "reports on TLS (RFC 8460)")
    if text := given.policy_text:
        yield Record(f"_mta-sts.{domain}.", "TXT", quoted(mta_sts.txt_record(text)), "MTA-STS (RFC 8461)")
        if is_public(given.console_url):
            console = given.console_url.partition("://")[2].partition(":")[0]
            yield Record(f"mta-sts.{domain}.", "CNAME", f"{console}.", "the console serves the policy file")
        yield Record(f"https://mta-sts.{domain}{mta_sts.PATH}", FILE, text, "MTA-STS, the policy file")


def _clients(domain: str, given: Publishing) -> Iterator[Record]:
    yield from records_of_clients(domain, given.servers, given.console_url)

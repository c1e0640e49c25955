"""The DNS records that lead mail programs here: SRV (RFC 6186, RFC 8314) and the names of autoconfig and autodiscover.

They are hints for the administrator, printed by `sallyport dns` after what our mail needs itself (policy/publishing);
nothing here speaks DNS.

RFC 6186 section 4 has a client try the whole address as login before it asks for one, and here that is a trap. So the
records help where people enrol in the console first: the network that they do it from is known from then on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from policy.enrolment.settings import Servers
from policy.setting_names import set_as

_TTL_S = 3600
_HTTPS_PORT = 443


@dataclass(frozen=True, slots=True)
class Record:
    """One record, as a zone file has it. Names end with a dot."""

    name: str
    type: str
    data: str
    why: str


def records(servers: Servers, console_url: str) -> tuple[Record, ...]:
    """Those of all our domains."""
    return tuple(record for domain in servers.domains for record in records_of(domain, servers, console_url))


def zone_file(records: tuple[Record, ...], console_url: str) -> str:
    """The same as lines of a zone file, with a comment on what was left out."""
    comment = "" if is_public(console_url) else f"; {_left_out(console_url)}\n"
    return comment + lines(records)


def lines(records: tuple[Record, ...]) -> str:
    """Of a zone file (RFC 1035 section 5)."""
    width = max((len(one.name) for one in records), default=0)
    return "".join(f"{one.name:<{width}} {_TTL_S} IN {one.type:<5} {one.data} ; {one.why}\n" for one in records)


def notes(console_url: str) -> tuple[str, ...]:
    """What must be true besides, for the records to be of use."""
    said = []
    if is_public(console_url):
        said.append("The certificate of the console must hold autoconfig.DOMAIN and autodiscover.DOMAIN.")
    else:
        said.append(f"In these records there is {_left_out(console_url)}.")
    if is_public(console_url) and _port(console_url) != _HTTPS_PORT:
        said.append(
            f"The console is at {console_url}: mail programs ask autoconfig and autodiscover on port 443 only, "
            "so publish it there, too."
        )
    said.append(
        "A mail program may try the e-mail address as login once, which is a trap: let people enrol in the "
        "console before."
    )
    return tuple(said)


def records_of(domain: str, servers: Servers, console_url: str) -> Iterator[Record]:
    """Those of one domain."""
    here = f"{servers.hostname}."
    services = (  # the lower number is tried first: RFC 8314 section 5.1 prefers TLS from the first octet
        ("_submissions", 0, servers.submissions_port, "outgoing mail, TLS"),
        ("_submission", 10, servers.submission_port, "outgoing mail, STARTTLS"),
        ("_imaps", 0, servers.imaps_port, "incoming mail, TLS"),
    )
    for service, priority, port, why in services:
        yield Record(f"{service}._tcp.{domain}.", "SRV", f"{priority} 1 {port} {here}", why)
    for service in ("_imap", "_pop3", "_pop3s"):
        yield Record(f"{service}._tcp.{domain}.", "SRV", "0 0 0 .", "not offered (RFC 6186 section 3.4)")
    if not is_public(console_url):
        return
    console = f"{urlsplit(console_url).hostname}."
    for name, why in (("autoconfig", "Thunderbird, K-9 Mail, FairEmail"), ("autodiscover", "Outlook")):
        if console != f"{name}.{domain}.":
            yield Record(f"{name}.{domain}.", "CNAME", console, why)
    yield Record(
        f"_autodiscover._tcp.{domain}.", "SRV", f"0 1 {_port(console_url)} {console}", "Outlook, by its other way"
    )


def is_public(console_url: str) -> bool:
    """Whether the console has a name that others can know: localhost and addresses are nothing for a CNAME."""
    host = (urlsplit(console_url).hostname or "").removesuffix(".")
    try:
        ip_address(host)
    except ValueError:
        return "." in host and not host.endswith(".localhost")
    return False


def _port(console_url: str) -> int:
    return urlsplit(console_url).port or _HTTPS_PORT


def _left_out(console_url: str) -> str:
    why = f"the console is at {console_url}, which is no public name; set {set_as('CONSOLE_URL')}"
    return f"no autoconfig and autodiscover: {why}"

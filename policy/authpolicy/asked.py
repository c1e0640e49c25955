"""What a body of the API says. Pure, and lenient as weakforced is: what is missing is empty, "false" is no yes."""

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from policy.contract import canonical_login

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_IPV4_BITS = 0xFFFFFFFF
_TEXT_LIMIT = 1000  # letters of a field
_TRUE = ("true", "1", "yes")
# What says that somebody guessed; of the others the secret was right, or nobody looked. 2.3 does not say.
_GUESSES = ("", "credentials", "account")


class Unreadable(Exception):
    """str(self) is for whoever asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Of a login at another server. `login` is canonical; `client_address` is empty where none, or none that is one."""

    login: str
    client_address: str
    pwhash: str = field(repr=False)
    protocol: str
    session: str
    is_success: bool
    is_our_refusal: bool
    fail_type: str
    master_user: str  # who has logged in as `login` with a password of his own; canonical

    @property
    def is_guess(self) -> bool:
        """Whether a secret was wrong: a refusal of ours says nothing about it."""
        return not self.is_success and not self.is_our_refusal and self.fail_type in _GUESSES


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Whom an entry of a list is about: a network (CIDR), a login, or that login from there."""

    network: str = ""
    login: str = ""


def read_body(octets: bytes) -> Mapping[str, object]:
    """The object that a body is; Unreadable where it is none."""
    try:
        said = json.loads(octets)
    except (ValueError, RecursionError):
        raise Unreadable("the body is no JSON") from None
    if not isinstance(said, dict):
        raise Unreadable("the body is no object")
    return said


def asked(said: Mapping[str, object]) -> Asked:
    return Asked(
        login=canonical_login(_text(said, "login")),
        client_address=address(_text(said, "remote")),
        pwhash=_text(said, "pwhash"),
        protocol=_text(said, "protocol"),
        session=_text(said, "session_id"),
        is_success=_truth(said, "success"),
        is_our_refusal=_truth(said, "policy_reject"),
        fail_type=_text(said, "fail_type"),
        master_user=canonical_login(_text(said, "master_user")),
    )


def subject(said: Mapping[str, object]) -> Entry:
    """Whom reset and getDBStats are about: `ip`, `login`, or both."""
    one = Entry(network=address(_text(said, "ip")), login=canonical_login(_text(said, "login")))
    if not one.network and not one.login:
        raise Unreadable("No ip or login field supplied")
    return one


def entry(said: Mapping[str, object]) -> Entry:
    """Whom an entry of a list is about. A `netmask` is a network, and an `ip` the smallest one."""
    given = _text(said, "netmask") or _text(said, "ip")
    try:
        network = str(_network(given)) if given else ""
    except ValueError:
        raise Unreadable("ip is no address, or netmask no network") from None
    one = Entry(network=network, login=canonical_login(_text(said, "login")))
    if not one.network and not one.login:
        raise Unreadable("No ip, netmask or login field supplied")
    if not one.login.isprintable():
        raise Unreadable("login must be a text")
    return one


def terms(said: Mapping[str, object]) -> tuple[float, str]:
    """Seconds until an entry ends, and why it is there; both have to be said."""
    try:
        seconds = int(str(said["expire_secs"]))
    except (KeyError, ValueError):
        raise Unreadable("No expire_secs field supplied, or it is no number") from None
    reason = _text(said, "reason")
    if not 0 < seconds < 2**31 or not reason or not reason.isprintable():
        raise Unreadable("expire_secs must be above 0, and reason a text")
    return float(seconds), reason


def address(given: str) -> str:
    """As everywhere here; an IPv4 address that was mapped into IPv6 is one. Empty for what is none."""
    try:
        found = ipaddress.ip_address(given.strip())
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address):
        return str(found.ipv4_mapped or ipaddress.IPv6Address(int(found)))
    return str(found)


def _network(given: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    found = ipaddress.ip_network(given.strip(), strict=False)
    if isinstance(found, ipaddress.IPv6Network) and found.subnet_of(_MAPPED):
        return ipaddress.IPv4Network((int(found.network_address) & _IPV4_BITS, found.prefixlen - _MAPPED.prefixlen))
    return found


def _text(said: Mapping[str, object], name: str) -> str:
    value = said.get(name, "")
    text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    # JSON can spell half of a letter, which no database holds.
    return text[:_TEXT_LIMIT].encode(errors="replace").decode()


def _truth(said: Mapping[str, object], name: str) -> bool:
    value = said.get(name, False)
    return value.lower() in _TRUE if isinstance(value, str) else value is True or value == 1

"""SPF, RFC 7208, as far as one question goes: may our host send for a domain?

Macros, `exists` and `ptr` are not followed: where only they could let us in, the answer is that nobody knows.
"""

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

Texts = Callable[[str], Sequence[str]]  # the TXT records of a name
Hosts = Callable[[str], Sequence[str]]  # the addresses of a name; of its MX hosts

VERSION = "v=spf1"
_DEPTH = 4


class Spf(StrEnum):
    """What a record says of our addresses."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    UNKNOWN = "unknown"


def records_of(texts: Iterable[str]) -> list[str]:
    """Those that are SPF; there should be one, section 3.2."""
    return [one for one in texts if one.lower() == VERSION or one.lower().startswith(f"{VERSION} ")]


def followed(record: str) -> list[str]:
    """Names whose own records count: include and redirect."""
    found = []
    for term in record.split()[1:]:
        name, separator, value = term.lstrip("+").partition(":")
        if name.lower() == "include" and separator:
            found.append(value)
        elif term.lower().startswith("redirect="):
            found.append(term[len("redirect=") :])
    return [one.rstrip(".").lower() for one in found if "%" not in one]


def hosts_named(record: str, domain: str) -> list[tuple[str, str]]:
    """Mechanism (a or mx) and name of what has to be looked up for it."""
    found = []
    for term in record.split()[1:]:
        mechanism, _, name = term.lstrip("+-~?").partition(":")
        mechanism = mechanism.partition("/")[0].lower()
        if mechanism in ("a", "mx"):
            found.append((mechanism, (name.partition("/")[0] or domain).rstrip(".").lower()))
    return found


def may_send(domain: str, addresses: Sequence[str], texts: Texts, a: Hosts, mx: Hosts, depth: int = _DEPTH) -> Spf:
    """Whether every one of these addresses may send for the domain."""
    records = records_of(texts(domain))
    if len(records) != 1 or not addresses:
        return Spf.UNKNOWN
    said = [_one(records[0], domain, ipaddress.ip_address(one), (texts, a, mx), depth) for one in addresses]
    return next((one for one in (Spf.REFUSED, Spf.UNKNOWN) if one in said), Spf.ALLOWED)


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Lookups = tuple[Texts, Hosts, Hosts]


def _one(record: str, domain: str, address: _Address, lookups: _Lookups, depth: int) -> Spf:
    """The first mechanism that matches decides, section 4.6.2; what cannot be followed might have."""
    is_unsure = False
    for term in record.split()[1:]:
        if "=" in term.partition(":")[0]:
            continue
        does_match = _matches(term.lstrip("+-~?"), domain, address, lookups, depth)
        if does_match and not is_unsure:
            return Spf.REFUSED if term[0] in "-~?" else Spf.ALLOWED
        if does_match:
            return Spf.UNKNOWN
        is_unsure = is_unsure or does_match is None
    return _redirected(record, address, lookups, depth, is_unsure=is_unsure)


def _redirected(record: str, address: _Address, lookups: _Lookups, depth: int, *, is_unsure: bool) -> Spf:
    target = next((term[len("redirect=") :] for term in record.split() if term.lower().startswith("redirect=")), "")
    if not target or is_unsure:
        return Spf.UNKNOWN if is_unsure else Spf.REFUSED
    texts, a, mx = lookups
    return may_send(target.rstrip(".").lower(), [str(address)], texts, a, mx, depth - 1) if depth else Spf.UNKNOWN


def _matches(term: str, domain: str, address: _Address, lookups: _Lookups, depth: int) -> bool | None:
    """None: cannot be told."""
    texts, a, mx = lookups
    head, _, prefix = term.partition("/")
    name, _, value = head.partition(":") if not term.lower().startswith("ip6:") else ("ip6", ":", term[4:])
    match name.lower():
        case "all":
            return True
        case "ip4" | "ip6":
            return _is_in(address, term[4:])
        case "a" | "mx":
            found = (a if name.lower() == "a" else mx)((value or domain).rstrip(".").lower())
            return any(_is_in(address, _network(one, prefix)) for one in found)
        case "include" if depth and "%" not in value:
            said = may_send(value.rstrip(".").lower(), [str(address)], texts, a, mx, depth - 1)
            return None if said is Spf.UNKNOWN else said is Spf.ALLOWED
    return None


def _network(address: str, prefix: str) -> str:
    """`prefix` is as in a/24//64: for IPv4, then for IPv6."""
    four, _, six = prefix.partition("//") if not prefix.startswith("/") else ("", "", prefix[1:])
    length = six if ":" in address else four
    return f"{address}/{length}" if length else address


def _is_in(address: _Address, network: str) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False

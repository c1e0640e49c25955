"""What is an address, pure: one grammar for the envelope (RFC 5321 section 4.1.2) and for header fields (RFC 5322).

Accepted is what every server reads in the same way, and each address in one spelling only, so that no spelling escapes
a rule or a budget. There are no comments, source routes, obsolete forms or white space. Quotes stand only where they
must (`"a b"@example.org`, and not `"a"@example.org`). The operators of old routes, `user%elsewhere@here` and
`elsewhere!user@here`, are refused, quoted or not: Postfix looks for them inside quotes, too (resolve_dequoted_address),
and a recipient here would become one elsewhere. Exim's default configuration refuses them likewise.

With SMTPUTF8 (RFC 6531, RFC 6532) local parts may have letters of any script. No reader may fold them into something
else: what NFKC changes is refused (U+FF20 would become an at sign, U+2163 the letters IV), and so are control, format,
private and unassigned characters and every kind of blank. Domains are ASCII, or valid under IDNA 2008 (RFC 5891) once
in lower case. Nothing is decoded and nothing repaired.
"""

import re
import unicodedata
from enum import Enum

import idna


class Fault(Enum):
    """Why a text is no address that can be passed on."""

    SYNTAX = "syntax"
    ROUTED = "routed"
    NOT_ASCII = "not-ascii"
    NOT_QUALIFIED = "not-qualified"  # RFC 6409 section 4.2


_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]++"
DOT_ATOM = rf"{_ATOM}(?:\.{_ATOM})*"
QUOTED = r'"(?:[ !#-\[\]-~]|\\[ -~])*"'
_ADDRESS = re.compile(rf"(?P<local>{DOT_ATOM}|{QUOTED})@(?P<domain>[^@]+)", re.DOTALL)
_LITERAL = re.compile(r"\[[0-9A-Za-z.:-]+\]")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
# Some libraries decode it, at sign and all, wherever it stands (RFC 2047 section 5 forbids that).
_ENCODED_WORD = re.compile(r"=\?[^?]*\?[^?]*\?[^?]*\?=")
_ROUTE = re.compile(r"[@%!]")
_NEEDLESS_ESCAPE = re.compile(r'\\[^"\\]')
# In octets, RFC 5321 section 4.5.3.1; a path has its angle brackets.
_LOCAL_LIMIT, _DOMAIN_LIMIT, _PATH_LIMIT = 64, 255, 256
# General categories: control, format, surrogate, private use, unassigned, separators.
_NOT_PLAIN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"))


def fault(address: str, *, is_utf8: bool) -> Fault | None:
    """None where `address` is one, fully qualified; is_utf8: characters outside ASCII are allowed."""
    # Before all else: to normalise a long run of combining marks takes time that grows with its square.
    if _octets(address) + len("<>") > _PATH_LIMIT:
        return Fault.SYNTAX
    if not address.isascii():
        if not is_utf8:
            return Fault.NOT_ASCII
        if not is_plain(address) or not _is_folded(address):
            return Fault.SYNTAX
    match = _ADDRESS.fullmatch(address)
    if not match or not _is_local_part(match["local"]):
        return Fault.SYNTAX
    return Fault.ROUTED if _ROUTE.search(match["local"]) else _domain_fault(match["domain"])


def is_plain(text: str) -> bool:
    """Nothing in it but printable ASCII and visible characters that this Unicode knows."""
    return not any(unicodedata.category(character) in _NOT_PLAIN for character in text if character != " ")


def _is_folded(address: str) -> bool:
    """With the brackets that stand around it: `<` and a combining solidus would become one character."""
    path = f"<{address}>"
    return unicodedata.normalize("NFKC", path) == path


def _is_local_part(local: str) -> bool:
    if _octets(local) > _LOCAL_LIMIT or _ENCODED_WORD.search(local):
        return False
    if local.removeprefix('"').startswith("-"):  # an option, to a program that is called with it: Postfix refuses it
        return False
    if not local.startswith('"'):
        return True
    is_needed = local != '""' and not re.fullmatch(DOT_ATOM, local[1:-1])
    return is_needed and not _NEEDLESS_ESCAPE.search(local.replace(r"\\", ""))


def _domain_fault(domain: str) -> Fault | None:
    if _LITERAL.fullmatch(domain):
        return Fault.NOT_QUALIFIED
    wire = domain if domain.isascii() else _in_ascii(domain)
    if _octets(domain) > _DOMAIN_LIMIT or len(wire) > _DOMAIN_LIMIT or not _DOMAIN.fullmatch(wire):
        return Fault.SYNTAX
    labels = wire.split(".")
    if not all(_can_be_decoded(label) for label in labels if label[:4].lower() == "xn--"):
        return Fault.SYNTAX
    # Four numbers are an IP address to some, and no top-level domain is a number (RFC 3696 section 2).
    return Fault.NOT_QUALIFIED if len(labels) == 1 or labels[-1].isdecimal() else None


def _in_ascii(domain: str) -> str:
    """As the DNS is asked for it; empty where not everybody would ask for the same."""
    lower = domain.lower()
    try:
        # Postfix maps with UTS 46: what that maps in another way than to lower case, others may map otherwise, too.
        if idna.uts46_remap(domain, std3_rules=True) != lower:
            return ""
        return idna.encode(lower).decode("ascii")
    except UnicodeError:
        return ""


def _can_be_decoded(label: str) -> bool:
    """An A-label (RFC 5890 section 2.3.2.1) stands for something, and for that alone."""
    encoded = label[4:].lower().encode("ascii")
    try:
        return encoded.decode("punycode").encode("punycode") == encoded
    except UnicodeError:
        return False


def _octets(text: str) -> int:
    return len(text.encode("utf-8", errors="surrogatepass"))

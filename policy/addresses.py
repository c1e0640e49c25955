"""Which addresses somebody can own here, pure: what the administrator gives in, the canonical form out.

The canonical form decides ownership (policy.contract.canonical_address). What has no form that every mail server agrees
on can be nobody's: an address that one server delivers to strasse and another one to straße has two owners or none.

    parsed_owner_address("Ada@Bücher.example")     "ada@xn--bcher-kva.example"
    parsed_owner_address("@example.org")           "@example.org", the whole domain
    parsed_owner_address("groß@example.org")       None
"""

import re
import unicodedata

from policy.contract import canonical_address

# RFC 5321 section 4.1.2 and RFC 6531 without quoted strings, which nobody has and many servers refuse, and without %
# and !, which some servers take for a route.
_ATOM = r"[a-z0-9#$&'*+/=?^_`{|}~\x80-\U0010ffff-]+"
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?=.{{4,253}}\Z){_LABEL}(?:\.{_LABEL})*\.(?![0-9]+\Z){_LABEL}")
_LOCAL_LIMIT = 64  # octets, RFC 5321 section 4.5.3.1.1
# Letters by their category, but nothing to be seen of them (Default_Ignorable_Code_Point).
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")


def parsed_owner_address(given: str) -> str | None:
    """Canonical; None where it is neither local-part@domain.example nor @domain.example, or not to everybody."""
    if len(given) > 2 * _LOCAL_LIMIT + 253:
        return None
    canonical = canonical_address(given)
    local, at, domain = canonical.rpartition("@")
    if not at or not _DOMAIN.fullmatch(domain):
        return None
    return canonical if not local or _is_local_part(local) else None


def _is_local_part(local: str) -> bool:
    if local.startswith("-"):  # Postfix refuses it, as an option to programs
        return False
    if not _LOCAL.fullmatch(local) or len(local.encode(errors="surrogatepass")) > _LOCAL_LIMIT:
        return False
    # Full case folding, as Postfix has it in its tables: it makes ss of sz.
    folded = unicodedata.normalize("NFKC", local.casefold())
    return local.isascii() or (folded == local and _is_visible(local))


def _is_visible(text: str) -> bool:
    """Letters, their marks, and digits, of any script; the rest of ASCII is for the grammar."""
    others = "".join(character for character in text if not character.isascii())
    return not _INVISIBLE.search(others) and all(unicodedata.category(one)[0] in "LMN" for one in others)

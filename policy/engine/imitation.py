"""Whether a display name shows an address that the sender does not own, pure.

Many mail programs show the name and not the address. "ceo@bank.example" <me@ours.example> looks to their readers like
mail from the bank, and no DMARC policy of the bank helps. So whatever reads as an address has to be an own one:

- something before an at sign, and behind it a domain of two labels or more whose last one begins with a letter. A
  name such as `Alice @ Work`, `Team @Home` or `@ada` has no such domain;
- in whatever look-alikes: full-width at signs, other dots and hyphens, characters that nobody sees are all taken for
  what they look like. Who overrides the direction of writing has something to hide;
- with blanks around the at sign, or as `(at)` or `(@)`, it says where somebody is as much as it is an address: then it
  is enough that the identity has an address in that domain (`Alice @ example.com`).

Not looked at: domains without an at sign, and names of people. Nobody could tell them apart from honest ones.
"""

import re
import unicodedata

from policy.contract import Owned, canonical_address

_LIMIT = 2000  # of a name; the gateway sends none that is longer
_LOCAL_LIMIT, _DOMAIN_LIMIT = 64, 253

_OVERRIDES = re.compile("[\u202d\u202e]")
_MARKS_LIMIT = re.compile("([\u0300-\u036f]{4})[\u0300-\u036f]+")
# Look-alikes that NFKC leaves alone; the dots are those of Unicode's confusables.txt.
_LOOK_ALIKES = str.maketrans(
    {
        **dict.fromkeys("\u24d0\u24b6", "@"),
        **dict.fromkeys("\u3002\u00b7\u2022\u2024\u2027\u2219\u22c5\u30fb\uff0e\uff61\uff65\ufe52", "."),
        **dict.fromkeys("\u0660\u06d4\u06f0\u0701\u0702\ua4f8\ua60e\U00010a50\U0001d16d", "."),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u02d7\u1806", "-"),
        **dict.fromkeys("\t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2800\u3000", " "),
        # Seen by nobody, though they are letters, marks or blanks: fillers, selectors, and blanks thinner than one.
        **dict.fromkeys("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\u2006\u2007\u2008\u2009\u200a\u202f\u205f"),
        **dict.fromkeys([*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]),
    }
)
_UNSEEN = frozenset(("Cc", "Cf", "Cn", "Co", "Cs"))
_MAY_BE_AT = re.compile(r"[@(\[{<]")  # in ASCII there is no other
_SPELLED_AT = re.compile(r" ?[(\[{<] ?(?:at|@) ?[)\]}>] ?", re.IGNORECASE)
_SPELLED_DOT = re.compile(r" ?[(\[{<] ?(?:dot|\.) ?[)\]}>] ?", re.IGNORECASE)
_LABEL = r"[^\s()<>\[\]{}\"'`,;:!?/\\|@.]"
_DOMAIN = re.compile(rf" ?(?P<domain>{_LABEL}+(?:\.{_LABEL}+)*\.[^\W\d_]{_LABEL}+)(?P<more>[.@-]*{_LABEL})?")
_LOCAL = re.compile(r"[^\s()<>\[\]{}\",:;\\]*\Z")
_QUOTES = "'`\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u2039\u203a\u00ab\u00bb*_"


def shows_foreign_address(name: str, owned: Owned) -> bool:
    """`name` as a reader is shown it, decoded."""
    if len(name) > _LIMIT or _OVERRIDES.search(name):
        return True
    if name.isascii() and not _MAY_BE_AT.search(name):
        return False
    text = _as_read(name)
    return any(_is_foreign(text, at.start(), owned) for at in re.finditer("@", text))


def _as_read(name: str) -> str:
    """One character for all that look the same, and blanks one at a time."""
    # A long run of combining marks takes time that grows with its square, and shows nothing.
    seen = _MARKS_LIMIT.sub(r"\1", name.translate(_LOOK_ALIKES))
    seen = "".join(one for one in seen if unicodedata.category(one) not in _UNSEEN)
    seen = unicodedata.normalize("NFKC", seen).translate(_LOOK_ALIKES)
    seen = _SPELLED_DOT.sub(".", " ".join(seen.split()))
    return _SPELLED_AT.sub(" @ ", seen)


def _is_foreign(text: str, at: int, owned: Owned) -> bool:
    """Whether an address that is not owned stands around this at sign."""
    before, behind = text[max(0, at - _LOCAL_LIMIT - 1) : at], text[at + 1 : at + _DOMAIN_LIMIT + 3]
    match = _DOMAIN.match(behind)
    if not match or not before.strip() or before[-1] in "([{<":
        return False
    domain = match["domain"]
    if match["more"]:  # it goes on: whatever it is, it is no domain of ours
        return True
    if before[-1] == " " or behind[0] == " ":
        return not _has_domain(owned, domain)
    found = _LOCAL.search(before)
    local = found[0] if found else ""
    return not any(owned.covers(f"{one}@{domain}") for one in (local, local.lstrip(_QUOTES)))


def _has_domain(owned: Owned, domain: str) -> bool:
    ending = canonical_address(f"@{domain}")
    return ending[1:] in owned.domains or any(address.endswith(ending) for address in owned.addresses)

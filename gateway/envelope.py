"""The grammar of MAIL and RCPT, pure: the text after the verb in, its parts out, or the reply that refuses it.

RFC 5321 section 4.1.2 without what nobody sends and attackers like: no source routes, no missing angle brackets. One
blank behind the colon is taken, because scripts and devices write it. What an address is says address.py. A parameter
is taken only where EHLO has offered it; path and values are kept as sent, because they are passed on: nothing is
repaired and nothing parsed twice.

    parse_rcpt("TO:<ada@example.org> NOTIFY=NEVER", offers, is_utf8=False)
        -> RcptCommand(path="ada@example.org", notify="NEVER", original="")
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway import address, replies
from gateway.replies import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """What EHLO has advertised; each only where the next hop keeps the promise."""

    max_message_bytes: int
    eight_bit: bool = True
    utf8: bool
    dsn: bool
    require_tls: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MailCommand:
    """`path` is empty for the null reverse-path. Values are as sent, empty where not given."""

    path: str
    size: int | None = None
    body: str = ""  # 7BIT or 8BITMIME
    is_utf8: bool = False
    ret: str = ""
    envid: str = ""
    require_tls: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RcptCommand:
    """Values are as sent, empty where not given."""

    path: str
    notify: str = ""
    original: str = ""  # ORCPT


@dataclass(frozen=True, slots=True)
class _Parameter:
    """`values` matches all of a value; what takes no value matches the empty one."""

    values: re.Pattern[str]
    is_offered: Callable[[Offers], bool] = lambda _: True
    not_offered: Reply = replies.UNKNOWN_PARAMETER


# xtext of RFC 3461 section 4, and of printable characters only: what it says is shown in notifications.
_XTEXT = r"(?:[!-*,-<>-~]|\+(?:[2-6][0-9A-F]|7[0-9A-E]))"
_EVENT = "(?:SUCCESS|FAILURE|DELAY)"
_NO_VALUE = re.compile("")
# Values have no case (?i), of ASCII alone (?a): or the long s, U+017F, would be the S of SUCCESS.

_OF_MAIL: Mapping[str, _Parameter] = {
    "SIZE": _Parameter(re.compile(r"[0-9]{1,20}")),  # RFC 1870 section 5
    "BODY": _Parameter(re.compile(r"(?ai:7BIT|8BITMIME)"), lambda offers: offers.eight_bit),  # RFC 6152
    # Accepted and not believed, RFC 4954 section 5: as if AUTH=<> had been said.
    "AUTH": _Parameter(re.compile(rf"<>|(?!.*[<>]){_XTEXT}+")),
    "SMTPUTF8": _Parameter(_NO_VALUE, lambda offers: offers.utf8),  # RFC 6531 section 3.4
    "RET": _Parameter(re.compile(r"(?ai:FULL|HDRS)"), lambda offers: offers.dsn),  # RFC 3461 section 4.3
    "ENVID": _Parameter(re.compile(rf"(?=.{{1,100}}\Z){_XTEXT}+"), lambda offers: offers.dsn),  # section 4.4
    "REQUIRETLS": _Parameter(_NO_VALUE, lambda offers: offers.require_tls, replies.REQUIRETLS_NOT_OFFERED),  # RFC 8689
}
_OF_RCPT: Mapping[str, _Parameter] = {
    # RFC 3461 section 4.1: NEVER stands alone, and nothing stands twice.
    "NOTIFY": _Parameter(
        re.compile(rf"(?ai:NEVER|(?!.*({_EVENT}).*\1){_EVENT}(?:,{_EVENT})*)"), lambda offers: offers.dsn
    ),
    "ORCPT": _Parameter(re.compile(r"[A-Za-z0-9-]{1,40};.+"), lambda offers: offers.dsn),  # section 4.2, and below
}

_COMMAND = re.compile(rf"(?P<keyword>[A-Za-z]+): ?<(?P<path>(?:{address.QUOTED}@)?[^<>\"\s]*)>(?P<parameters>(?: .*)?)")
_PARAMETER = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9-]*)(?:=(?P<value>[!-<>-~\x80-\U0010ffff]+))?")
_ORIGINAL = re.compile(rf"[^;]+;{_XTEXT}+")
# RFC 6533 section 3: utf-8-addr-unitext, which needs SMTPUTF8; its pure ASCII form, utf-8-addr-xtext, does not.
_ORIGINAL_UTF8 = re.compile(r"(?ai:utf-8);(?:[!-*,-<>-\[\]-~\x80-\U0010ffff]|\\x\{[0-9A-F]{2,6}\})+")
_EMBEDDED = re.compile(r"\\x\{([0-9A-F]+)\}")
_ORIGINAL_LIMIT = 500  # octets, RFC 3461 section 4.2

_FOR_SENDER = {
    address.Fault.SYNTAX: replies.BAD_SENDER_SYNTAX,
    address.Fault.ROUTED: replies.BAD_SENDER_SYNTAX,
    address.Fault.NOT_ASCII: replies.ADDRESS_NOT_ASCII,
    address.Fault.NOT_QUALIFIED: replies.DOMAIN_NOT_QUALIFIED,
}
_FOR_RECIPIENT = _FOR_SENDER | {
    address.Fault.SYNTAX: replies.BAD_RECIPIENT_SYNTAX,
    address.Fault.ROUTED: replies.ADDRESS_ROUTED,
}


def parse_mail(argument: str, offers: Offers) -> MailCommand | Reply:
    """What follows MAIL and its space."""
    match = _COMMAND.fullmatch(argument)
    if not match or match["keyword"].upper() != "FROM":
        return replies.BAD_SENDER_SYNTAX
    given = _parameters(match["parameters"], _OF_MAIL, offers)
    if isinstance(given, Reply):
        return given
    path, is_utf8 = match["path"], "SMTPUTF8" in given
    # RFC 5321 section 4.5.5: the null reverse-path is for notifications and receipts.
    if path and (fault := address.fault(path, is_utf8=is_utf8)):
        return _FOR_SENDER[fault]
    size = int(given["SIZE"]) if "SIZE" in given else None
    if size is not None and size > offers.max_message_bytes:
        return replies.MESSAGE_TOO_BIG
    return MailCommand(
        path=path,
        size=size,
        body=given.get("BODY", "").upper(),
        is_utf8=is_utf8,
        ret=given.get("RET", ""),
        envid=given.get("ENVID", ""),
        require_tls="REQUIRETLS" in given,
    )


def parse_rcpt(argument: str, offers: Offers, *, is_utf8: bool) -> RcptCommand | Reply:
    """What follows RCPT and its space; is_utf8: MAIL had SMTPUTF8."""
    match = _COMMAND.fullmatch(argument)
    if not match or match["keyword"].upper() != "TO":
        return replies.BAD_RECIPIENT_SYNTAX
    given = _parameters(match["parameters"], _OF_RCPT, offers)
    if isinstance(given, Reply):
        return given
    path, original = match["path"], given.get("ORCPT", "")
    if original and not _is_original(original, is_utf8=is_utf8):
        return replies.BAD_PARAMETER
    # RFC 5321 section 4.5.1: postmaster needs no domain.
    if path.lower() != "postmaster" and (fault := address.fault(path, is_utf8=is_utf8)):
        return _FOR_RECIPIENT[fault]
    return RcptCommand(path=path, notify=given.get("NOTIFY", ""), original=original)


def _parameters(text: str, known: Mapping[str, _Parameter], offers: Offers) -> dict[str, str] | Reply:
    """Names in upper case with their values, each name once."""
    given: dict[str, str] = {}
    for one in filter(None, text.split(" ")):
        match = _PARAMETER.fullmatch(one)
        if not match or (name := match["name"].upper()) in given:
            return replies.BAD_PARAMETER
        parameter = known.get(name)
        if parameter is None:
            return replies.UNKNOWN_PARAMETER
        if not parameter.is_offered(offers):
            return parameter.not_offered
        value = match["value"] or ""
        if not parameter.values.fullmatch(value):
            return replies.BAD_PARAMETER
        given[name] = value
    return given


def _is_original(value: str, *, is_utf8: bool) -> bool:
    """The address that the sender first had, whatever its kind; it need not be one that we would accept."""
    if len(value.encode("utf-8", errors="surrogatepass")) > _ORIGINAL_LIMIT:
        return False
    if not value.lower().startswith("utf-8;"):
        return bool(_ORIGINAL.fullmatch(value))
    if not (is_utf8 or value.isascii()) or not _ORIGINAL_UTF8.fullmatch(value):
        return False
    points = [int(point, 16) for point in _EMBEDDED.findall(value)]
    return (
        all(point <= 0x10FFFF and address.is_plain(chr(point)) for point in points)  # noqa: PLR2004 - Unicode's last
        and address.is_plain(value)
    )

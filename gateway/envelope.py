"""The grammar of MAIL and RCPT, pure: the text after the verb in, a path with its parameters out, or the reply.

RFC 5321 section 4.1.2 without what nobody sends and attackers like: no source routes, no comments, no missing angle
brackets, no space around them. The address is passed on exactly as it was accepted; nothing is repaired and nothing
parsed twice. Addresses are ASCII: SMTPUTF8 is not offered.

    parse("FROM:<ada@example.org> SIZE=1000", "FROM") -> Command("ada@example.org", {"SIZE": "1000"})
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway import replies
from gateway.replies import Reply

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_QUOTED = r'"(?:[ !#-\[\]-~]|\\[ -~])*"'
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_MAILBOX = re.compile(rf"(?P<local>{_ATOM}(?:\.{_ATOM})*|{_QUOTED})@(?P<domain>{_LABEL}(?:\.{_LABEL})*)")
_COMMAND = re.compile(r"(?P<keyword>[A-Za-z]+):<(?P<path>[^<>\s]*|[^<>]*\"[^<>]*)>(?P<parameters>(?: [^ ]+)*) *")
_PARAMETER = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9-]*)(?:=(?P<value>[!-<>-~]+))?")
_LOCAL_LIMIT, _DOMAIN_LIMIT = 64, 255  # RFC 5321 section 4.5.3.1


@dataclass(frozen=True, slots=True)
class Command:
    """`path` is empty for the null reverse-path; parameter names are in upper case, values as sent."""

    path: str
    parameters: Mapping[str, str]


def parse(argument: str, keyword: str) -> Command | Reply:
    """The argument of MAIL (keyword FROM) or RCPT (keyword TO)."""
    bad_syntax = replies.BAD_SENDER_SYNTAX if keyword == "FROM" else replies.BAD_RECIPIENT_SYNTAX
    if not argument.isascii():
        return replies.ADDRESS_NOT_ASCII
    match = _COMMAND.fullmatch(argument)
    if not match or match["keyword"].upper() != keyword:
        return bad_syntax
    parameters = _parameters(match["parameters"])
    if parameters is None:
        return replies.BAD_PARAMETER
    path = match["path"]
    if keyword == "FROM" and not path:
        return Command("", parameters)
    if keyword == "TO" and path.lower() == "postmaster":  # RFC 5321 section 4.5.1
        return Command(path, parameters)
    mailbox = _MAILBOX.fullmatch(path)
    if not mailbox or len(mailbox["local"]) > _LOCAL_LIMIT or len(mailbox["domain"]) > _DOMAIN_LIMIT:
        return bad_syntax
    # RFC 6409 section 4.2: a submission server must not let unqualified domains through.
    if "." not in mailbox["domain"]:
        return replies.DOMAIN_NOT_QUALIFIED
    return Command(path, parameters)


def mail_refusal(command: Command, limit: int) -> Reply | None:
    """What is wrong with the parameters of MAIL; SIZE (RFC 1870), BODY (RFC 6152) and AUTH (RFC 4954) are known."""
    for name, value in command.parameters.items():
        if name == "SIZE":
            if not value.isdecimal() or len(value) > 20:  # noqa: PLR2004 - RFC 1870 section 5: up to 20 digits
                return replies.BAD_PARAMETER
            if int(value) > limit:
                return replies.MESSAGE_TOO_BIG
        elif name == "BODY":
            if value.upper() not in ("7BIT", "8BITMIME"):
                return replies.BAD_PARAMETER
        elif name == "AUTH":
            # Accepted and not believed, RFC 4954 section 5: as if AUTH=<> had been said.
            if not value:
                return replies.BAD_PARAMETER
        else:
            return replies.UNKNOWN_PARAMETER
    return None


def _parameters(text: str) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for one in text.split():
        match = _PARAMETER.fullmatch(one)
        if not match or match["name"].upper() in found:
            return None
        found[match["name"].upper()] = match["value"] or ""
    return found

"""Autodiscover: what Outlook asks for, by a POST of a small XML document, and the answer ("POX", MS-OXDSCLI).

<LoginName> is optional, and without it Outlook takes the part of the address before the @, which is a trap here. It is
filled with words that are nobody's login: Outlook tries them once, is refused, and asks for user name and password.

The question comes from strangers: it is short, is parsed without entities or a DOCTYPE, and only its address and the
schema that it wants are looked at. The answer is the same for every address of our domains.
"""

from dataclasses import dataclass, field
from xml.etree import ElementTree as ET
from xml.parsers import expat

from policy.enrolment.settings import Endpoint, Security, Servers, one_line

MEDIA_TYPE = "text/xml; charset=utf-8"
PATHS = ("/autodiscover/autodiscover.xml", "/Autodiscover/Autodiscover.xml", "/AutoDiscover/AutoDiscover.xml")
MAX_REQUEST_OCTETS = 8192
PLACEHOLDER_LOGIN = "your-login-here"

_REQUEST = "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"
_ANSWER = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
_OUTLOOK = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
_INVALID_REQUEST, _NO_PROVIDER = ("600", "Invalid Request"), ("601", "Provider is not available")
_ENCRYPTION = {Security.TLS: "SSL", Security.STARTTLS: "TLS"}


class RequestRefused(Exception):
    """The question is too long, not XML, or XML with a DOCTYPE."""


@dataclass(slots=True)
class _Question:
    path: list[str] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)


def autodiscover(servers: Servers, body: bytes) -> bytes:
    """The settings, or an error in the words of the schema; RequestRefused for what no client sends."""
    asked = _read(body)
    address = asked.get("EMailAddress", "").strip()
    if "@" not in address:
        return _document(_error(_INVALID_REQUEST))
    if asked.get("AcceptableResponseSchema", _OUTLOOK).strip() != _OUTLOOK or not servers.serve(address):
        return _document(_error(_NO_PROVIDER))
    return _document(_settings(servers, one_line(address)))


def _read(body: bytes) -> dict[str, str]:
    """The texts of the elements of <Request>, by their names without namespace."""
    if len(body) > MAX_REQUEST_OCTETS:
        raise RequestRefused("longer than any client's")
    question = _Question()
    parser = expat.ParserCreate(namespace_separator=" ")

    def open_element(name: str, _attributes: dict[str, str]) -> None:
        question.path.append(name.removeprefix(f"{_REQUEST} "))

    def close_element(_name: str) -> None:
        question.path.pop()

    def add_text(text: str) -> None:
        match question.path:
            case ["Autodiscover", "Request", name]:
                question.texts[name] = question.texts.get(name, "") + text

    parser.StartElementHandler, parser.EndElementHandler = open_element, close_element
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = add_text, _refuse_doctype
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, UnicodeError, LookupError, ValueError):
        raise RequestRefused("not XML") from None
    return question.texts


def _refuse_doctype(*_declared: object) -> None:
    """Entities are declared there; without them there is nothing to expand and nothing to fetch."""
    raise RequestRefused("a DOCTYPE")


def _settings(servers: Servers, address: str) -> ET.Element:
    response = ET.Element("Response", xmlns=_OUTLOOK)
    _add(ET.SubElement(response, "User"), "DisplayName", address)
    account = ET.SubElement(response, "Account")
    _add(account, "AccountType", "email")
    _add(account, "Action", "settings")
    for endpoint in (servers.incoming, servers.outgoing):
        _add_protocol(account, endpoint)
    return response


def _add_protocol(account: ET.Element, endpoint: Endpoint) -> None:
    """Outlook takes the first of a type, so port 587 is not told: <SSL> alone could not say STARTTLS."""
    protocol = ET.SubElement(account, "Protocol")
    values = {
        "Type": endpoint.protocol,
        "Server": endpoint.host,
        "Port": str(endpoint.port),
        "DomainRequired": "off",
        "LoginName": PLACEHOLDER_LOGIN,
        "SPA": "off",
        "SSL": "on",
        "Encryption": _ENCRYPTION[endpoint.security],
        "AuthRequired": "on",
    }
    for name, value in values.items():
        _add(protocol, name, value)
    if endpoint.protocol == "SMTP":
        _add(protocol, "UsePOPAuth", "off")  # log in at the submission server itself
        _add(protocol, "SMTPLast", "off")


def _error(code_and_message: tuple[str, str]) -> ET.Element:
    response = ET.Element("Response")
    error = ET.SubElement(response, "Error")
    code, message = code_and_message
    _add(error, "ErrorCode", code)
    _add(error, "Message", message)
    ET.SubElement(error, "DebugData")
    return response


def _document(response: ET.Element) -> bytes:
    root = ET.Element("Autodiscover", xmlns=_ANSWER)
    root.append(response)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _add(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = text

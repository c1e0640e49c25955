"""`config-v1.1.xml`: what Thunderbird, K-9 Mail, FairEmail, Evolution and KMail ask for when they know an address.

The format is Mozilla's "Autoconfiguration config file format 1.1" (draft-ietf-mailmaint-autoconfig describes it, too).
<username> must be there: Thunderbird and K-9 Mail throw a file without it away, and then guess, with the address as
login. The placeholders that all clients fill in are made of the address, and an address as login is a trap here. What
the format has for a login that only the person knows is an <inputField>: `%USERNAME%` stands for what they type.
Thunderbird reads the field and does not ask yet: it shows `%USERNAME%` where the login belongs, and the person puts
the login there. Tried as it stands it is nobody's login, no address, and no trap.

The answer is the same for every address of our domains, so that it does not tell who exists.
"""

from xml.etree import ElementTree as ET

from policy.enrolment.settings import Endpoint, Security, Servers

MEDIA_TYPE = "text/xml; charset=utf-8"
PATHS = ("/mail/config-v1.1.xml", "/.well-known/autoconfig/mail/config-v1.1.xml")
_LOGIN = "USERNAME"
_SOCKET_TYPES = {Security.TLS: "SSL", Security.STARTTLS: "STARTTLS"}
_LABEL = "Login of this device, for example fosem-4k7q-talir (it is not the e-mail address)"


def autoconfig(servers: Servers, email_address: str = "") -> bytes | None:
    """The file for an address, or for all our domains where none was named; None for a domain that is not ours."""
    if email_address and not servers.serve(email_address):
        return None
    root = ET.Element("clientConfig", version="1.1")
    provider = ET.SubElement(root, "emailProvider", id=servers.domains[0])
    for domain in servers.domains:
        _add(provider, "domain", domain)
    _add(provider, "displayName", servers.hostname[:60])  # the draft allows 60 and 20 characters
    _add(provider, "displayShortName", servers.hostname[:20])
    _add_server(provider, "incomingServer", servers.incoming)
    _add_server(provider, "outgoingServer", servers.outgoing)
    _add_server(provider, "outgoingServer", servers.outgoing_alternative)
    # Mozilla's format has it within <emailProvider>, where Thunderbird reads it; the draft has it one level higher.
    for parent in (provider, root):
        ET.SubElement(parent, "inputField", key=_LOGIN, label=_LABEL)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _add_server(provider: ET.Element, kind: str, endpoint: Endpoint) -> None:
    server = ET.SubElement(provider, kind, type=endpoint.protocol.lower())
    _add(server, "hostname", endpoint.host)
    _add(server, "port", str(endpoint.port))
    _add(server, "socketType", _SOCKET_TYPES[endpoint.security])
    _add(server, "authentication", "password-cleartext")  # PLAIN or LOGIN, under TLS
    _add(server, "username", f"%{_LOGIN}%")


def _add(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = text

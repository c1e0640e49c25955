"""QR codes: the settings for Thunderbird for Android and K-9 Mail, and whatever text a page wants a phone to read.

What is in the code for Thunderbird is the settings themselves, secret included, in the format of its "Scan QR code"
(version 1 of 2025-02-06, which Thunderbird for the desktop writes under "Export for Mobile"). It goes from the screen
or the sheet into the camera: no URL, no network, nothing in a browser's history or a server's log. iPhones know no
such code; for them there is the profile (mobileconfig.py).
"""

import json

import segno

from policy.enrolment.settings import Device, Security, Servers, one_line

_FORMAT_VERSION = 1
_THE_ONLY_CODE = [1, 1]
_IMAP = _SMTP = 0
_CONNECTION_SECURITY = {Security.STARTTLS: 2, Security.TLS: 3}
_PASSWORD_CLEARTEXT = 1  # PLAIN or LOGIN, under TLS


def thunderbird_qr(servers: Servers, device: Device) -> str:
    """The text of the code that Thunderbird for Android and K-9 Mail import."""
    incoming, outgoing = servers.incoming, servers.outgoing
    login = [_PASSWORD_CLEARTEXT, device.login]
    account = [_IMAP, incoming.host, incoming.port, _CONNECTION_SECURITY[incoming.security], *login, "", device.secret]
    server = [_SMTP, outgoing.host, outgoing.port, _CONNECTION_SECURITY[outgoing.security], *login, device.secret]
    identity = [one_line(device.address), device.name]
    everything = [_FORMAT_VERSION, _THE_ONLY_CODE, account, [[server, identity]]]
    return json.dumps(everything, separators=(",", ":"))  # in ASCII, which no camera reads in another character set


def qr_svg(text: str, title: str) -> str:
    """One <svg> element, to stand in a page; it has no style of its own. ValueError for more than a code can hold."""
    return _code(text).svg_inline(
        scale=4, title=one_line(title), svgclass="qr", lineclass=None, omitsize=True, dark="#000", light="#fff"
    )


def _code(text: str) -> segno.QRCode:
    """Level M withstands a crease in the paper; UTF-8, which the readers expect."""
    try:
        return segno.make_qr(text, error="m", encoding="utf-8", boost_error=False)
    except segno.DataOverflowError:
        raise ValueError("too much text for a QR code") from None

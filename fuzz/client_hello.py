"""The ClientHello, for any octets cut at any place:

- a ClientHello, None, or NotClientHello, never another error;
- more octets change nothing once it was read or refused: what a stranger sends is judged once;
- the server name is empty or a host name.
"""

import re

from gateway.client_hello import ClientHello, NotClientHello, parse


def one(octets: bytes) -> None:
    """The octets as they come, once for each way to cut them in two."""
    whole = _judged(octets)
    for cut in range(len(octets)):
        part = _judged(octets[:cut])
        assert part is None or part == whole
    if isinstance(whole, ClientHello):
        assert _judged(octets + b"\x16\x03\x01") == whole
        assert re.fullmatch(r"[a-z0-9.-]{0,253}", whole.server_name)
        assert all(whole.alpn)


def _judged(octets: bytes) -> ClientHello | str | None:
    try:
        return parse(octets)
    except NotClientHello:
        return "refused"

"""Health check of the gateway: speaks SMTP to its own listener and asks its status port; exit 0 or 1.

    python -m gateway.health             silent where all is well; what is wrong, or wants a look, on stderr
    python -m gateway.health --metrics   what the status port says, for containers without curl

A TCP connection alone would be answered by the kernel of a gateway that hangs. A listener behind a proxy cannot be
spoken to without one; then the status port has to do. It comes from an address of the loopback network that nobody has
by chance, by which listener.py knows it and counts it nowhere; to a listener of IPv6 alone it is one connection more.

It runs every few seconds, so it does without what costs half a second of processor time (settings.py) and what costs a
twentieth (urllib, smtplib): the few variables that it needs it reads by itself, and HTTP and SMTP are a line each.
"""

import io
import os
import socket
import sys

PROBE_ADDRESS = "127.0.5.87"  # RFC 1122 section 3.2.1.3: from another host nothing comes with it

_TIMEOUT_S = 5
_MOST_LINE = 1000
_TURNED_AWAY = (421, 554)  # RFC 5321 section 3.1
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - how an address that stands for all is reached
_ALL_IS_WELL = '{"ready": true, "faults": [], "warnings": []}\n'


def main() -> int:
    try:
        if sys.argv[1:] == ["--metrics"]:
            print(_asked("metrics"), end="")
            return 0
        is_ready = _is_ready(_asked("health/ready"))
        listener = _plain_listener()
        return 0 if is_ready and (listener is None or _speaks(*listener)) else 1
    except (OSError, ValueError) as error:
        print(f"gateway does not answer: {type(error).__name__}", file=sys.stderr)
        return 1


def _asked(path: str) -> str:
    host = os.environ.get("GATEWAY_STATUS_BIND", "127.0.0.1")
    host = _ANY.get(host, host)
    where = f"[{host}]" if ":" in host else host
    port = int(os.environ.get("GATEWAY_STATUS_PORT", "7588"))
    with socket.create_connection((host, port), _TIMEOUT_S) as connection, connection.makefile("rb") as answer:
        connection.sendall(f"GET /{path} HTTP/1.0\r\nHost: {where}\r\n\r\n".encode())
        return answer.read().partition(b"\r\n\r\n")[2].decode()


def _is_ready(said: str) -> bool:
    """And what is wrong, or wants a look, is printed."""
    if said == _ALL_IS_WELL:
        return True
    import json  # noqa: PLC0415 - where all is well nobody needs it

    health = json.loads(said)
    for sentence in (*health["faults"], *health["warnings"]):
        print(f"gateway: {sentence}", file=sys.stderr)
    return bool(health["ready"])


def _plain_listener() -> tuple[str, int] | None:
    """Address and port of a listener that greets in clear and is not behind a proxy."""
    given = os.environ.get("GATEWAY_LISTENERS")
    if not given:
        addresses = os.environ.get("GATEWAY_BIND", "127.0.0.1").split(",")
        return _probed(addresses), int(os.environ.get("GATEWAY_SUBMISSION_PORT", "587"))
    import json  # noqa: PLC0415 - as above

    for one in json.loads(given):
        if one["tls"] == "starttls" and not one.get("proxy_from"):
            return _probed(one.get("addresses", ["127.0.0.1"])), one["port"]
    return None


def _probed(addresses: list[str]) -> str:
    """One of IPv4 where there is one."""
    stripped = [one.strip() for one in addresses]
    return next((one for one in stripped if ":" not in one), stripped[0])


def _speaks(host: str, port: int) -> bool:
    """Whether it greets and knows EHLO (RFC 5321 section 4.1.1.1), or turns away, as a gateway that works may."""
    host = _ANY.get(host, host)
    source = None if ":" in host else (PROBE_ADDRESS, 0)
    with socket.create_connection((host, port), _TIMEOUT_S, source) as connection, connection.makefile("rb") as replies:
        if (greeting := _code(replies)) != 220:  # noqa: PLR2004 - RFC 5321 section 4.2
            return greeting in _TURNED_AWAY
        connection.sendall(b"EHLO localhost\r\n")
        is_known = _code(replies) == 250  # noqa: PLR2004 - the same
        connection.sendall(b"QUIT\r\n")
        _code(replies)
        return is_known


def _code(replies: io.BufferedReader) -> int:
    """Of the next reply, which may have several lines: RFC 5321 section 4.2.1."""
    while (line := replies.readline(_MOST_LINE))[3:4] == b"-":
        pass
    if not line:
        raise ConnectionAbortedError
    return int(line[:3])


if __name__ == "__main__":
    sys.exit(main())

"""Health check of the gateway: speaks SMTP to its own listener and asks its status port; exit 0 or 1.

    python -m gateway.health             silent where all is well; what is wrong, or wants a look, on stderr
    python -m gateway.health --metrics   what the status port says, for containers without curl

A TCP connection alone would be answered by the kernel of a gateway that hangs. A listener behind a proxy cannot be
spoken to without one; then the status port has to do. It comes from an address of the loopback network that nobody has
by chance, by which listener.py knows it and counts it nowhere; to a listener of IPv6 alone it is one connection more.

It runs every few seconds, so it reads the few variables that it needs by itself: settings.py would cost half a second
of processor time.
"""

import json
import os
import smtplib
import sys
import urllib.error
import urllib.request

PROBE_ADDRESS = "127.0.5.87"  # RFC 1122 section 3.2.1.3: from another host nothing comes with it

_TIMEOUT_S = 5
_TURNED_AWAY = (421, 554)  # RFC 5321 section 3.1
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - how an address that stands for all is reached


def main() -> int:
    try:
        if sys.argv[1:] == ["--metrics"]:
            print(_asked("metrics"), end="")
            return 0
        said = json.loads(_asked("health/ready"))
        for sentence in (*said["faults"], *said["warnings"]):
            print(f"gateway: {sentence}", file=sys.stderr)
        listener = _plain_listener()
        return 0 if said["ready"] and (listener is None or _speaks(*listener)) else 1
    except (OSError, ValueError, smtplib.SMTPException) as error:
        print(f"gateway does not answer: {type(error).__name__}", file=sys.stderr)
        return 1


def _asked(path: str) -> str:
    host = os.environ.get("GATEWAY_STATUS_BIND", "127.0.0.1")
    host = _ANY.get(host, host)
    where = f"[{host}]" if ":" in host else host
    port = int(os.environ.get("GATEWAY_STATUS_PORT", "7588"))
    try:
        answer = urllib.request.urlopen(f"http://{where}:{port}/{path}", timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as not_ready:
        answer = not_ready
    with answer:
        text: str = answer.read().decode()
        return text


def _plain_listener() -> tuple[str, int] | None:
    """Address and port of a listener that greets in clear and is not behind a proxy."""
    given = os.environ.get("GATEWAY_LISTENERS")
    if not given:
        addresses = os.environ.get("GATEWAY_BIND", "127.0.0.1").split(",")
        return _probed(addresses), int(os.environ.get("GATEWAY_SUBMISSION_PORT", "587"))
    for one in json.loads(given):
        if one["tls"] == "starttls" and not one.get("proxy_from"):
            return _probed(one.get("addresses", ["127.0.0.1"])), one["port"]
    return None


def _probed(addresses: list[str]) -> str:
    """One of IPv4 where there is one."""
    stripped = [one.strip() for one in addresses]
    return next((one for one in stripped if ":" not in one), stripped[0])


def _speaks(host: str, port: int) -> bool:
    try:
        host = _ANY.get(host, host)
        source = None if ":" in host else (PROBE_ADDRESS, 0)
        with smtplib.SMTP(host, port, "localhost", timeout=_TIMEOUT_S, source_address=source) as client:
            code, _ = client.ehlo()
            return code == 250 and client.does_esmtp  # noqa: PLR2004 - RFC 5321 section 4.1.1.1
    except smtplib.SMTPConnectError as turned_away:  # by policy, or by a cap: in any case by a gateway that works
        return turned_away.smtp_code in _TURNED_AWAY


if __name__ == "__main__":
    sys.exit(main())

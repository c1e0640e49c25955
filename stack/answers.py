"""Which services of a plain-process stack do not answer yet: `python stack/answers.py NAME URL [NAME URL ...]`.

Prints the names, one a line, and exits 0 when there is none. It asks once; stack/native.sh repeats it. Standard
library only, because it runs with the machine's own Python.
"""

import http.client
import smtplib
import socket
import ssl
import sys
from collections.abc import Callable, Mapping
from urllib.parse import SplitResult, urlsplit

PATIENCE_S = 5.0
OK = 200
GREETING = 220


def http_answers(url: SplitResult) -> bool:
    connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=PATIENCE_S)
    connection.request("GET", url.path)
    return connection.getresponse().status == OK


def https_answers(url: SplitResult) -> bool:
    context = _whatever_certificate()
    connection = http.client.HTTPSConnection(str(url.hostname), url.port, timeout=PATIENCE_S, context=context)
    connection.request("GET", url.path)
    return connection.getresponse().status == OK


def smtp_answers(url: SplitResult) -> bool:
    with smtplib.SMTP(timeout=PATIENCE_S, local_hostname="localhost") as client:
        return client.connect(str(url.hostname), url.port or 0)[0] == GREETING


def imaps_answers(url: SplitResult) -> bool:
    context = _whatever_certificate()
    with (
        socket.create_connection((str(url.hostname), url.port or 0), timeout=PATIENCE_S) as plain,
        context.wrap_socket(plain) as connection,
    ):
        return connection.recv(64).startswith(b"* OK")


def _whatever_certificate() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False  # the certificate is for clients elsewhere; here only life is asked for
    context.verify_mode = ssl.CERT_NONE
    return context


ASK: Mapping[str, Callable[[SplitResult], bool]] = {
    "http": http_answers,
    "https": https_answers,
    "smtp": smtp_answers,
    "imaps": imaps_answers,
}


def answers(address: str) -> bool:
    url = urlsplit(address)
    try:
        return ASK[url.scheme](url)
    except (OSError, smtplib.SMTPException, http.client.HTTPException):
        return False


def main() -> int:
    pairs = zip(sys.argv[1::2], sys.argv[2::2], strict=True)
    silent = [name for name, address in pairs if not answers(address)]
    print("\n".join(silent))
    return 1 if silent else 0


if __name__ == "__main__":
    sys.exit(main())

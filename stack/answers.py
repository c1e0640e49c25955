"""Which services of a plain-process stack do not answer yet: `python stack/answers.py PROCESS NAME URL [NAME URL ...]`.

Prints the names, one a line, and exits 0 when there is none. It asks once; stack/native.sh repeats it. Standard
library only, because it runs with the machine's own Python.

PROCESS is the supervisord above them. A port on which somebody else listens is no answer, whatever is said there: ours
could not be bound, and the others would show their tokens to a stranger.
"""

import contextlib
import http.client
import smtplib
import socket
import ssl
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

PATIENCE_S = 5.0
OK = 200
GREETING = 220
TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
LISTENING = "0A"


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


def answers(address: str, owned: Collection[int] | None) -> bool:
    """`owned` are the ports on which the stack listens, None where that cannot be known."""
    url = urlsplit(address)
    try:
        return (owned is None or url.port in owned) and ASK[url.scheme](url)
    except (OSError, smtplib.SMTPException, http.client.HTTPException):
        return False


def owned_ports(above: int) -> set[int] | None:
    """The ports on which processes below `above` listen, by the kernel's own tables; elsewhere than on Linux None.

    The root of a container may mostly not look into processes of other users. Of those the sign is their user.
    """
    if not any(table.exists() for table in TABLES):
        return None
    links, users = set[str](), set[str]()
    for process in _below(above):
        try:
            links |= set(_descriptors(process))
        except PermissionError:
            with contextlib.suppress(OSError):  # it has ended
                users.add(str(Path(f"/proc/{process}").stat().st_uid))
    rows = [row for row in _sockets() if row[3] == LISTENING and (f"socket:[{row[9]}]" in links or row[7] in users)]
    return {int(row[1].rpartition(":")[2], 16) for row in rows}


def _sockets() -> Iterator[list[str]]:
    for table in TABLES:
        with contextlib.suppress(OSError):  # a kernel without IPv6
            yield from (line.split() for line in table.read_text().splitlines()[1:])


def _below(above: int) -> set[int]:
    """Processes whose parent is, or whose parent's parent is, and so on."""
    parents = dict[int, int]()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # Behind the name, which may hold anything.
            parents[int(stat.parent.name)] = int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
    found, newest = set[int](), {above}
    while newest:
        newest = {process for process, parent in parents.items() if parent in newest} - found
        found |= newest
    return found


def _descriptors(process: int) -> Iterator[str]:
    for entry in Path(f"/proc/{process}/fd").glob("*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it is closed by now
            yield str(entry.readlink())


def main() -> int:
    owned = owned_ports(int(sys.argv[1]))
    pairs = zip(sys.argv[2::2], sys.argv[3::2], strict=True)
    silent = [name for name, address in pairs if not answers(address, owned)]
    print("\n".join(silent))
    return 1 if silent else 0


if __name__ == "__main__":
    sys.exit(main())

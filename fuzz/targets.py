"""Every harness by the name of its target. One takes any octets, and raises where a promise is broken."""

from collections.abc import Callable, Mapping

from fuzz import chunks, client_hello, delegation, envelope, framing, header, mailboxes, proxy, wire

TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "framing": framing.one,
    "chunks": chunks.one,
    "envelope": envelope.one,
    "header": header.one,
    "mailboxes": mailboxes.one,
    "client_hello": client_hello.one,
    "proxy": proxy.one,
    "delegation": delegation.one,
    "wire": wire.one,
}

"""A world of its own for a Postfix that delivers by MX: a resolver, receivers, policies of MTA-STS over HTTPS, and the
daemon that knows them, with the shipped configuration.

Run as a program in a network and a mount namespace (test_outgoing_tls.py does): it prints, for each receiver's domain,
what Postfix wrote about the delivery.
"""

import json
import re
import smtplib
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent)]

from aiosmtpd.controller import Controller
from answering_dns import AnsweringDns, Table
from harness import Postfix, Process, answers, until

from policy.certificate import new_key, self_signed
from policy.publishing.records import key_digest

T = 1_750_000_000.0
SMTP_PORT, STS_PORT = 25, 8461
STS_ADDRESS = "127.0.2.1"  # where policies are published
_MODES = {"sts.test": "enforce", "sts-tried.test": "testing"}


@dataclass(frozen=True)
class Receiver:
    """One domain. `tlsa`: no record, the right one, or that of another key."""

    domain: str
    tlsa: str = ""
    is_signed: bool = True  # the zone, by DNSSEC
    has_tls: bool = True


RECEIVERS = (
    Receiver("dane.test", tlsa="right"),
    Receiver("forged.test", tlsa="other"),
    Receiver("stripped.test", tlsa="right", has_tls=False),
    Receiver("unproven.test", tlsa="other", is_signed=False),
    Receiver("usual.test"),
    Receiver("clear.test", has_tls=False),
    Receiver("sts.test"),
    Receiver("sts-tried.test"),
)


class Taking:
    """Takes everything."""

    async def handle_DATA(self, *_: Any) -> str:  # noqa: N802 - aiosmtpd's name
        return "250 2.0.0 Ok"


@contextmanager
def receivers(folder: Path) -> Iterator[tuple[Table, tuple[str, ...]]]:
    """All of them, each at an address of its own; and what the DNS says of them."""
    key = new_key()
    (folder / "key.pem").write_bytes(key)
    (folder / "cert.pem").write_bytes(self_signed("mx.test", key, T))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    table: Table = {}
    secure = []
    with ExitStack() as running:
        for number, one in enumerate(RECEIVERS, 1):
            host, address = f"mx.{one.domain}", f"127.0.1.{number}"
            server = Controller(Taking(), address, SMTP_PORT, tls_context=context if one.has_tls else None)
            server.start()
            running.callback(server.stop)
            table |= {(one.domain, "MX"): [f"10 {host}."], (host, "A"): [address]}
            if one.tlsa:
                digest = key_digest((folder / "cert.pem").read_bytes()) if one.tlsa == "right" else "00" * 32
                table[(f"_25._tcp.{host}", "TLSA")] = [f"3 1 1 {digest}"]
            if one.is_signed:
                secure += [one.domain, host, f"_25._tcp.{host}"]
        yield table, tuple(secure)


class Publishing(BaseHTTPRequestHandler):
    """RFC 8461 section 3.3: each domain's policy, under its own name."""

    def do_GET(self) -> None:
        domain = self.headers["Host"].removeprefix("mta-sts.")
        lines = ("version: STSv1", f"mode: {_MODES[domain]}", f"mx: mx.{domain}", "max_age: 86400", "")
        body = "\r\n".join(lines).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def policies(folder: Path, table: Table) -> Iterator[None]:
    """Published by each domain, and known to the daemon that Postfix asks."""
    (folder / "sts-key.pem").write_bytes(new_key())
    command = ["openssl", "req", "-x509", "-key", str(folder / "sts-key.pem"), "-subj", "/CN=mta-sts", "-days", "2"]
    names = ",".join(f"DNS:mta-sts.{domain}" for domain in _MODES)
    subprocess.run([*command, "-addext", f"subjectAltName={names}", "-out", str(folder / "sts.pem")], check=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "sts.pem", folder / "sts-key.pem")
    server = ThreadingHTTPServer((STS_ADDRESS, 443), Publishing)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for domain in _MODES:
        table |= {(f"_mta-sts.{domain}", "TXT"): ['"v=STSv1; id=1;"'], (f"mta-sts.{domain}", "A"): [STS_ADDRESS]}
    shipped = (HERE.parent.parent / "mta-sts" / "mta-sts-daemon.yml").read_text()
    config = folder / "mta-sts-daemon.yml"
    config.write_text(shipped.replace("/var/lib/mta-sts/", f"{folder}/").replace("0.0.0.0", "127.0.0.1"))
    daemon = Process(
        ["mta-sts-daemon", "--config", str(config)], {"SSL_CERT_FILE": str(folder / "sts.pem")}, folder / "mta-sts.log"
    )
    daemon.start()
    try:
        until(lambda: answers(STS_PORT), f"the daemon answers\n{daemon.text()}")
        yield
    finally:
        daemon.stop()
        server.shutdown()


def delivered(folder: Path) -> dict[str, list[str]]:
    """One message to each receiver; the lines about TLS and about the outcome."""
    postfix = Postfix(folder / "postfix", next_hop=1)
    postfix.environment |= {"POSTFIX_NEXTHOP": "", "POSTFIX_MTA_STS": f"127.0.0.1:{STS_PORT}"}
    postfix.start()
    try:
        for one in RECEIVERS:
            with smtplib.SMTP("127.0.0.1", postfix.port) as client:
                client.sendmail("ada@sallyport.test", [f"bob@{one.domain}"], "Subject: x\r\n\r\nx\r\n")
        outcomes = r"to=<bob@{}>,.* status=(?:sent|deferred|bounced)"
        until(
            lambda: all(re.search(outcomes.format(one.domain), postfix.log()) for one in RECEIVERS),
            "each has its outcome",
            deadline_s=60,
        )
    finally:
        postfix.stop()
    lines = postfix.log().splitlines()
    wanted = ("TLS connection established", "status=", "warning")
    return {
        one.domain: [line for line in lines if one.domain in line and any(word in line for word in wanted)]
        for one in RECEIVERS
    }


def main() -> None:
    folder = Path(sys.argv[1])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    (folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    subprocess.run(["mount", "--bind", str(folder / "resolv.conf"), "/etc/resolv.conf"], check=True)
    verifies = sys.argv[2] == "verifies"
    with (
        receivers(folder) as (table, secure),
        AnsweringDns(table, secure if verifies else (), port=53),
        policies(folder, table),
    ):
        print(json.dumps(delivered(folder)))


if __name__ == "__main__":
    main()

"""The console as a process behind a real Chromium, and the whole of Sallyport behind the console.

Chromium is Debian's (apt-get install chromium); Playwright, from PyPI, only drives it. It is told to trust the one key
of the self-signed certificate: with certificate errors that are merely ignored, a browser has no passkeys.
"""

import base64
import contextlib
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "bridges"), *(str(HERE.parent / "unit" / name) for name in ("gateway", "console"))]

from browser_parts import CANARY, Site, browsing
from harness import Postfix, Process, Sallyport, Sink, answers, free_port, until
from issuer_server import CLIENT, CLIENT_SECRET, Issuer
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from queue_stage import TOKEN, QueueStage, staged

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all of these tests: it takes some seconds to come up. Each test brings people of its own."""
    folder = tmp_path_factory.mktemp("site")
    with contextlib.ExitStack() as ends:
        sink = Sink(folder / "sink").start()
        ends.callback(sink.stop)
        issuer = Issuer(folder, "127.0.0.1").start()
        ends.callback(issuer.stop)
        queue = ends.enter_context(staged(folder / "queue", next_hop=sink.smtp_port)) if Postfix.is_possible() else None
        made = _site(folder, sink, issuer, queue)
        ends.callback(made.sallyport.stop)
        ends.callback(made.process.stop)
        made.sallyport.start()
        if queue:
            queue.agent.process.environment["QUEUE_AGENT_POLICY_URL"] = f"http://127.0.0.1:{made.sallyport.policy_port}"
            queue.agent.stop()
            queue.agent.start()
        made.process.start()
        port = int(made.url.rpartition(":")[2])
        until(lambda: answers(port), f"the console answers\n{made.process.text()}", 60)
        yield made


def _site(folder: Path, sink: Sink, issuer: Issuer, queue: QueueStage | None) -> Site:
    port, proxied, token, secret = free_port(), free_port(), folder / "queue.token", folder / "client.secret"
    token.write_text(TOKEN)
    secret.write_text(CLIENT_SECRET)
    (folder / "policy.toml").write_text(f"# {CANARY}\n")
    settings = {
        "POLICY_CONSOLE_PORT": str(port),
        "POLICY_CONSOLE_URL": f"https://localhost:{port}",
        "POLICY_CONSOLE_OIDC_ISSUER": issuer.url,
        "POLICY_CONSOLE_OIDC_NAME": CANARY[:60],
        "POLICY_CONSOLE_OIDC_CLIENT_ID": CLIENT,
        "POLICY_CONSOLE_OIDC_CLIENT_SECRET_FILE": str(secret),
        "POLICY_CONSOLE_OIDC_CA": str(issuer.ca),
        "POLICY_ALERT_RELAY": f"127.0.0.1:{sink.smtp_port}",
        "POLICY_FILE": str(folder / "policy.toml"),
        "POLICY_QUEUE_TOKEN_FILE": str(token),
    }
    settings |= {"POLICY_QUEUE_URL": queue.agent.url} if queue else {}
    hold = {"GATEWAY_HOLD_RELAY": f"127.0.0.1:{queue.postfix.hold_port}"} if queue else {}
    sallyport = Sallyport(folder / "sallyport", queue.postfix.port if queue else sink.smtp_port, settings, hold)
    ports = (sallyport.submission_port, sallyport.submissions_port, proxied)
    listeners = zip(("submission", "submissions", "proxied"), ("starttls", "implicit", "implicit"), ports, strict=True)
    sallyport.gateway.environment["GATEWAY_LISTENERS"] = json.dumps(
        [
            {"name": name, "tls": tls, "port": where, "addresses": ["127.0.0.1"]}
            | ({"proxy_from": ["127.0.0.0/8"]} if name == "proxied" else {})
            for name, tls, where in listeners
        ]
    )
    command, environment = [sys.executable, "-m", "policy.console"], sallyport.policy_environment
    console = Process(command, environment, sallyport.folder / "console.log")
    return Site(sallyport, f"https://localhost:{port}", console, sink, issuer, proxied, queue)


@pytest.fixture(scope="session")
def sink(site: Site) -> Sink:
    """Where the site's mail goes."""
    return site.sink


@pytest.fixture(scope="module")
def chromium(site: Site) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed here (apt-get install chromium)")
    trusted = ",".join(_pin(one) for one in (site.sallyport.folder / "cert.pem", site.issuer.ca))
    options = [f"--ignore-certificate-errors-spki-list={trusted}", "--disable-gpu"]
    if os.geteuid() == 0:
        options.append("--no-sandbox")  # its sandbox refuses root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A browser of somebody new."""
    with browsing(chromium, viewport={"width": 900, "height": 1000}) as made:
        yield made


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def _pin(certificate: Path) -> str:
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    return base64.b64encode(digest).decode()

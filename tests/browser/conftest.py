"""The console as a process behind a real Chromium, beside a gateway and a policy that take what was enrolled.

Chromium is Debian's (apt-get install chromium); Playwright, from PyPI, only drives it. It is told to trust the one key
of the self-signed certificate: with certificate errors that are merely ignored, a browser has no passkeys.
"""

import base64
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser_parts import Site
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from harness import Process, Sallyport, Sink, answers, free_port, until
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[Site]:
    port = free_port()
    url = f"https://localhost:{port}"
    settings = {"POLICY_CONSOLE_PORT": str(port), "POLICY_CONSOLE_URL": url}
    sallyport = Sallyport(tmp_path_factory.mktemp("console"), sink.smtp_port, settings)
    console = Process(
        [sys.executable, "-m", "policy.console"], sallyport.policy_environment, sallyport.folder / "console.log"
    )
    try:
        sallyport.start()
        console.start()
        until(lambda: answers(port), f"the console answers\n{console.text()}", 60)
        yield Site(sallyport, url, console)
    finally:
        console.stop()
        sallyport.stop()


@pytest.fixture(scope="module")
def chromium(site: Site) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed here (apt-get install chromium)")
    trusted = _pin(site.sallyport.folder / "cert.pem")
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
    made = chromium.new_context(locale="en-GB", viewport={"width": 900, "height": 1000})
    made.set_default_timeout(15_000)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A tab whose every complaint about the page is a failure: of the script, and of what the policy forbids."""
    made = context.new_page()
    made.on("pageerror", lambda error: pytest.fail(str(error)))
    made.on("console", lambda message: _no_complaint(message.type, message.text))
    return made


def _pin(certificate: Path) -> str:
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    return base64.b64encode(digest).decode()


def _no_complaint(kind: str, text: str) -> None:
    # A page that is refused (a wrong code) is told as an error, too; it is none of the page's.
    if kind == "error" and "the server responded with a status of 4" not in text:
        pytest.fail(text)

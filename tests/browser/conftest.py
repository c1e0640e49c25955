"""The console as a process behind a real Chromium, and the whole of Sallyport behind the console.

Chromium is Debian's (apt-get install chromium); Playwright, from PyPI, only drives it. It is told to trust the one key
of the self-signed certificate: with certificate errors that are merely ignored, a browser has no passkeys.
"""

import base64
import contextlib
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "bridges"), *(str(HERE.parent / "unit" / name) for name in ("gateway", "console"))]

from browser_parts import Site, browsing
from browser_site import standing
from harness import Sallyport, Sink
from issuer_server import Issuer
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from policy.store.identities import read_key
from tests.a_day import play_a_day

CHROMIUM = shutil.which("chromium")
expect.set_options(timeout=60_000)  # five seconds are short for a page on a busy machine


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all of these tests: it takes some seconds to come up. Each test brings people of its own."""
    folder = tmp_path_factory.mktemp("site")
    with contextlib.ExitStack() as ends:
        sink = Sink(folder / "sink").start()
        ends.callback(sink.stop)
        issuer = Issuer(folder, "127.0.0.1").start()
        ends.callback(issuer.stop)
        yield ends.enter_context(standing(folder, sink, issuer))


@pytest.fixture(scope="session")
def day_before(tmp_path_factory: pytest.TempPathFactory, site: Site) -> Path:
    """The state of a policy that has seen tests/a_day.py, to be copied."""
    if os.environ.get("SALLYPORT_TEST_DATABASE") == "postgresql":
        pytest.skip("the day is copied as a file of SQLite's")
    sallyport = Sallyport(tmp_path_factory.mktemp("day-before") / "sallyport", site.sink.smtp_port)
    sallyport.cli("init")
    state = sallyport.folder / "state"
    with ThreadPoolExecutor(1) as aside:  # the browser's driver has the event loop of this thread
        aside.submit(play_a_day, state / "sallyport.db", read_key(state / "digest.key"), time.time()).result()
    return state


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

"""A picture of each page after a day of a small organisation, in light, in the dark and on a telephone.

The day is tests/a_day.py: a dozen people at work, and one theft. The pictures are in build/screenshots.
"""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from browser_parts import Site
from harness import Process, Sallyport, answers, free_port, until
from page_walk import go, is_part, name_of, pages_of, photograph, things_of
from playwright.sync_api import Browser, expect

from policy.people.roles import Role

STOLEN_FROM = "ada"


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory, site: Site, day_before: Path) -> Iterator[Site]:
    """A console on the store of that day, with the certificate that the browser trusts."""
    port, front = free_port(), site.sallyport.folder
    settings = {
        "POLICY_CONSOLE_PORT": str(port),
        "POLICY_CONSOLE_URL": f"https://localhost:{port}",
        "POLICY_TLS_CERT": str(front / "cert.pem"),
        "POLICY_TLS_KEY": str(front / "key.pem"),
    }
    sallyport = Sallyport(tmp_path_factory.mktemp("day") / "sallyport", site.sink.smtp_port, settings)
    shutil.copytree(day_before, sallyport.folder / "state", dirs_exist_ok=True)
    command, log = [sys.executable, "-m", "policy.console"], sallyport.folder / "console.log"
    console = Process(command, sallyport.policy_environment, log).start()
    try:
        until(lambda: answers(port), f"the console answers\n{console.text()}", 60)
        yield replace(site, sallyport=sallyport, url=f"https://localhost:{port}", process=console)
    finally:
        console.stop()


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMINISTRATOR])
def test_pictures(day: Site, chromium: Browser, role: Role) -> None:
    """The owner's pages as the one sees them whose device was stolen; the others as an administrator does."""
    things, name = things_of(day.engine, STOLEN_FROM), STOLEN_FROM
    if role is Role.ADMINISTRATOR:
        name = "anne"
        day.member(name, role, "Anne Administrator")
    with day.signed_in(chromium, name) as page:
        for path in pages_of(role):
            if not is_part(path) and path.startswith("/staff") is (role is Role.ADMINISTRATOR):
                go(day, page, path, things)
                expect(page.locator("h1")).to_be_visible()
                photograph(page, name_of(path))

"""docs/containment.md, "In the console, step by step", by somebody who knows nothing but that page.

The day before is tests/a_day.py; then a login is stolen, through the gateway, and Postfix holds real mail. Each word in
bold there is pressed or read here, in its order.
"""

import re
import shutil
import smtplib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from browser_parts import Site, browsing, screenshot
from browser_site import standing
from harness import ROOT, Login, Sallyport, until
from playwright.sync_api import Browser, Page, expect
from pocket import six_digits
from sqlalchemy import text
from test_browser_enrolment import PASSWORD, add_device, choose_password, keep_codes
from test_browser_two_administrators import enrol

from policy.people.confirming import FRESH_S
from policy.people.roles import Role

VICTIM, SUBJECT = "violet", "Cheap clocks"
SENDER = f"{VICTIM}@sallyport.test"
STEPS = (ROOT / "docs" / "containment.md").read_text().partition("## In the console, step by step\n")[2]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory, site: Site, day_before: Path) -> Iterator[Site]:
    """A stack of its own, whose store has a day of a small organisation behind it."""
    if not site.queue:
        pytest.skip("needs root and Debian's postfix on this machine")

    def begin(sallyport: Sallyport) -> None:
        shutil.copytree(day_before, sallyport.folder / "state", dirs_exist_ok=True)
        for name in ("cert.pem", "key.pem"):  # what the browser trusts
            shutil.copy(site.sallyport.folder / name, sallyport.folder / name)

    with standing(tmp_path_factory.mktemp("bad-day"), site.sink, site.issuer, begin) as made:
        yield made


class Reader:
    """Whoever has the runbook before him: what is pressed or looked for is in bold there, in the order of the words."""

    def __init__(self, page: Page) -> None:
        self.page, self._rest, self._pictures = page, " ".join(STEPS.partition("\n## ")[0].split()), 0

    def bold(self, words: str) -> str:
        """The next such words of the runbook."""
        before, found, self._rest = self._rest.partition(f"**{words}**")
        assert found, f"the runbook does not say **{words}** after {before[:80]!r}"
        return words

    def press(self, words: str, role: Literal["button", "link"] = "button") -> None:
        self.page.get_by_role(role, name=re.compile("^" + re.escape(self.bold(words)))).first.click()

    def open(self, words: str) -> None:
        """What is folded."""
        self.page.locator("summary", has_text=re.compile("^" + re.escape(self.bold(words)))).first.click()

    def see(self, words: str) -> None:
        expect(self.page.get_by_text(self.bold(words)).first).to_be_visible()

    def picture(self, name: str) -> None:
        self._pictures += 1
        screenshot(self.page, f"bad-day-{self._pictures:02}-{name}")


def test_the_bad_day(day: Site, chromium: Browser, page: Page) -> None:
    """From the first mail to the account that works again; what was held is never delivered."""
    enrol(day, page, VICTIM)
    key = enrol(day, page, "chief")
    day.store.set_role("chief", Role.ADMINISTRATOR, time.time())
    stolen, telephone = day.device(VICTIM, "laptop"), day.device(VICTIM, "telephone")
    heard = day.rob(stolen, SENDER, networks=8, subject=SUBJECT)
    alert = until(lambda: mail_about(day), "an alert by mail")
    number = re.findall(r"incident (\d+)", alert)[0]
    reader = Reader(page)
    come_to_the_incident(day, reader, key, alert)
    contain_it(day, reader, key)
    assert not may_send(day, telephone)
    look_at_it(reader, number)
    came = arrived(day)
    delete_and_revoke(reader, stolen)
    warn_and_give_back(reader)
    assert may_send(day, start_over(day, chromium, reader))
    assert may_send(day, telephone)
    assert not may_send(day, stolen)
    assert arrived(day) == came < heard.count("250")


def come_to_the_incident(day: Site, reader: Reader, key: str, alert: str) -> None:
    """Steps 1 and 2, and once more from the overview."""
    page = reader.page
    reader.bold("The alert")
    (address, number), *_ = re.findall(rf"({day.url}/staff/incidents/(\d+))", alert)
    page.goto(address)
    type_in(page, "Name or address", "chief")
    type_in(page, "Password", PASSWORD)
    reader.press("Go on")
    type_in(page, "Six digits", code(day, key))
    reader.press("Sign in")
    expect(page).to_have_url(address)
    reader.press("Overview", "link")
    reader.see("Open incidents")
    reader.picture("overview")
    page.get_by_role("row", name=VICTIM).get_by_role("link", name=number, exact=True).click()
    reader.picture("incident")


def contain_it(day: Site, reader: Reader, key: str) -> None:
    """Steps 3 to 5; the browser was left open."""
    page = reader.page
    leave_alone(day)
    page.reload()
    reader.press("Confirm that it is you, to change something", "link")
    type_in(page, "Six digits", code(day, key))
    reader.picture("confirm")
    page.get_by_role("button", name="Confirm").click()
    reader.press("What to do next", "link")
    reader.press("Contain the identity")
    reader.see("It is contained")
    reader.picture("contained")
    reader.see("Ask the owner, by telephone")
    reader.press("From where", "link")
    reader.picture("from-where")


def look_at_it(reader: Reader, number: str) -> None:
    """Step 6."""
    page = reader.page
    reader.press("Look at what is on hold", "link")
    reader.picture("held")
    page.get_by_role("row", name=VICTIM).get_by_role("link").first.click()
    reader.press("Show the first lines, too")
    reader.see("First lines")
    expect(page.get_by_text(SUBJECT).first).to_be_visible()
    reader.picture("message")
    reader.see("What is known of it")
    page.get_by_role("link", name=number, exact=True).click()


def delete_and_revoke(reader: Reader, stolen: Login) -> None:
    """Steps 7 and 8."""
    page = reader.page
    reader.bold("It was theft.")
    reader.open("Delete what is on hold")
    reader.picture("purge")
    reader.press("Delete it for good")
    reader.see("Measures")
    reader.bold("under way")
    reader.bold("nothing is left to be done")
    reader.picture("purged")
    reader.press("Logins", "link")
    row = page.get_by_role("row", name=stolen.login)
    expect(row).to_contain_text(reader.bold("yes"))
    row.locator("summary", has_text=reader.bold("Revoke")).click()
    reader.press("Revoke for good")


def warn_and_give_back(reader: Reader) -> None:
    """Steps 9 and 10."""
    page = reader.page
    reader.press("Whom to warn", "link")
    reader.open("The addresses")
    reader.picture("whom-to-warn")
    expect(page.get_by_role("rowheader", name="victim0@victims.example")).to_be_visible()
    expect(page.get_by_text("nothing is left to be done")).to_be_visible(timeout=60_000)
    reader.bold("Give the account back.")
    expect(page.get_by_role("heading", name="Give the account back")).to_be_visible()
    reader.press("What to do next", "link")
    reader.press("Release")
    expect(page.get_by_text("released").first).to_be_visible()
    reader.picture("given-back")


def start_over(day: Site, chromium: Browser, reader: Reader) -> Login:
    """Step 11: the owner, in another browser, comes to a new device."""
    page = reader.page
    page.get_by_role("link", name=VICTIM, exact=True).first.click()
    expect(page.get_by_role("heading", name=reader.bold("Devices"), exact=True)).to_be_visible()
    reader.open("Let the person start over")
    reader.press("Take everything, and make a link")
    reader.picture("start-over")
    link = page.get_by_text(f"{day.url}/invite/").inner_text()
    with browsing(chromium) as context:
        owner = context.new_page()
        choose_password(owner, link)
        owner.get_by_text("I cannot scan it").click()
        type_in(owner, "Six digits", six_digits(owner.locator("#totp-key").inner_text(), time.time()))
        owner.get_by_role("button", name="Confirm").click()
        keep_codes(owner)
        assert reader.bold("Add a device")
        return add_device(owner, "new laptop", "Thunderbird")


def type_in(page: Page, label: str, text: str) -> None:
    page.get_by_label(label).fill(text)


def code(day: Site, key: str) -> str:
    day.forget_codes()
    return six_digits(key, time.time())


def leave_alone(day: Site) -> None:
    """For longer than a second factor is good."""
    with day.sallyport.store() as connection:
        moment = {"then": time.time() - FRESH_S - 1}
        connection.execute(text("UPDATE console_session SET created_at = :then, proven_at = NULL"), moment)


def may_send(day: Site, login: Login) -> bool:
    try:
        day.sallyport.client(login).close()
    except smtplib.SMTPAuthenticationError:
        return False
    return True


def arrived(day: Site) -> int:
    return len([one for one in day.sink.messages() if one["subject"] == SUBJECT])


def mail_about(day: Site) -> str:
    """The first alert, as it is read."""
    for one in day.sink.messages("recipient=postmaster@sallyport.test"):
        if one["subject"].startswith(f"[Sallyport] {VICTIM}: incident"):
            return str(one["subject"]) + day.sink.raw(one["id"]).decode()
    return ""

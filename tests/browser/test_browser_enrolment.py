"""A new person with a real browser: from the link to a message that was sent with the device that came out of it."""

import time

import pytest
from browser_parts import Site, screenshot, virtual_authenticator
from harness import Login, Sink, until
from playwright.sync_api import Page, expect
from pocket import six_digits

from policy.enrolment import Device, Servers
from policy.enrolment.sheet import sheet_html
from policy.enrolment.words import Language

PASSWORD = "seven quiet herons over the mill"


def choose_password(page: Page, link: str) -> None:
    page.goto(link)
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("The same password again").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()


def keep_codes(page: Page) -> None:
    page.get_by_label("I have kept them").check()
    page.get_by_role("button", name="Go on to your devices").click()
    expect(page.get_by_role("heading", name="Your devices")).to_be_visible()


def add_device(page: Page, label: str, kind: str) -> Login:
    page.get_by_role("link", name="Add a device").click()
    page.get_by_label("Name of the device").fill(label)
    page.get_by_label(kind).check()
    page.get_by_role("button", name="Add it").click()
    return Login(page.locator("#login").inner_text(), page.locator("#secret").inner_text())


def send(site: Site, sink: Sink, login: Login, address: str) -> None:
    """At the gateway, as a mail program does."""
    recipient = f"friend-{login.login}@elsewhere.example"
    text = f"From: {address}\r\nTo: {recipient}\r\nSubject: hello\r\n\r\nhello\r\n"
    with site.sallyport.client(login) as client:
        assert client.sendmail(address, [recipient], text) == {}
    until(lambda: sink.messages(f"recipient={recipient}"), "the message in the sink")


def test_with_an_authenticator_application(site: Site, sink: Sink, page: Page) -> None:
    """Every page on the way is looked at; at the end the device sends, and after its removal it does not."""
    link = site.invite("ada", "Ada Lovelace")
    page.goto(link)
    screenshot(page, "01-invitation")
    page.get_by_label("New password").fill("ada@sallyport.test 1")
    page.get_by_label("The same password again").fill("something else entirely")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert")).to_contain_text("not the same")
    screenshot(page, "02-invitation-refused")
    choose_password(page, link)
    page.get_by_text("I cannot scan it").click()
    screenshot(page, "03-second-factor")
    key = page.locator("#totp-key").inner_text()
    page.get_by_label("Six digits").fill("000000")
    page.get_by_label("Name of this application").fill("old phone")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("alert").first).to_contain_text("not right")
    expect(page.get_by_label("Name of this application")).to_have_value("old phone")
    expect(page.locator("#passkey-label")).to_have_value("this device")
    page.get_by_label("Six digits").fill(six_digits(key, time.time()))
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    screenshot(page, "04-recovery-codes")
    keep_codes(page)
    screenshot(page, "05-no-device-yet")
    page.goto(f"{site.url}/devices/new")
    screenshot(page, "06-new-device")
    page.goto(f"{site.url}/devices")
    login = add_device(page, "<b>phone</b>", "Android")
    screenshot(page, "07-device-shown-once")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the profile").click()
    assert login.secret.encode() in download.value.path().read_bytes()
    assert login.secret not in page.url
    send(site, sink, login, "ada@sallyport.test")
    page.goto(f"{site.url}/devices")
    expect(page.get_by_role("heading", name="<b>phone</b>")).to_be_visible()
    assert login.secret not in page.content()
    screenshot(page, "08-devices")
    virtual_authenticator(page)
    page.goto(f"{site.url}/account/factors/new")
    page.locator("#passkey-password").fill(PASSWORD)
    page.get_by_role("button", name="Make a passkey").click()
    expect(page.get_by_text("this device (passkey)")).to_be_visible()
    screenshot(page, "09-account")
    page.goto(f"{site.url}/devices")
    page.get_by_role("button", name="Remove").click()
    screenshot(page, "10-remove-device")
    page.get_by_role("button", name="Yes, remove it").click()
    expect(page.get_by_text("There is none yet.")).to_be_visible()


def test_with_a_passkey(site: Site, sink: Sink, page: Page) -> None:
    """Enrols, signs out and in again without typing a code, adds a device and sends."""
    virtual_authenticator(page)
    choose_password(page, site.invite("grace", "Grace Hopper"))
    page.get_by_role("button", name="Make a passkey").click()
    keep_codes(page)
    page.get_by_role("button", name="Sign out").click()
    screenshot(page, "11-sign-in")
    page.get_by_label("Name or address").fill("grace@sallyport.test")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    screenshot(page, "12-second-factor-at-sign-in")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="Your devices")).to_be_visible()
    login = add_device(page, "laptop", "Thunderbird")
    send(site, sink, login, "grace@sallyport.test")


def test_a_double_click_is_one_click(site: Site, page: Page) -> None:
    """What is shown once is in the answer to the first: of the second's somebody would have nothing."""
    twice, sent = "(button) => { button.click(); setTimeout(() => button.click(), 20); }", list[str]()
    choose_password(page, site.invite("dora", "Dora Double"))
    page.get_by_text("I cannot scan it").click()
    key = page.locator("#totp-key").inner_text()
    page.get_by_label("Six digits").fill(six_digits(key, time.time()))
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.get_by_role("button", name="Confirm").evaluate(twice)
    keep_codes(page)
    page.get_by_role("link", name="Add a device").click()
    page.get_by_label("Name of the device").fill("phone")
    page.get_by_label("Something else").check()
    page.get_by_role("button", name="Add it").evaluate(twice)
    expect(page.locator("#secret")).to_be_visible()
    assert [one.rpartition("/")[2] for one in sent] == ["code", "new"]


def test_in_german_and_in_the_dark_on_a_phone(site: Site, page: Page) -> None:
    """The words follow the browser, the colours its user, and nothing is wider than a small screen."""
    browser = page.context.browser
    assert browser
    phone = browser.new_context(locale="de-DE", color_scheme="dark", viewport={"width": 360, "height": 740})
    shown = phone.new_page()
    shown.goto(site.invite("konrad", "Konrad Zuse"))
    expect(shown.get_by_role("heading", name="Willkommen")).to_be_visible()
    assert shown.evaluate("document.documentElement.scrollWidth") <= 360
    screenshot(shown, "13-invitation-german-dark-phone")
    phone.close()


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize(("media", "width"), [("screen", 1000), ("screen", 390), ("print", 680)])
def test_a_sheet_can_be_copied_letter_by_letter(page: Page, media: str, width: int, language: Language) -> None:
    """Nothing is wider than the screen or the paper, and no name and no secret goes on in the next line."""
    servers = Servers("mail.department.sallyport.test", 993, 587, 465, ("sallyport.test",))
    device = Device("fosem-4k7q-talir", "abcdef-ghjkmn-pqrstu-vwxyz2-345", "ada@sallyport.test", "Ada", "Laptop")
    page.emulate_media(media="print" if media == "print" else "screen")
    page.set_viewport_size({"width": width, "height": 900})
    page.set_content(sheet_html(servers, device, language))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    lines = "[...document.querySelectorAll('code')].map((code) => [code.textContent, code.getClientRects().length])"
    assert page.evaluate(lines) == [[text, 1] for text, _ in page.evaluate(lines)]
    screenshot(page, f"14-sheet-{language}-{media}-{width}")

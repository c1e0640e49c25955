"""What no page of ours puts into an address or a form, and a database may not even take."""

import pytest
from console_app import Console
from staff_parts import staff

from policy.people.roles import Role
from policy.single_sign_on.errand import Errand, proofs_of

ADDRESSES = [
    "/staff/identities/%00",
    "/staff/identities?search=%00",
    "/staff/held/4abc%00",
    "/staff/held?after=%00",
    "/staff/decisions/x%00",
    "/sending?before=%00",
]


@pytest.mark.parametrize("path", ADDRESSES)
async def test_an_address_with_a_nul(console: Console, path: str) -> None:
    """PostgreSQL takes no such text: it would be an error of ours."""
    async with staff(console, "root", Role.ADMINISTRATOR) as root:
        assert (await root.get(path)).status_code == 400


async def test_a_form_with_a_nul(console: Console) -> None:
    async with staff(console, "root", Role.ADMINISTRATOR) as root:
        await root.get("/held")
        assert (await root.post("/held/look", message="4abc\0")).status_code == 400


async def test_the_token_of_a_form_is_no_state(console: Console) -> None:
    """Whoever makes the cookies of his own browser up is told a token that is derived from them."""
    errand = Errand(secret="made up", begun_at=console.now, session=7, back="/account").written()
    async with console.browser() as browser:
        for name, value in (("browser", "s"), ("session", errand)):
            browser.client.cookies.set(f"__Host-sallyport-{name}", value, domain="mail.example.org", path="/")
        await browser.get("/sign-in/factor")
        token = browser.token
    proofs = proofs_of(errand, console.parts.form_key)
    assert len(token) == len(proofs.state)
    assert token not in {proofs.state, proofs.nonce, proofs.verifier}

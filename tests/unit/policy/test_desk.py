"""The desk as the console opens it: with the settings, the shipped list and a cost that was measured."""

import hashlib
import json
import time
from pathlib import Path

import pytest
from aiohttp import web
from people_desk import PASSWORD, T, invite
from sqlalchemy import Engine

from policy.people.desk import COST_FILE, open_desk
from policy.people.errors import PasswordRefused, Text
from policy.people.hashing import LEAST_PASSES, MEMORY_KIB
from policy.settings import Settings
from policy.store.identities import IdentityStore


@pytest.fixture
def state_dir(tmp_path: Path, key: bytes) -> Path:
    """With a digest key, as `sallyport init` makes it."""
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "digest.key").write_text(key.hex())
    return folder


async def test_it_opens(state_dir: Path, engine: Engine, key: bytes, store: IdentityStore) -> None:
    """And takes a password at the cost of the machine; the site is that of the settings."""
    settings = Settings(state_dir=state_dir, hostname="mail.example.org", console_url="https://console.example.org")
    desk = open_desk(settings, engine, time.perf_counter)
    made = invite(engine, key, store)
    ticket = await desk.invitations.choose_password(made.token, PASSWORD, T)
    options = json.loads(desk.invitations.passkey_options(made.token, ticket, T))
    assert options["rp"] == {"id": "console.example.org", "name": "mail.example.org"}
    cost = json.loads((state_dir / COST_FILE).read_text())
    assert cost["memory_kib"] == MEMORY_KIB
    assert cost["passes"] >= LEAST_PASSES
    await desk.close()


async def test_it_asks_the_server_of_the_settings(
    state_dir: Path, engine: Engine, key: bytes, store: IdentityStore
) -> None:
    """A password that only the server knows is refused."""
    digest = hashlib.sha1(PASSWORD.encode()).hexdigest().upper()  # noqa: S324 - the server's format

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=f"{digest[5:]}:3")

    app = web.Application()
    app.router.add_get(f"/range/{digest[:5]}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/range"
    (state_dir / COST_FILE).write_text('{"memory_kib": 64, "passes": 1}')
    desk = open_desk(Settings(state_dir=state_dir, hibp_url=url), engine, time.perf_counter)
    made = invite(engine, key, store)
    with pytest.raises(PasswordRefused) as refused:
        await desk.invitations.choose_password(made.token, PASSWORD, T)
    assert refused.value.template is Text.KNOWN
    assert await desk.invitations.choose_password(made.token, f"{PASSWORD}!", T)
    await desk.close()
    await runner.cleanup()


def test_every_sentence_can_be_said() -> None:
    """With the values that its error brings, and no others."""
    values = {"length": 3, "least": 15, "most": 256, "minutes": 5}
    for text in Text:
        assert text.format(**values).endswith((".", "?", "'phone'."))
        assert text.format(**values).isprintable()

"""A secret of somebody here in a message: refused, and nowhere written down. On both databases."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import Engine, text

from policy.brain import Brain
from policy.contract import Action, MessageFacts, Reason
from policy.engine.rulebook import Rulebook
from policy.rulebook import shipped
from policy.store.identities import IdentityStore, NewCredential

T = 1_000_000.0
NOBODYS = "abc234def567ghj89kmnpqrstuv"


@pytest.fixture
def rulebook() -> Rulebook:
    """The shipped policy."""
    return shipped()


def facts(credential: int, *secrets: str) -> MessageFacts:
    return MessageFacts(
        submission="m1",
        session="s1",
        listener="submission",
        client_address="192.0.2.7",
        client_name="laptop",
        credential=credential,
        reverse_path="ada@example.org",
        recipients=("bob@example.net",),
        authors=("ada@example.org",),
        senders=(),
        names=(),
        message_bytes=1000,
        secrets=secrets,
    )


def bare(made: NewCredential) -> str:
    return made.secret.replace("-", "")


async def judged(brain: Brain, *secrets: str, credential: int = 1) -> tuple[Action, Reason | None]:
    verdict = await replace(brain, clock=lambda: T).judge(facts(credential, *secrets))
    return verdict.action, verdict.reason


GIVEN_AWAY = (Action.REJECT, Reason.SECRET_IN_MESSAGE)


async def test_ones_own_secret_is_refused(brain: Brain, ada: NewCredential) -> None:
    """Among others that only look like one."""
    assert await judged(brain, NOBODYS, bare(ada)) == GIVEN_AWAY


async def test_somebody_elses_is_refused_too(brain: Brain, store: IdentityStore, ada: NewCredential) -> None:
    """Who mails it around has taken it, or was given what he should not have."""
    store.add_identity("bob", [], T)
    assert await judged(brain, bare(store.add_credential("bob", "phone", T))) == GIVEN_AWAY


async def test_what_only_looks_like_one_goes(brain: Brain, ada: NewCredential) -> None:
    assert (await judged(brain, *[NOBODYS[number:] + NOBODYS[:number] for number in range(20)]))[1] is None


async def test_one_that_was_revoked_goes(brain: Brain, store: IdentityStore, ada: NewCredential) -> None:
    """Nobody can do anything with it."""
    store.add_credential("ada", "phone", T)
    store.revoke(ada.login, T)
    assert (await judged(brain, bare(ada), credential=2))[1] is None


async def test_nothing_of_it_is_written_down(
    brain: Brain, ada: NewCredential, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither in the record, nor in the log; nor is it shown with the facts."""
    await judged(brain, bare(ada), NOBODYS)
    with engine.connect() as connection:
        rows = [dict(row._mapping) for row in connection.execute(text("SELECT * FROM submission"))]
    assert rows
    said = json.dumps(rows, default=str) + "".join(capsys.readouterr()) + repr(facts(1, NOBODYS))
    assert bare(ada) not in said
    assert NOBODYS not in said

"""Two versions beside each other: what may change within a contract, and what becomes of a question by another one."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs
from test_policy_app import GATEWAY, QUEUE, spent

from policy import contract, queue_contract
from policy.app import App, Tokens
from policy.brain import Brain
from policy.contract import CONTRACT, SPOKEN
from policy.gateway_line import _FORM
from policy.store.identities import IdentityStore, NewCredential
from service.shared_token import SharedToken

# What the gateway and the models of the version before have written: its questions as octets, its answers, its schemas.
BEFORE: dict[str, Any] = json.loads((Path(__file__).parents[2] / "previous" / f"contract-{CONTRACT}.json").read_text())


def model(name: str) -> type[BaseModel]:
    found: type[BaseModel] = getattr(contract, name, None) or getattr(queue_contract, name)
    return found


def bare(schema: Any) -> Any:
    """Without what people read."""
    if isinstance(schema, dict):
        return {
            name: bare(one)
            for name, one in schema.items()
            if name not in ("description", "title") or not isinstance(one, str)
        }
    return [bare(one) for one in schema] if isinstance(schema, list) else schema


def required(schema: dict[str, Any]) -> set[str]:
    return set(schema.get("required", ()))


@pytest.mark.parametrize("name", sorted(BEFORE["written"]))
def test_what_policy_writes_stays_as_it_is_within_a_contract(name: str) -> None:
    """Who reads it may be older, and refuses what it does not know: another answer is another contract."""
    assert bare(model(name).model_json_schema()) == BEFORE["written"][name]


@pytest.mark.parametrize("name", sorted(BEFORE["read"]))
def test_what_policy_reads_may_only_get_members_that_can_be_left_out(name: str) -> None:
    """Policy is updated before all others, so it has to understand what they have written before."""
    before, now = BEFORE["read"][name], bare(model(name).model_json_schema())
    assert required(now) <= required(before)
    for one in before["properties"]:
        assert now["properties"][one] == before["properties"][one]
    for one, is_before in before.get("$defs", {}).items():
        is_now = now["$defs"][one]
        assert required(is_now) <= required(is_before)
        assert set(is_before.get("enum", ())) <= set(is_now.get("enum", ()))
        assert is_before.get("properties", {}).items() <= is_now.get("properties", {}).items()


@pytest.mark.parametrize("name", sorted(BEFORE["said"]))
def test_answers_of_the_version_before_are_understood(name: str) -> None:
    assert json.loads(model(name).model_validate_json(BEFORE["said"][name]).model_dump_json()) == json.loads(
        BEFORE["said"][name]
    )


@pytest.fixture
async def asker(brain: Brain) -> AsyncIterator[httpx.AsyncClient]:
    app = App(brain, Tokens(gateway=SharedToken(GATEWAY), dovecot=SharedToken(), queue=SharedToken(QUEUE)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://policy") as client:
        yield client


def parts(line: str) -> tuple[str, bytes]:
    head, body = line.split("\r\n\r\n", 1)
    return head.split(" ")[1], body.encode()


async def test_the_gateway_of_the_version_before_is_answered(
    asker: httpx.AsyncClient, ada: NewCredential, store: IdentityStore, brain: Brain
) -> None:
    """Every question that it asks, octet by octet, and by the short way (gateway_line.py)."""
    assert store.credential(ada.login)
    statuses = {}
    for line in BEFORE["lines"]:
        path, body = parts(line.replace("LOGIN", ada.login).replace("postmaster@", "ada@"))
        assert _FORM.match(line.encode())
        answer = await asker.post(path, content=body, headers={"Authorization": f"Bearer {GATEWAY}"})
        statuses[path] = answer.status_code
        if path == "/v1/message":
            assert answer.json()["action"] == "accept"
    expected = {"/v1/connect": 200, "/v1/login": 200, "/v1/message": 200, "/v1/revocations": 200, "/v1/outcomes": 204}
    assert statuses == expected


@pytest.fixture
def events() -> Iterator[list[Any]]:
    with capture_logs() as logs:
        yield logs


@pytest.mark.parametrize("path", ["/v2/message", "/v0/login", "/v999/dovecot/mailbox", "/v2/deliveries", "/v2/hold"])
async def test_another_contract_is_refused_and_nothing_decided(
    path: str, asker: httpx.AsyncClient, brain: Brain, ada: NewCredential, events: list[Any]
) -> None:
    """Not 404: Dovecot would say that there is no such mailbox, and the mail would bounce."""
    body = next(body for one, body in map(parts, BEFORE["lines"]) if one == "/v1/message")
    for _ in range(3):
        answer = await asker.post(path, content=body, headers={"Authorization": f"Bearer {GATEWAY}"})
        assert (answer.status_code, answer.json()) == (501, {"error": "contract", "spoken": [1]})
    assert spent(brain) == [0, 0]
    asked = int(path.split("/")[1][1:])
    assert [one for one in events if one["event"] == "contract-refused"] == [
        {"event": "contract-refused", "log_level": "error", "asked": asked, "spoken": SPOKEN[-1]}
    ]


def test_the_newest_contract_is_spoken() -> None:
    assert SPOKEN[-1] == CONTRACT
    assert contract.contract_of("/v1/message") == 1
    assert [contract.contract_of(path) for path in ("/health/ready", "/vx/message", "/v1", "/api/v1/x")] == [None] * 4

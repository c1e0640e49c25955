"""Whole SASL exchanges on a real store: who is granted what, and that a stranger cannot tell the refusals apart."""

import asyncio
import hmac
import re
from collections.abc import Awaitable, Callable

import pytest
from scram_client import ScramClient
from sqlalchemy import Engine, func, select

from policy.brain import Brain
from policy.contract import Grants, LoginAnswer, LoginStep, Owned
from policy.store.database import Location
from policy.store.directory import Directory
from policy.store.handles import Scope
from policy.store.identities import IdentityStore, NewCredential
from policy.store.models import Areas
from policy.store.reader import Row, Values, open_reader
from policy.store.rows import Terms
from policy.store.statements import Prepared

T = 1_000_000.0  # any moment
END_POINT = {"tls-server-end-point": b"\x01" * 32}
FINGERPRINT = "ab" * 32

Ask = Callable[..., Awaitable[LoginAnswer]]


async def asked(brain: Brain, mechanism: str, *responses: bytes, **facts: object) -> LoginAnswer:
    """What policy answers to one step."""
    usual = {"session": "s1", "exchange": "e1", "client_address": "192.0.2.1", "listener": "submission"}
    return await brain.login(LoginStep.model_validate(usual | {"mechanism": mechanism, "responses": responses} | facts))


async def scram(brain: Brain, login: str, secret: str, **facts: object) -> LoginAnswer:
    """A whole exchange of SCRAM, to the answer that is no challenge."""
    client = ScramClient(login, secret)
    challenge = await asked(brain, "SCRAM-SHA-256", client.first(), **facts)
    if challenge.outcome != "challenge":
        return challenge
    final = client.final(challenge.challenge)
    verifier = await asked(brain, "SCRAM-SHA-256", client.first(), final, **facts)
    if verifier.outcome != "challenge":
        return verifier
    assert client.believes(verifier.challenge)
    return await asked(brain, "SCRAM-SHA-256", client.first(), final, b"", **facts)


async def plain(brain: Brain, login: str, secret: str, **facts: object) -> LoginAnswer:
    """The same for PLAIN."""
    return await asked(brain, "PLAIN", f"\0{login}\0{secret}".encode(), **facts)


def grants_of(login: str, credential: int) -> Grants:
    """What a credential of ada's is granted."""
    owned = Owned(addresses=frozenset({"ada@example.org"}))
    return Grants(
        credential=credential, login=login, identity="ada", owned=owned, recipients_per_message=50, sessions=5
    )


async def test_scram(brain: Brain, ada: NewCredential) -> None:
    """The secret as it is shown, and the grants are those that PLAIN gets."""
    answer = await scram(brain, ada.login, ada.secret)
    assert (answer.outcome, answer.grants, answer.challenge) == ("granted", grants_of(ada.login, 1), b"")
    assert answer == await plain(brain, ada.login, ada.secret)


async def test_of_logins_that_come_at_once_one_is_the_first(brain: Brain, engine: Engine, ada: NewCredential) -> None:
    """A thief with many addresses cannot have all of them vouched for by being quick."""
    addresses = ("192.0.2.1", "198.51.100.1", "203.0.113.1", "100.64.1.1")
    came = await asyncio.gather(*(plain(brain, ada.login, ada.secret, client_address=one) for one in addresses))
    assert {one.outcome for one in came} == {"granted"}
    with engine.connect() as connection:
        vouched = connection.execute(select(func.count()).where(Areas.confirmed_at.is_not(None))).scalar_one()
    assert vouched == 1


async def test_scram_plus(brain: Brain, ada: NewCredential) -> None:
    """Bound to the certificate that the gateway has shown."""
    client = ScramClient(ada.login, ada.secret, header="p=tls-server-end-point,,", channel=b"\x01" * 32)
    said = [client.first()]
    challenge = await asked(brain, "SCRAM-SHA-256-PLUS", *said, channel_bindings=END_POINT)
    said.append(client.final(challenge.challenge))
    verifier = await asked(brain, "SCRAM-SHA-256-PLUS", *said, channel_bindings=END_POINT)
    assert client.believes(verifier.challenge)
    assert (await asked(brain, "SCRAM-SHA-256-PLUS", *said, b"", channel_bindings=END_POINT)).outcome == "granted"
    elsewhere = {"tls-server-end-point": b"\x03" * 32}
    assert (await asked(brain, "SCRAM-SHA-256-PLUS", *said, b"", channel_bindings=elsewhere)).outcome == "refused"


async def test_a_recorded_exchange_cannot_be_replayed(brain: Brain, ada: NewCredential) -> None:
    """A new exchange has a nonce of its own, and the old proof is none for it."""
    client = ScramClient(ada.login, ada.secret)
    challenge = await asked(brain, "SCRAM-SHA-256", client.first())
    final = client.final(challenge.challenge)
    assert (await asked(brain, "SCRAM-SHA-256", client.first(), final, b"")).outcome == "granted"
    assert (await asked(brain, "SCRAM-SHA-256", client.first(), final, b"", exchange="e2")).outcome == "refused"


async def test_a_credential_that_is_revoked_within_an_exchange_is_refused(
    brain: Brain, store: IdentityStore, ada: NewCredential
) -> None:
    """The last step asks the store once more; the challenge does not change, so nothing is told."""
    client = ScramClient(ada.login, ada.secret)
    before = await asked(brain, "SCRAM-SHA-256", client.first())
    final = client.final(before.challenge)
    assert (await asked(brain, "SCRAM-SHA-256", client.first(), final)).outcome == "challenge"
    store.revoke(ada.login, T)
    assert await asked(brain, "SCRAM-SHA-256", client.first()) == before
    assert (await asked(brain, "SCRAM-SHA-256", client.first(), final, b"")).outcome == "refused"


async def test_an_unknown_login_has_a_salt_that_stays(brain: Brain, ada: NewCredential) -> None:
    """A salt that changed with each try would tell that nobody has this login; two of them have two."""
    salts = {}
    for login in (ada.login, "fosem-4k7q-talir", "fosem-4k7q-talis"):
        answers = [
            await asked(brain, "SCRAM-SHA-256", ScramClient(login, "x").first(), exchange=exchange)
            for exchange in ("e1", "e2")
        ]
        given = {re.sub(rb"^r=[^,]*", b"", one.challenge) for one in answers}
        (salts[login],) = given
    assert len(set(salts.values())) == 3
    assert {re.sub(rb"s=[^,]{22}==", b"s=", one) for one in salts.values()} == {b",s=,i=4096"}


async def test_a_login_as_people_type_it(brain: Brain, store: IdentityStore, ada: NewCredential) -> None:
    """In capitals, with blanks around it: the exchange of SCRAM has the client's spelling, and so has EXTERNAL."""
    server = store.add_certificate("ada", "server", FINGERPRINT, T)
    for form in (str.upper, str.title, " {} ".format):
        assert (await scram(brain, form(ada.login), ada.secret)).grants == grants_of(ada.login, 1)
        answer = await asked(brain, "EXTERNAL", form(server.login).encode(), certificate=FINGERPRINT)
        assert answer.grants == grants_of(server.login, 2)


@pytest.mark.parametrize("kind", ["secret", "without keys", "nobody's"])
async def test_no_spelling_changes_the_salt(brain: Brain, store: IdentityStore, ada: NewCredential, kind: str) -> None:
    """A salt that changed with the capitals would tell that nobody has this login."""
    without_keys = store.add_certificate("ada", "server", FINGERPRINT, T)
    login = {"secret": ada.login, "without keys": without_keys.login, "nobody's": "fosem-4k7q-talir"}[kind]
    found = [await asked(brain, "SCRAM-SHA-256", ScramClient(one, "x").first()) for one in (login, f" {login.upper()}")]
    (salt,) = {re.sub(rb"^r=[^,]*", b"", one.challenge) for one in found}
    assert salt


async def test_external(brain: Brain, store: IdentityStore, ada: NewCredential) -> None:
    """The certificate finds its login; naming another one, or having none, is refused."""
    made = store.add_certificate("ada", "server", FINGERPRINT, T)
    for authzid in (b"", made.login.encode()):
        answer = await asked(brain, "EXTERNAL", authzid, certificate=FINGERPRINT)
        assert (answer.outcome, answer.grants) == ("granted", grants_of(made.login, 2))
    for authzid, certificate in ((ada.login.encode(), FINGERPRINT), (b"", "cd" * 32), (b"", "")):
        answer = await asked(brain, "EXTERNAL", authzid, certificate=certificate)
        assert (answer.outcome, answer.grants) == ("refused", None)
    store.revoke(made.login, T)
    assert (await asked(brain, "EXTERNAL", b"", certificate=FINGERPRINT)).outcome == "refused"


@pytest.mark.parametrize("ask", [plain, scram])
async def test_a_certificate_has_no_secret(brain: Brain, store: IdentityStore, ada: NewCredential, ask: Ask) -> None:
    """Its login is proven by EXTERNAL and by nothing else."""
    made = store.add_certificate("ada", "server", FINGERPRINT, T)
    for secret in (ada.secret, FINGERPRINT, "x"):
        answer = await ask(brain, made.login, secret)
        assert answer.outcome == "refused"


async def test_a_credential_from_before_scram(brain: Brain, engine: Engine, ada: NewCredential) -> None:
    """Its secret is kept nowhere, so there are no keys: PLAIN goes on, SCRAM is refused as a wrong secret is."""
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE credential SET scram_salt = NULL, scram_stored_key = NULL, scram_server_key = NULL"
        )
    assert (await scram(brain, ada.login, ada.secret)).outcome == "refused"
    assert (await plain(brain, ada.login, ada.secret)).outcome == "granted"


async def test_the_keys_in_the_database_prove_nothing(
    database: Location, engine: Engine, brain: Brain, ada: NewCredential
) -> None:
    """They are sealed with the digest key: with another one they are somebody else's."""
    with engine.connect() as connection:
        (salt, stored, server) = connection.exec_driver_sql(
            "SELECT scram_salt, scram_stored_key, scram_server_key FROM credential"
        ).one()
    found = await brain.directory.by_login(ada.login, "192.0.2.0/24")
    keys = brain.directory.scram_keys(found, ada.login)
    assert keys.salt == salt
    assert stored not in (keys.stored_key, keys.server_key)
    assert server not in (keys.stored_key, keys.server_key)
    elsewhere = Directory(open_reader(database), bytes(32))
    assert elsewhere.scram_keys(found, ada.login).stored_key != keys.stored_key
    await elsewhere.close()


@pytest.fixture
def work(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of the database and of cryptography, in order, without the values."""
    done: list[str] = []
    reader = directory._reader
    rows = reader.rows

    async def seen(question: Prepared, values: Values) -> list[Row]:
        found = await rows(question, values)
        done.append(question.sqlite)
        return found

    monkeypatch.setattr(reader, "rows", seen)
    for name in ("digest", "compare_digest"):
        real = getattr(hmac, name)

        def counted(*given: object, real: Callable[..., object] = real, name: str = name) -> object:
            done.append(f"{name} {[len(one) for one in given[:1] if isinstance(one, bytes)]}")
            return real(*given)

        monkeypatch.setattr(hmac, name, counted)
    return done


@pytest.mark.parametrize("ask", [plain, scram])
async def test_who_is_refused_cannot_be_told_from_the_work(
    brain: Brain, store: IdentityStore, ada: NewCredential, work: list[str], ask: Ask
) -> None:
    """Whoever is refused: the same questions, the same cryptography, the same answer. Each from its own network."""
    phone = store.add_credential("ada", "phone", T)
    store.revoke(phone.login, T)
    certificate = store.add_certificate("ada", "server", FINGERPRINT, T)
    expired = store.add_credential("ada", "guest", T - 1, Terms(expires_at=T))
    reader = store.add_credential("ada", "reader", T, Terms(scopes=(Scope.IMAP,)))
    pinned = store.add_credential("ada", "printer", T, Terms(networks=("198.51.100.0/24",)))
    store.add_identity("bob", (), T)
    suspended = store.add_credential("bob", "laptop", T)
    store.suspend("bob", T)
    await brain.health()  # what is looked up once, before the first answer
    seen = []
    for number, (login, secret) in enumerate(
        (
            (ada.login, "wrong"),
            ("fosem-4k7q-talir", ada.secret),
            (phone.login, "wrong"),
            (phone.login, phone.secret),
            (certificate.login, "wrong"),
            (expired.login, expired.secret),
            (reader.login, reader.secret),
            (pinned.login, pinned.secret),
            (suspended.login, suspended.secret),
            (ada.login.upper(), "wrong"),
            (f" {phone.login} ", phone.secret),
            ("ada", "wrong"),
            ("ada@example.org", "wrong"),
        )
    ):
        work.clear()
        answer = await ask(brain, login, secret, client_address=f"192.0.{number}.1")
        seen.append((answer, list(work)))
    assert seen[0][1]
    assert seen[0][0] == LoginAnswer(outcome="refused")
    assert [one for one in seen if one != seen[0]] == []

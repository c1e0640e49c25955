"""`sallyport doctor` on installations in which one thing is wrong, and on one in which nothing is."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import InProcess, prepared
from mmdb import Records, country, write_mmdb
from sqlalchemy import insert, text

from policy.budgets.valkey import BudgetsAway, ValkeyBudgets
from policy.certificate import new_key, self_signed
from policy.checkup import Case as Looked
from policy.checkup import database, examine, places
from policy.finding import State
from policy.geo.atlas import Atlas
from policy.location import open_existing
from policy.marks import Marks
from policy.opening import digest_key, open_store
from policy.settings import Settings
from policy.setup import init
from policy.store.database import Location
from policy.store.fates import Fate
from policy.store.health_reports import HealthNotes, HealthReport, Service
from policy.store.models import Fates, Submissions
from policy.store.statements import OnConnection

NOW = 1_800_000_000.0
DAY_S = 86400.0
DKIM_KEY = "sallyport.test.s20270115-rsa.key"
WORLD: Records = {"91.0.0.0/16": country("DE")}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a whole installation in a folder, made at NOW."""
    made = settings_of(tmp_path)
    init(made, NOW)
    return made


def settings_of(folder: Path, **changed: Any) -> Settings:
    given = {
        "state_dir": folder / "state",
        "gateway_token_file": folder / "gateway.token",
        "dovecot_token_file": folder / "dovecot.token",
        "tls_cert": folder / "cert.pem",
        "tls_key": folder / "key.pem",
        "geo_country_db": str(write_mmdb(folder / "world.mmdb", WORLD, built_at=int(NOW - 10 * DAY_S))),
        "geo_asn_db": "none",
    }
    return Settings.model_validate(given | changed)


def findings(settings: Settings, now: float = NOW) -> dict[str, list[tuple[str, str]]]:
    """State and sentence, by what was looked at; every one that is not fine says what to do."""
    found: dict[str, list[tuple[str, str]]] = {}
    for one in examine(settings, now):
        assert (one.state is State.FINE) or one.todo or ";" in one.says, one
        found.setdefault(one.what, []).append((one.state.value, one.says))
    return found


def test_nothing_is_wrong(settings: Settings, tmp_path: Path) -> None:
    """A line for each thing, and what it is."""
    found = findings(settings)
    assert {state for name, lines in found.items() for state, _ in lines if name != "disk"} == {"fine", "unknown"}
    assert [says for state, says in found["outside"] if state == "unknown" and "no queue agent" in says]
    assert list(found) == [
        "database",
        "clock",
        "budgets",
        "policy file",
        "addresses",
        "certificate",
        "token",
        "digest key",
        "DKIM keys",
        "disk",
        "notices",
        "scanner",
        "outside",
    ]
    assert found["addresses"] == [("fine", "Test of 2027-01-05, 10 days old; for tests")]
    assert found["certificate"] == [("fine", f"{tmp_path / 'cert.pem'} is good until 2029-01-14")]
    assert len(found["token"]) == 4


@pytest.mark.parametrize(
    ("alert_to", "is_nobody"),
    [
        ("typo@sallyport.test", True),
        ("typo@SALLYPORT.test", True),
        ("", False),  # the first domain's postmaster, whom the first start makes
        ("Postmaster@sallyport.test", False),
        ("admin@elsewhere.example", False),
    ],
)
def test_alerts_for_an_address_that_nobody_has(settings: Settings, alert_to: str, is_nobody: bool) -> None:
    """They come back, and nobody hears of it: a notice has no sender."""
    told = {"alert_to": alert_to, "alert_relay": "postfix:10025", "doveadm_url": "http://dovecot:8080"}
    found = findings(settings.model_copy(update=told))
    wrong = ("wrong", f"they go to {alert_to}, and nobody here has that address")
    assert (wrong in found["notices"]) is is_nobody
    assert len(found["notices"]) == 1 + is_nobody


def test_mailboxes_of_another_server_are_not_known(settings: Settings) -> None:
    told = {"alert_to": "typo@sallyport.test", "alert_relay": "127.0.0.1:25"}
    assert len(findings(settings.model_copy(update=told))["notices"]) == 1


@pytest.mark.parametrize(
    ("what", "address", "fates", "is_told"),
    [
        ("it came back", "Postmaster@sallyport.test", [(Fate.FULL, 3600.0)], True),
        ("it came back after one that was taken", "postmaster@sallyport.test", [(Fate.DELIVERED, 7200.0)], True),
        ("there is room again", "postmaster@sallyport.test", [(Fate.DELIVERED, 60.0)], False),
        ("of another server", "ada@elsewhere.example", [], False),
        ("it was long ago", "postmaster@sallyport.test", [(Fate.FULL, 8 * DAY_S)], False),
    ],
)
def test_a_full_mailbox_of_ours(
    settings: Settings, what: str, address: str, fates: list[tuple[Fate, float]], is_told: bool
) -> None:
    """Senders hear of it by bounces; whoever could make room would not."""
    mark = Marks(digest_key(settings)).recipient(address)
    if what != "it was long ago":
        fates = [*fates, (Fate.FULL, 3600.0)]
    engine = open_existing(settings)
    with engine.begin() as connection:
        for number, (fate, ago_s) in enumerate(fates):
            row = {"submission": f"s{number}", "mark": mark, "at": NOW - ago_s, "fate": fate.value}
            connection.execute(insert(Fates), row)
    engine.dispose()
    says = "mail to postmaster@sallyport.test comes back: full (552 5.2.2)"
    assert findings(settings).get("mailboxes") == ([("warning", says)] if is_told else None), what


Break = Callable[[Path], None]


def _remove(name: str) -> Break:
    return lambda folder: (folder / name).unlink()


def _write(name: str, content: bytes) -> Break:
    return lambda folder: bool((folder / name).write_bytes(content)) and None


def _open(name: str, mode: int = 0o640) -> Break:
    return lambda folder: (folder / name).chmod(mode)


def _foreign_certificate(folder: Path) -> None:
    key = (folder / "key.pem").read_bytes()
    (folder / "cert.pem").write_bytes(self_signed("mail.example.net", key, NOW))


def _remove_dkim_key(folder: Path) -> None:
    (folder / "state" / "dkim" / DKIM_KEY).unlink()


BROKEN = [
    # what it shows, what is done, what it is seen in, a word of the sentence
    ("no database", _remove("state/sallyport.db"), "database", "there is no database"),
    ("a database of rubbish", _write("state/sallyport.db", b"rubbish" * 2000), "database", "not a database"),
    ("a wrong policy file", _write("state/policy.toml", b"[gates.default]\nhosting = 7\n"), "policy file", ":2:"),
    ("no database of addresses", _remove("world.mmdb"), "addresses", "it is not there"),
    ("a broken one", _write("world.mmdb", b"rubbish"), "addresses", "no readable MMDB file"),
    ("no certificate", _remove("cert.pem"), "certificate", "No such file"),
    ("a certificate of rubbish", _write("cert.pem", b"rubbish"), "certificate", "ValueError"),
    ("the certificate of another host", _foreign_certificate, "certificate", "is not for mail.sallyport.test"),
    ("a lost DKIM key", _remove_dkim_key, "DKIM keys", f"not there: {DKIM_KEY}"),
    ("DKIM keys that others read", _open(f"state/dkim/{DKIM_KEY}", 0o644), "DKIM keys", "can be read by others"),
    ("a map of DKIM keys that is cut off", _write("state/dkim/keys.map", b""), "DKIM keys", "not what it should be"),
    ("DKIM keys of rubbish", _write("state/dkim/state.json", b"rubbish"), "DKIM keys", "broken state.json"),
    ("the key of another one", _write("key.pem", new_key()), "certificate", "the key of another certificate"),
    ("no token", _remove("gateway.token"), "token", "POLICY_GATEWAY_TOKEN_FILE"),
    ("an empty token", _write("dovecot.token", b"\n"), "token", "is empty"),
    ("a token that others read", _open("gateway.token"), "token", "can be read by others (mode 0640)"),
    ("no digest key", _remove("state/digest.key"), "digest key", "not there or no key"),
    ("a digest key that others read", _open("state/digest.key"), "digest key", "can be read by others"),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "what", "word"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_one_thing_is_wrong(settings: Settings, tmp_path: Path, damage: Break, what: str, word: str) -> None:
    """It is told where it is, and nowhere else."""
    damage(tmp_path)
    found = findings(settings)
    wrong = {name: says for name, lines in found.items() for state, says in lines if state == "wrong"}
    assert list(wrong) == [what]
    assert word in wrong[what]


AGES = [("fresh", 179, "fine"), ("old", 181, "warning"), ("very old", 366, "wrong")]


@pytest.mark.parametrize(("days", "state"), [row[1:] for row in AGES], ids=[row[0] for row in AGES])
def test_the_age_of_a_database(settings: Settings, tmp_path: Path, days: int, state: str) -> None:
    write_mmdb(tmp_path / "world.mmdb", WORLD, built_at=int(NOW - days * DAY_S))
    assert [one for one, _ in findings(settings)["addresses"]] == [state]


ENDS = [("in a month", 30, "fine"), ("in three weeks", 20, "warning"), ("today", 0, "wrong")]


@pytest.mark.parametrize(("days", "state"), [row[1:] for row in ENDS], ids=[row[0] for row in ENDS])
def test_the_end_of_a_certificate(settings: Settings, tmp_path: Path, days: int, state: str) -> None:
    key = (tmp_path / "key.pem").read_bytes()
    (tmp_path / "cert.pem").write_bytes(self_signed("mail.sallyport.test", key, NOW - (730 - days) * DAY_S))
    assert [one for one, _ in findings(settings)["certificate"]] == [state]


def test_a_key_that_is_somebody_elses_to_read(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway has a user of its own."""
    read = Path.read_bytes

    def refused(path: Path) -> bytes:
        if path == settings.tls_key:
            raise PermissionError
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refused)
    assert [state for state, _ in findings(settings)["certificate"]] == ["fine"]


def test_a_clock_that_was_set_back(settings: Settings) -> None:
    """There is a record of a later moment."""
    assert findings(settings, NOW - 60)["clock"][0][0] == "fine"
    state, says = findings(settings, NOW - 3600)["clock"][0]
    assert state == "wrong"
    assert says == "it is 2027-01-15T07:00:00Z, and a record says 2027-01-15T08:00:00Z"


def test_an_old_schema(settings: Settings) -> None:
    engine = open_existing(settings)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    engine.dispose()
    state, says = findings(settings)["database"][0]
    assert (state, "has schema 0001" in says) == ("wrong", True)


GATES = [
    # what it shows, the policy, state
    ("open", "", "warning"),
    ("a country alone", '[gates.default]\nallow-countries = ["DE"]\n', "wrong"),
    ("or unknown", '[gates.default]\nallow-countries = ["DE", "??"]\n', "warning"),
    ("no unknown", '[gates.travel]\nunknown = "refuse"\n', "wrong"),
    ("denied by name", '[gates.travel]\ndeny-countries = ["??"]\n', "wrong"),
]


@pytest.mark.parametrize(("policy", "state"), [row[1:] for row in GATES], ids=[row[0] for row in GATES])
def test_a_gate_without_a_database(tmp_path: Path, policy: str, state: str) -> None:
    """Would let in nobody."""
    closed = settings_of(tmp_path, geo_country_db="none")
    init(closed, NOW)
    closed.policy_file.write_text(policy)
    ((found, says),) = findings(closed)["addresses"]
    assert found == state
    assert ("lets in nobody unknown" in says) == (state == "wrong")


@pytest.mark.parametrize(
    ("what", "addresses", "is_told"),
    [
        ("all behind one private address", ["172.20.0.1"] * 3, True),
        ("a bridge of both families", ["172.20.0.1", "fd00:20::1", "172.20.0.1"], True),
        ("two people may share it", ["172.20.0.1"] * 2, False),
        ("two machines of an office", ["192.168.1.2", "192.168.1.3", "192.168.1.2"], False),
        ("a bridge, and one who is elsewhere", ["172.20.0.1", "2a01:20::1", "172.20.0.1"], False),
        ("one is elsewhere", ["172.20.0.1", "172.20.0.1", "198.51.100.7"], False),
        ("an office with one public address", ["91.0.1.7"] * 3, False),
    ],
)
def test_clients_that_all_have_one_address(settings: Settings, what: str, addresses: list[str], is_told: bool) -> None:
    """A container engine or a proxy that passes no address on: every network would be everybody's home."""
    words = dict.fromkeys(("session", "login", "listener", "client_name", "reverse_path", "action", "reason"), "")
    rest = words | {"outcome": "", "queue_id": "", "recipients": 1, "message_bytes": 1, "at": NOW}
    rows = [
        rest | {"id": f"{number}", "identity": f"person-{number}", "client_address": address}
        for number, address in enumerate(addresses)
    ]
    engine = open_existing(settings)
    with engine.begin() as connection:
        connection.execute(insert(Submissions), rows)
    engine.dispose()
    each = " and ".join(dict.fromkeys(addresses))
    says = f"the last 3 messages, of 3 people, all came from {each}: a thief looks at home"
    assert findings(settings).get("clients") == ([("warning", says)] if is_told else None), what


def test_coverage_of_the_networks_in_use(settings: Settings) -> None:
    """Public ones; where too few of them are known, there are better databases."""
    engine = open_existing(settings)
    store = open_store(settings, engine)
    for network in ("91.0.1.0/24", "192.168.1.0/24"):
        store.confirm_network("administrator", network, NOW)
    assert findings(settings)["addresses"][0] == ("fine", "the country of 1 of 1 public networks in use is known")
    store.confirm_network("administrator", "9.9.9.0/24", NOW)
    assert findings(settings)["addresses"][0] == ("warning", "the country of 1 of 2 public networks in use is known")
    engine.dispose()


async def _no_answer(*_: object) -> None:
    raise BudgetsAway("refused")


async def _an_answer(*_: object) -> None:
    return None


def test_budgets_on_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for nothing; its answer is enough."""
    elsewhere = settings_of(tmp_path, budgets_url="valkey://127.0.0.1:1/0")
    init(elsewhere, NOW)
    monkeypatch.setattr(ValkeyBudgets, "peek", _an_answer)
    assert findings(elsewhere)["budgets"] == [("fine", "the server of POLICY_BUDGETS_URL answers")]
    monkeypatch.setattr(ValkeyBudgets, "peek", _no_answer)
    assert findings(elsewhere)["budgets"] == [("wrong", "the server does not answer (refused)")]
    state, says = findings(elsewhere.model_copy(update={"budgets_url": "http://x"}))["budgets"][0]
    assert (state, says.startswith("POLICY_BUDGETS_URL: ")) == ("wrong", True)


def test_a_database_of_either_kind(database: Location, engine: object, tmp_path: Path) -> None:
    """On PostgreSQL the server's clock is asked, too."""
    url = f"sqlite:///{database}" if isinstance(database, Path) else database.render_as_string(hide_password=False)
    given = settings_of(tmp_path, database_url=url)
    found = {one.what: one.state for one in _questions(given)}
    assert found["database"] is State.FINE
    # These moments are long ago: a server has the clock of today.
    assert found["clock"] is (State.FINE if isinstance(database, Path) else State.WRONG)


def _questions(settings: Settings) -> list[Any]:
    looked = Looked(settings, NOW, Atlas(None, None))
    return [*database(looked), *places(looked)]


SCANNERS = [
    ("it answers", NOW - 5, (), "fine", "it answers the gateway gw: 12 messages, in 30.5 ms on average"),
    ("it does not", NOW - 5, ("the scanner does not answer",), "wrong", "the scanner does not answer"),
    ("nobody has told since", NOW - 600, (), "unknown", "the gateway gw has told nothing of it for 10 minutes"),
]


@pytest.mark.parametrize(
    ("at", "faults", "state", "says"), [case[1:] for case in SCANNERS], ids=[case[0] for case in SCANNERS]
)
def test_the_scanner_as_gateways_tell(
    settings: Settings, at: float, faults: tuple[str, ...], state: str, says: str
) -> None:
    """policy cannot ask it; without a gateway nobody knows."""
    assert findings(settings)["scanner"] == [
        ("unknown", "no gateway has told of one; without one mail is neither scanned nor signed")
    ]
    report = HealthReport(Service.SCANNER, "gw", at, faults=faults, figures={"scans": 12, "scan_ms": 30.5})
    with open_existing(settings).begin() as connection:
        HealthNotes(OnConnection(connection)).put(report)
    assert findings(settings)["scanner"] == [(state, says)]


def test_command(tmp_path: Path) -> None:
    """Exit code 1 with a table and a sentence; JSON is one document whatever else is logged."""
    sallyport = prepared(InProcess, tmp_path)
    assert sallyport("doctor").returncode == 0
    assert {one["state"] for one in sallyport.json("doctor")} - {"warning"} == {"fine", "unknown"}  # a disk may be full
    (tmp_path / "gateway.token").chmod(0o644)
    wrong = sallyport("doctor", "--json", POLICY_BUDGETS_URL="valkey://127.0.0.1:1/0")
    assert wrong.returncode == 1
    assert wrong.stdout.startswith("[{")
    assert wrong.stdout.endswith("}]\n")
    assert wrong.stderr == "sallyport: 2 of 17 findings say that something is wrong\n"
    assert "chmod 600" in sallyport("doctor").stdout


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize(("mode", "state"), [(0o440, "fine"), (0o444, "wrong"), (0o460, "wrong")])
def test_a_secret_of_a_pod_is_its_groups_to_read(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, state: str
) -> None:
    """A kubelet makes it root's, of mode 0440, and the pod's process is alone in the group."""
    monkeypatch.setattr("policy.checkup.os.getegid", lambda: 10001)
    os.chown(tmp_path / "gateway.token", 0, 10001)
    (tmp_path / "gateway.token").chmod(mode)
    assert [found for found, says in findings(settings)["token"] if "gateway.token" in says] == [state]

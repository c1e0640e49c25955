"""The audit log: every change leaves one row in its own transaction, without a secret, for ever."""

import inspect
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, select, text
from sqlalchemy.exc import DBAPIError
from stolen import Thief

from policy.complaints.report import Complaint
from policy.engine.ladder import Step
from policy.engine.sources import Origin
from policy.people.roles import Role
from policy.store import audit
from policy.store.audit import Act, Actor, Wanted, newest, record
from policy.store.held import HeldState
from policy.store.identities import IdentityStore, Profile
from policy.store.measures import Kind, MeasureNotes
from policy.store.models import Identities, Signals, Standings
from policy.store.policy_book import NewPolicy
from policy.store.rows import Terms
from policy.store.schema import METADATA
from policy.store.statements import OnConnection
from policy.store.walls import StoredWall, WallNotes

T = 1_000_000.0  # any moment
AT, AT_1, AT_9 = (f"1970-01-12T13:46:{second}Z" for second in (40, 41, 49))  # the same as the log tells it
ACTOR = Actor("api:deploy", "192.0.2.9")
HELD = "4ada10000000001"  # the queue id of ada's message that is on hold
COMPLAINT = Complaint(submission="ada-1000000-1", reporter="example.com", kind="abuse")
SOMEWHERE = Origin(network="192.0.2.0/24")
HASH = "{SHA512-CRYPT}$6$salt$hash"

Change = Callable[[IdentityStore], object]


def credential(store: IdentityStore) -> str:
    """The login of ada's laptop."""
    return store.credentials("ada", limit=1)[0].login


def apply_a_policy(store: IdentityStore) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, changes = Path(folder, "policy.toml"), ["[modes] trap"]
        store.apply_policy(NewPolicy(path=path, text="", before="a" * 16, after="b" * 16, changes=changes), T)


# Every public method that changes something: what it is called with, on a store that `stored` has filled, its action,
# what it is about, and what is told of before and after.
CHANGES: dict[str, tuple[Change, str, str | None, dict[str, object], dict[str, object]]] = {
    "add_identity": (lambda s: s.add_identity("carol", ("C@example.org",), T, owner="Carol"), "identity-added", "carol",
                     {}, {"profile": "person", "owner": "Carol", "role": "owner", "addresses": ["c@example.org"]}),
    "change_identity": (lambda s: s.change_identity("ada", T, owner="Ada King"), "identity-changed", "ada",
                        {"owner": "Ada"}, {"owner": "Ada King"}),
    "set_role": (lambda s: s.set_role("ada", Role.HELP_DESK, T), "role-changed", "ada",
                 {"role": "owner"}, {"role": "help-desk"}),
    "apply_policy": (apply_a_policy, "policy-applied", "policy",
                     {"digest": "a" * 16}, {"digest": "b" * 16, "changes": ["[modes] trap"]}),
    "suspend": (lambda s: s.suspend("ada", T + 1), "identity-suspended", "ada",
                {"suspended_at": None}, {"suspended_at": AT_1}),
    "resume": (lambda s: s.resume("bob", T), "identity-resumed", "bob", {"suspended_at": AT}, {"suspended_at": None}),
    "remove_identity": (lambda s: s.remove_identity("bob", T), "identity-removed", "bob",
                        {"profile": "app", "owner": "", "addresses": ["bob@example.org"], "logins": []}, {}),
    "add_address": (lambda s: s.add_address("ada", "A@example.org", T), "address-added", "a@example.org",
                    {}, {"identity": "ada", "subaddresses": False}),
    "change_address": (lambda s: s.change_address("ada@example.org", True, T), "address-changed", "ada@example.org",
                       {"identity": "ada", "subaddresses": False}, {"subaddresses": True}),
    "remove_address": (lambda s: s.remove_address("Bob@example.org", T), "address-removed", "bob@example.org",
                       {"identity": "bob", "subaddresses": False, "allowed": ["ada"]}, {}),
    "allow": (lambda s: s.allow("ada@example.org", "bob", T), "send-as-allowed", "ada@example.org",
              {}, {"identity": "bob"}),
    "disallow": (lambda s: s.disallow("bob@example.org", "ada", T), "send-as-disallowed", "bob@example.org",
                 {"identity": "ada"}, {}),
    "add_credential": (lambda s: s.add_credential("ada", "new", T, Terms(networks=("192.0.2.1",))),
                       "credential-added", None, {},
                       {"identity": "ada", "kind": "secret", "label": "new", "scopes": "submit imap",
                        "networks": "192.0.2.1/32", "expires_at": None}),
    "add_certificate": (lambda s: s.add_certificate("ada", "new", "cd" * 32, T), "credential-added", None, {},
                        {"identity": "ada", "kind": "certificate", "label": "new", "scopes": "submit imap",
                         "networks": "", "expires_at": None, "certificate": "cd" * 32}),
    "issue_certificate": (lambda s: s.issue_certificate("ada", "new", lambda _: "ef" * 32, T), "credential-added", None,
                          {}, {"identity": "ada", "kind": "certificate", "label": "new", "scopes": "submit imap",
                               "networks": "", "expires_at": None, "certificate": "ef" * 32}),
    "add_oidc": (lambda s: s.add_oidc("ada", "new", "8c1f", T), "credential-added", None, {},
                 {"identity": "ada", "kind": "oidc", "label": "new", "scopes": "submit imap", "networks": "",
                  "expires_at": None, "subject": "8c1f"}),
    "add_ldap": (lambda s: s.add_ldap("ada", "new", "u4711", "cn=Ada", T), "credential-added", "u4711", {},
                 {"identity": "ada", "kind": "ldap", "label": "new", "scopes": "submit imap", "networks": "",
                  "expires_at": None, "subject": "cn=Ada"}),
    "add_migrated": (lambda s: s.add_migrated("ada", "Ada@Example.org", "old", HASH, T + 9, T), "credential-added",
                     "ada@example.org", {},
                     {"identity": "ada", "kind": "migrated", "label": "old", "scopes": "submit imap", "networks": "",
                      "expires_at": AT_9}),
    "change_credential": (lambda s: s.change_credential(credential(s), T, label="phone"), "credential-changed", None,
                          {"identity": "ada", "label": "laptop"}, {"label": "phone"}),
    "renew": (lambda s: s.renew(credential(s), T), "credential-renewed", None, {"identity": "ada"}, {}),
    "revoke": (lambda s: s.revoke(credential(s), T), "credential-revoked", None,
               {"identity": "ada"}, {"revoked_at": AT}),
    "add_decoy": (lambda s: s.add_decoy("note", T), "decoy-added", None, {}, {"label": "note"}),
    "remove_decoy": (lambda s: s.remove_decoy(s.decoys()[0].login, T), "decoy-removed", None, {"label": "mail"}, {}),
    "confirm_network": (lambda s: s.confirm_network("ada", "198.51.100.9", T), "network-confirmed", "198.51.100.0/24",
                        {}, {"identity": "ada"}),
    "forget_network": (lambda s: s.forget_network("ada", "192.0.2.0/24", T), "network-forgotten", "192.0.2.0/24",
                       {"identity": "ada", "days": 0, "confirmed_at": AT}, {}),
    "lift_wall": (lambda s: s.lift_wall("203.0.113.9", T), "wall-lifted", "203.0.113.0/24",
                  {"since_at": AT, "ends_at": AT_9, "why": "guessing", "times": 1}, {}),
    "add_exemption": (lambda s: s.add_exemption("ada", "PT", T + 9, "on leave", T), "exemption-added", "PT",
                      {"ends_at": AT_1, "note": "Lisbon"}, {"identity": "ada", "ends_at": AT_9, "note": "on leave"}),
    "remove_exemption": (lambda s: s.remove_exemption("ada", "PT", T), "exemption-removed", "PT",
                         {"identity": "ada", "ends_at": AT_1, "note": "Lisbon"}, {}),
    "distrust_network": (lambda s: s.distrust_network("ada", "192.0.2.0/24", lambda _: SOMEWHERE, T), "contained",
                         "ada", {}, {"incident": 1, "logins": ["LOGIN"], "note": ""}),
    "clear_standing": (lambda s: s.clear_standing("ada", "her club", T), "standing-cleared", "ada",
                       {"step": "hold", "signals": ["trap"]}, {"step": "free", "note": "her club"}),
    "contain_credential": (lambda s: s.contain_credential(credential(s), "lost", T), "contained", "ada",
                           {}, {"incident": 1, "logins": ["LOGIN"], "note": "lost"}),
    "contain_identity": (lambda s: s.contain_identity("ada", "", T), "contained", "ada",
                         {}, {"incident": 1, "logins": ["LOGIN"], "note": ""}),
    "release_incident": (lambda s: s.release_incident(1, "it was her", T), "incident-released", "ada",
                         {"state": "open", "suspended": []}, {"incident": 1, "note": "it was her"}),
    "purge_incident": (lambda s: s.purge_incident(1, "", T), "incident-purged", "ada", {}, {"incident": 1, "note": ""}),
    "answer_incident": (lambda s: s.answer_incident(1, "ada", True, T), "incident-released", "ada",
                        {"state": "open", "suspended": []},
                        {"incident": 1, "note": "the owner says that it was him"}),
    "stop_purge": (lambda s: s.stop_purge(1, None, T), "purge-stopped", "ada", {}, {"incident": 1}),
    "release_held": (lambda s: s.release_held([HELD], T), "held-messages-released", "ada", {}, {"queue_ids": [HELD]}),
    "purge_held": (lambda s: s.purge_held([HELD], T), "held-messages-purged", "ada", {}, {"queue_ids": [HELD]}),
    "release_own": (lambda s: s.release_own(HELD, "ada", T), "held-messages-released", "ada",
                    {}, {"queue_ids": [HELD]}),
    "purge_own": (lambda s: s.purge_own(HELD, "ada", T), "held-messages-purged", "ada", {}, {"queue_ids": [HELD]}),
    "note_complaint": (lambda s: s.note_complaint(COMPLAINT, T), "complaint-read", "ada",
                       {}, {"submission": COMPLAINT.submission, "reporter": "example.com", "kind": "abuse"}),
    "move_held_of": (lambda s: s.move_held_of(1, HeldState.RELEASING, T), "held-messages-released", "ada",
                     {}, {"incident": 1, "messages": 1}),
    "note_look": (lambda s: s.note_look(HELD, T), "held-message-read", "ada", {}, {"queue_id": HELD}),
    "note_trace": (lambda s: s.note_trace("ada", "m1", T), "message-traced", "ada", {}, {"submission": "m1"}),
    "note_queue_read": (lambda s: s.note_queue_read("ada", T), "queue-read", "ada", {}, {}),
    "ask_look": (lambda s: s.ask_look(HELD, T, with_text=True), "held-message-read", "ada",
                 {}, {"queue_id": HELD, "incident": 1, "text": True}),
    "ask_own_look": (lambda s: s.ask_own_look(HELD, "ada", T), "held-message-read", "ada",
                     {}, {"queue_id": HELD, "incident": 1, "text": False}),
}  # fmt: skip
ALSO = {"distrust_network": ["network-distrusted"]}  # rows of the same change, before its last
READS = {"identity", "identities", "owner_of", "credential", "credentials", "logins", "decoys", "networks",
         "exemptions", "walls", "standing", "standings", "story", "pace", "incidents", "incident", "question", "held",
         "held_message", "own_held", "look", "own_look", "complaints",
         "trusted_since"}  # fmt: skip


@pytest.fixture
def stored(engine: Engine, key: bytes) -> IdentityStore:
    """Two identities with all that can be changed."""
    store = IdentityStore(engine, key, ACTOR)
    store.add_identity("ada", ("ada@example.org",), T, owner="Ada")
    store.add_identity("bob", ("bob@example.org",), T, profile=Profile.APP)
    store.allow("bob@example.org", "ada", T)
    store.suspend("bob", T)
    store.add_credential("ada", "laptop", T)
    store.add_decoy("mail", T)
    store.confirm_network("ada", "192.0.2.1", T)
    store.add_exemption("ada", "PT", T + 1, "Lisbon", T)
    with engine.begin() as connection:
        WallNotes(OnConnection(connection)).add([StoredWall("203.0.113.0/24", T, T + 9, "guessing", 1)], T)
    suspect(engine, "ada")
    assert Thief(engine, "ada", credential(store), T).hand_in("hold", is_home=True) == HELD
    with engine.begin() as connection:
        MeasureNotes(OnConnection(connection)).add(1, Kind.PURGE, T, due_at=T + 9)
    return store


def suspect(engine: Engine, name: str) -> None:
    """As the engine does: a signal, and the step that it makes."""
    with engine.begin() as connection:
        number = connection.scalar(select(Identities.id).where(Identities.name == name))
        signal = {"kind": "trap", "at": T, "at_home": False, "evidence": "x", "credential_id": 1, "submission": "m1"}
        connection.execute(insert(Signals).values(identity_id=number, client_address="192.0.2.1", **signal))
        connection.execute(
            insert(Standings).values(identity_id=number, step=Step.HOLD, home_step=Step.FREE, since=T, likelihood=0.0)
        )


def acts(engine: Engine, wanted: Wanted = Wanted()) -> list[Act]:  # noqa: B008 - frozen
    """All that the log has, newest first."""
    return newest(engine, wanted)


def everything(engine: Engine) -> str:
    """Every row of every table, as text."""
    with engine.connect() as connection:
        return "\n".join(
            f"{table.name} {tuple(row)}"
            for table in METADATA.sorted_tables
            for row in connection.execute(select(table).order_by(*table.primary_key))
        )


def test_the_table_has_every_method() -> None:
    """A method that was added without saying what it writes down is noticed."""
    methods = {name for name, _ in inspect.getmembers(IdentityStore, inspect.isfunction) if not name.startswith("_")}
    assert methods == CHANGES.keys() | READS
    assert not CHANGES.keys() & READS


@pytest.mark.parametrize("method", CHANGES)
def test_every_change_leaves_one_row(stored: IdentityStore, engine: Engine, method: str) -> None:
    """Who, from where, what it was done to, and how it was before and after."""
    change, action, subject, before, after = CHANGES[method]
    known, login = acts(engine), credential(stored)
    change(stored)
    act, *older = acts(engine)
    also = ALSO.get(method, [])
    assert ([one.action for one in older[: len(also)]], older[len(also) :]) == (also, known)
    assert (act.actor, act.source, act.action) == ("api:deploy", "192.0.2.9", action)
    assert (act.before, json.loads(json.dumps(act.after).replace(login, "LOGIN"))) == (before, after)
    if subject is None:
        logins = {one.login for one in (*stored.credentials(), *stored.decoys())}
        assert act.subject in logins or action == "decoy-removed"
    else:
        assert act.subject == subject


@pytest.mark.parametrize("method", CHANGES)
def test_a_change_that_cannot_be_written_down_is_not_made(
    stored: IdentityStore, engine: Engine, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Both are one transaction: there is no change without its row."""

    def fail(*_: object) -> None:
        raise OSError("no room for the log")

    before = everything(engine)
    monkeypatch.setattr(audit, "record", fail)
    with pytest.raises(OSError, match="no room"):
        CHANGES[method][0](stored)
    assert everything(engine) == before


@pytest.mark.parametrize("method", sorted(READS))
def test_a_question_leaves_none(stored: IdentityStore, engine: Engine, method: str) -> None:
    """The log is what was done."""
    arguments = {"identity": ["ada"], "owner_of": ["ada@example.org"], "credential": [credential(stored)],
                 "logins": ["", 5], "networks": ["ada"], "standing": ["ada"], "standings": [T], "story": [1, T],
                 "incident": [1], "question": [1, "ada", T], "held_message": [HELD], "own_held": ["ada"],
                 "trusted_since": ["ada"], "walls": [T]}  # fmt: skip
    asked = stored.ask_own_look(HELD, "ada", T)
    arguments |= {"look": [asked, T], "own_look": [asked, "ada", T], "pace": [stored.story(1, T)]}
    before = everything(engine)
    getattr(stored, method)(*arguments.get(method, []))
    assert everything(engine) == before


def test_the_log_has_no_secret(stored: IdentityStore, engine: Engine) -> None:
    """Neither one that was made, nor a hash that was brought along, nor a digest."""
    made = stored.add_credential("ada", "phone", T)
    renewed = stored.renew(made.login, T)
    stored.add_migrated("ada", "old", "old", HASH, T + 9, T)
    stored.release_incident(1, "", T)
    stored.remove_identity("ada", T)
    told = json.dumps([(act.before, act.after) for act in acts(engine)])
    assert made.login in told
    for secret in (made.secret, renewed.secret, HASH, "$6$"):
        assert secret not in told
        assert secret.replace("-", "") not in told


STATEMENTS = [
    # what it shows, statement
    ("changing a row", "UPDATE audit SET actor = 'nobody' WHERE id = 1"),
    ("changing all", "UPDATE audit SET at = 0"),
    ("deleting a row", "DELETE FROM audit WHERE id = 1"),
    ("deleting all", "DELETE FROM audit"),
]


@pytest.mark.parametrize("statement", [c[1] for c in STATEMENTS], ids=[c[0] for c in STATEMENTS])
def test_the_log_only_grows(stored: IdentityStore, engine: Engine, statement: str) -> None:
    """The database itself refuses the rest."""
    before = acts(engine)
    with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(text(statement))
    assert acts(engine) == before


def test_what_was_removed_stays_known(stored: IdentityStore, engine: Engine) -> None:
    """By its name."""
    stored.remove_identity("bob", T)
    assert acts(engine, Wanted("bob"))[0].action == "identity-removed"


FILTERS = [
    # what it shows, wanted, subjects of what is found, newest first
    ("an identity, with what names it", Wanted("ada"),
     ["PT", "192.0.2.0/24", "LOGIN", "bob@example.org", "ada"]),
    ("an address", Wanted("bob@example.org"), ["bob@example.org"]),
    ("nobody", Wanted("nobody"), []),
    ("no wildcard", Wanted("%"), []),
    ("a quote", Wanted('"'), []),
    ("an actor", Wanted(actor="cli:root"), ["zoe"]),
    ("since", Wanted(since=T + 5), ["zoe"]),
    ("all three", Wanted("ada", "cli:root", T), []),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "found"), [c[1:] for c in FILTERS], ids=[c[0] for c in FILTERS])
def test_filters(stored: IdentityStore, engine: Engine, key: bytes, wanted: Wanted, found: list[str]) -> None:
    """What was done to somebody's logins was done to him."""
    IdentityStore(engine, key, Actor("cli:root", "here")).add_identity("zoe", (), T + 5)
    login = credential(stored)
    assert [act.subject.replace(login, "LOGIN") for act in acts(engine, wanted)] == found


def test_pages(stored: IdentityStore, engine: Engine) -> None:
    """Newest first, each once."""
    everyone = acts(engine)
    first = newest(engine, Wanted(), limit=3)
    assert [*first, *acts(engine, Wanted(before_id=first[-1].id))] == everyone
    assert [act.id for act in everyone] == sorted((act.id for act in everyone), reverse=True)


def test_a_row_that_was_rolled_back_is_none(engine: Engine) -> None:
    """The log has what happened."""
    connection = engine.connect()
    record(connection, ACTOR, T, "nothing-done", "x", {}, {})
    connection.rollback()
    connection.close()
    assert acts(engine) == []

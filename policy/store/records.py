"""What is written down of each submission.

A message's Received field names its submission by an opaque id; these rows say what that was, without content and
without a recipient's address. They go with age, a few with each one that comes. How many refused ones an identity
leaves behind is for engine/charges.py to say: somebody with a stolen credential could otherwise fill the disk with
refusals.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from struct import Struct
from typing import Any, NamedTuple

from pydantic_core import to_json
from sqlalchemy import Engine, Select, bindparam, literal, select, tuple_, update

from policy.contract import Action, MessageFacts, Outcome
from policy.engine.judging import Decision
from policy.engine.profile import Profile
from policy.store.models import Submissions
from policy.store.statements import Prepared, prepared
from policy.store.transactions import Statements
from service.sentence import told

_FORGOTTEN_EVERY, DELETED_AT_ONCE = 8, 24  # more than come in
_PAGE = 1000
_NAME_LIMIT = 255  # what a client may choose is cut to the longest that is a name
_MARK = Struct(">q")

_INSERT = prepared(  # an id that comes twice stays what it was
    "INSERT INTO submission (id, at, session, identity, login, listener, client_address, client_name, reverse_path, "
    "recipients, message_bytes, action, reason, outcome, queue_id, held, rule, rulebook, origin, evidence, "
    "new_recipients, known_recipients, marks) VALUES (:id, :at, :session, :identity, :login, :listener, "
    ":client_address, :client_name, :reverse_path, :recipients, :message_bytes, :action, :reason, '', '', :held, "
    ":rule, :rulebook, :origin, :evidence, :new_recipients, :known_recipients, :marks) ON CONFLICT DO NOTHING"
)
FORGET = prepared(
    "DELETE FROM submission WHERE id IN (SELECT id FROM submission WHERE at < :edge ORDER BY at LIMIT :most)"
)
_END = (
    "UPDATE submission SET outcome = ended.what, queue_id = ended.whose, held_queue_id = ended.whose_held FROM ({0})"
    " AS ended WHERE submission.id = ended.submission RETURNING submission.id,"
    " (SELECT identity.id FROM identity WHERE identity.name = submission.identity), submission.marks,"
    " submission.new_recipients + submission.known_recipients, submission.held, submission.at"
)
_ENDS = Prepared(
    prepared(
        _END.format(
            "SELECT json_extract(value, '$[0]') AS submission, json_extract(value, '$[1]') AS what,"
            " json_extract(value, '$[2]') AS whose, json_extract(value, '$[3]') AS whose_held FROM json_each(:ended)"
        )
    ).sqlite,
    prepared(
        _END.format(
            "SELECT one ->> 0 AS submission, one ->> 1 AS what, one ->> 2 AS whose, one ->> 3 AS whose_held"
            " FROM json_array_elements(CAST(:ended AS json)) AS one"
        )
    ).postgresql,
)
_FAILED = prepared(
    "SELECT identity.id, identity.name, submission.at, submission.recipients, submission.held, submission.marks,"
    " submission.new_recipients, submission.evidence FROM submission"
    " JOIN identity ON identity.name = submission.identity WHERE submission.id = :asked"
)
_DROP = prepared("DELETE FROM submission WHERE id = :asked")
_REPORT = prepared(
    update(Submissions)
    .where(Submissions.id == bindparam("asked"))
    .values(reported=bindparam("bits"), delivered=Submissions.delivered + bindparam("got"))
)


@dataclass(frozen=True, slots=True)
class Submission:
    """One message that was judged, as it is stored."""

    id: str
    at: float
    session: str
    identity: str
    login: str
    listener: str
    client_address: str
    client_name: str
    reverse_path: str
    recipients: int
    message_bytes: int
    action: str
    reason: str
    outcome: str
    queue_id: str
    held_queue_id: str
    held: int
    rule: str
    rulebook: str
    origin: str
    new_recipients: int
    known_recipients: int


@dataclass(frozen=True, slots=True)
class Record(Submission):
    """With what lists do not show: why (evidence.py reads it), and the marks of its recipients."""

    evidence: str  # JSON
    marks: bytes | None  # None of what is older than they are

    @property
    def shown(self) -> Submission:
        return Submission(*(getattr(self, field.name) for field in fields(Submission)))


class Reached(NamedTuple):
    """Whose submission it was, and the recipients outside of this server that it went to."""

    identity: int
    marks: tuple[int, ...]
    is_held: bool  # it, or a part of it
    at: float  # when it was judged


class Owner(NamedTuple):
    """Whose a submission was; empty where it was nobody's."""

    identity: str
    login: str


class Failed(NamedTuple):
    """A submission that the next hop did not take: whose and when it was, and what it would have been to the day."""

    identity: int
    name: str
    at: float
    recipients: int
    new: int
    is_elsewhere: bool  # these
    held: int


class Records:
    """Runs in the transactions of a writer (store/writer.py)."""

    def __init__(self, statements: Statements, kept_s: float) -> None:
        self._statements = statements
        self._kept_s = kept_s
        self._added = 0

    def add_submission(
        self, facts: MessageFacts, profile: Profile | None, decision: Decision, rulebook: str, now: float
    ) -> None:
        """`profile` is None where there never was such a credential; `rulebook` the digest of the policy in force."""
        self._added += 1
        if self._added % _FORGOTTEN_EVERY == 0:
            self._statements.execute(FORGET, {"edge": now - self._kept_s, "most": DELETED_AT_ONCE})
        new, known, held = _sorted_marks(profile, decision)
        self._statements.execute(
            _INSERT,
            {
                "id": facts.submission,
                "at": now,
                "session": facts.session,
                "identity": profile.identity if profile else "",
                "login": profile.login if profile else "",
                "listener": facts.listener,
                "client_address": facts.client_address,
                "client_name": facts.client_name[:_NAME_LIMIT],
                "reverse_path": facts.reverse_path,
                "recipients": len(facts.recipients),
                "message_bytes": facts.message_bytes,
                "action": decision.action.value,
                "reason": decision.reason.value if decision.reason else "",
                "held": len(decision.held) if decision.action is Action.ACCEPT else _all_if_held(facts, decision),
                "rule": decision.rule,
                "rulebook": rulebook,
                "origin": profile.place.origin.area if profile else "",
                "evidence": evidence_of(decision, profile),
                "new_recipients": len(new),
                "known_recipients": len(known),
                "marks": b"".join(_MARK.pack(mark) for mark in (*new, *known, *held)),
            },
        )

    def end_submissions(self, outcomes: Mapping[str, Outcome]) -> Mapping[str, Reached]:
        """By submission whom it reached, if it was relayed; none where the record, or its identity, is gone."""
        ended = [(one, end.outcome, end.queue_id, end.held_queue_id) for one, end in outcomes.items()]
        if not ended:
            return {}
        rows = self._statements.execute(_ENDS, {"ended": json.dumps(ended)}).fetchall()
        return {
            submission: Reached(identity, unpacked(marks)[:number], held > 0, at)
            for submission, identity, marks, number, held, at in rows
            if identity
        }

    def failed(self, submission: str) -> Failed | None:
        """None where the record, or its identity, is gone."""
        rows = self._statements.execute(_FAILED, {"asked": submission}).fetchall()
        for identity, name, at, number, held, marks, new, evidence in rows:
            is_elsewhere = bool(json.loads(evidence or "{}").get("elsewhere"))
            return Failed(identity, name, at, number - held, len(set(unpacked(marks)[:new])), is_elsewhere, held)
        return None

    def drop(self, submission: str) -> None:
        """There are too many like it."""
        self._statements.execute(_DROP, {"asked": submission})

    def note_reported(self, submission: str, places: Sequence[int], before: bytes | None, delivered: int) -> None:
        """Deliveries to the recipients at these places of the marks were reported; `before` are those until now.

        `delivered` says how many of these have it.
        """
        bits = int.from_bytes(before or b"") | sum(1 << place for place in set(places))
        octets = bits.to_bytes((bits.bit_length() + 7) // 8)
        self._statements.execute(_REPORT, {"asked": submission, "bits": octets, "got": delivered})


def unpacked(marks: bytes | None) -> tuple[int, ...]:
    """Nothing of a submission that is older than they are."""
    return tuple(mark for (mark,) in _MARK.iter_unpack(marks or b""))


def evidence_of(decision: Decision, profile: Profile | None) -> str:
    """JSON: what `sallyport explain` prints."""
    place = profile.place if profile else None
    return to_json(
        {
            "rule": decision.rule,
            "seen": decision.seen,
            "stood": list(map(tuple, decision.stood)),  # named ones take it twice as long
            "signals": [[one.kind, one.evidence, told(one.evidence)] for one in decision.signals],
            "observed": decision.observed,
            "standing": [decision.standing.step, decision.standing.home],
            "elsewhere": place.is_elsewhere if place else False,
            "place": [
                place.origin.network,
                place.origin.area,
                "settled" if place.is_settled else "probation",
                place.is_home,
            ]
            if place
            else None,
        }
    ).decode()


def _sorted_marks(profile: Profile | None, decision: Decision) -> tuple[list[int], list[int], list[int]]:
    """Of the recipients outside of this server: new and known ones that it goes to, and those that it is held for."""
    new, known, held = list[int](), list[int](), list[int]()
    for place, one in enumerate(profile.recipients if profile else ()):
        if one.is_internal:
            continue
        goes = decision.action is Action.ACCEPT and place not in decision.held
        (held if not goes else new if one.is_new else known).append(one.mark)
    return new, known, held


def _all_if_held(facts: MessageFacts, decision: Decision) -> int:
    return len(facts.recipients) if decision.action is Action.HOLD else 0


def find_submission(engine: Engine, submission: str) -> Record | None:
    """What the id in a Received field stands for; None where it is too old, or none of ours."""
    return next(_records(engine, _columns(Record).where(Submissions.id == submission)), None)


def owners_of(engine: Engine, submissions: Iterable[str]) -> dict[str, Owner]:
    """Of those that are known, some at a time."""
    asked, owners = iter(submissions), dict[str, Owner]()
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        while some := list(islice(asked, _PAGE)):
            row = Submissions
            wanted = select(row.id, row.identity, row.login).where(row.id.in_(some))
            owners |= {submission: Owner(*owner) for submission, *owner in connection.execute(wanted)}
    return owners


def newest_submissions(engine: Engine, identity: str | None, limit: int, before: str | None = None) -> list[Submission]:
    """Newest first, of everybody or of one identity; the page after the submission `before`."""
    row = Submissions
    wanted = _columns(Submission).order_by(row.at.desc(), row.id.desc()).limit(limit)
    wanted = wanted if identity is None else wanted.where(row.identity == identity)
    if before is not None:
        place = select(row.at, row.id).where(row.id == before).subquery()
        wanted = wanted.join(place, tuple_(row.at, row.id) < tuple_(place.c.at, place.c.id))
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        return [Submission(*row) for row in connection.execute(wanted)]


def records_since(engine: Engine, since: float) -> Iterator[Record]:
    """All from that moment on in the order in which they came, a page at a time: there may be very many."""
    at, last = since, ""
    while True:
        place = tuple_(Submissions.at, Submissions.id) > tuple_(literal(at), literal(last))
        wanted = _columns(Record).where(place).order_by(Submissions.at, Submissions.id).limit(_PAGE)
        page = list(_records(engine, wanted))
        yield from page
        if len(page) < _PAGE:
            return
        at, last = page[-1].at, page[-1].id


def _columns(row: type[Submission]) -> Select[Any]:
    return select(*(Submissions.__table__.c[field.name] for field in fields(row)))


def _records(engine: Engine, wanted: Select[Any]) -> Iterator[Record]:
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        yield from [Record(*row) for row in connection.execute(wanted)]

"""Who is told what: rows written in the transaction of what they are about, carried by policy/alerting/ afterwards.

notices.py            (you are here) written by whatever happens
notice_desk.py        claimed, sent, given up, listed
alerting/pacing.py    when a row becomes a message

A channel is a way to somebody: administrator, owner:IDENTITY, webhook:NAME, apprise:NAME. Whatever happens while a row
of the same thread and channel still waits for its first message is added to that row: rows are bounded, whatever storm
there is. A row that somebody is trying to send is not touched.

Whoever tells leaves out what must be in no mail and no log: secrets, and logins that were tried.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TypedDict, Unpack

from sqlalchemy import Connection

from policy.alerting.kinds import Kind
from policy.alerting.undelivered import Undelivered
from policy.store.statements import OnConnection, prepared
from policy.store.transactions import Statements
from service.sentence import packed

ADMINISTRATOR = "administrator"
OWNER = "owner"
WEBHOOK = "webhook"
APPRISE = "apprise"
FORGOTTEN = packed(Undelivered.CHANNEL_GONE.of())  # the problem of a notice that nobody has to miss
# A channel whose sender has not been seen for so long is gone: nobody writes for it any more.
CHANNEL_KEPT_S = 7 * 86400.0

_SUBJECT_LIMIT, _LINES_LIMIT, _LINE_LIMIT = 150, 50, 500

# The + keeps SQLite from an index on what is not sent: the thread's own rows are fewer.
_WAITS = (
    "notice.thread = :thread AND +notice.sent_at IS NULL AND +notice.given_up_at IS NULL"
    " AND notice.tries = 0 AND notice.claimed_until = 0"
)
# The administrator, and every channel that has a sender (table presence).
_ALL_BUT_OWNERS = (
    "SELECT CAST('administrator' AS VARCHAR) AS name"
    " UNION ALL SELECT SUBSTR(presence.name, 9) FROM presence"
    " WHERE presence.name LIKE 'channel:%' AND presence.at > :edge"
)
# A further signal does not take the place of what is graver: only the row's count says that it came.
_MERGED = (
    "UPDATE notice SET count = count + 1,"  # noqa: S608 - constants of this module
    " subject = CASE WHEN :kind = 'signal' AND kind <> 'signal' THEN subject ELSE :subject END,"
    " content = CASE WHEN :kind = 'signal' AND kind <> 'signal' THEN content ELSE :content END,"
    " due_at = CASE WHEN :kind <> 'signal' AND kind <> :kind THEN :now ELSE due_at END,"  # it may not have to wait
    " kind = CASE WHEN :kind = 'signal' THEN kind ELSE :kind END"
    f" WHERE {_WAITS}"
)
_MERGE = prepared(f"{_MERGED} AND channel NOT LIKE 'owner:%'")
_ADD = prepared(
    "INSERT INTO notice (at, kind, thread, channel, subject, content, count, due_at, tries, claimed_until)"  # noqa: S608
    " SELECT CAST(:now AS DOUBLE PRECISION), CAST(:kind AS VARCHAR), CAST(:thread AS VARCHAR), wanted.name,"
    " CAST(:subject AS VARCHAR), CAST(:content AS VARCHAR), 1, CAST(:now AS DOUBLE PRECISION), 0, 0"
    f" FROM ({_ALL_BUT_OWNERS}) AS wanted"
    f" WHERE NOT EXISTS (SELECT 1 FROM notice WHERE {_WAITS} AND notice.channel = wanted.name)"
)
_MERGE_ONE = prepared(f"{_MERGED} AND channel = :channel")
_ADD_ONE = prepared(
    "INSERT INTO notice (at, kind, thread, channel, subject, content, count, due_at, tries, claimed_until)"
    " VALUES (:now, :kind, :thread, :channel, :subject, :content, 1, :now, 0, 0)"
)
_LAST_AT = prepared("SELECT MAX(at) FROM notice WHERE thread = :thread AND channel = 'administrator'")

_LAST_CONTENT = prepared(
    "SELECT content FROM notice WHERE thread = :thread AND channel = 'administrator' ORDER BY id DESC LIMIT 1"
)


def thread_of(incident: int) -> str:
    """All that is told about an incident is one conversation."""
    return f"incident:{incident}"


def owner_channel(identity: str) -> str:
    """To the owner of an identity."""
    return f"{OWNER}:{identity}"


class NoticeBook:
    """Runs in the transactions of whoever has `statements`."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def add(
        self,
        kind: Kind,
        subject: str,
        lines: Sequence[str],
        now: float,
        *,
        thread: str = "",
        facts: Mapping[str, object] | None = None,
        owner: str = "",
    ) -> None:
        """Tell the administrator, and the owner of the identity `owner` where there is one.

        `subject` is one line that says what happened; `lines` say what there is to know and do; `facts` are for
        programs, and for the words to an owner. Without a `thread` all of a kind are one conversation.
        """
        values = {
            "kind": kind.value,
            "thread": thread or kind.value,
            "subject": plain(subject, _SUBJECT_LIMIT),
            "content": _content(lines, facts),
        }
        self._statements.execute(_MERGE, {**values, "now": now})
        self._statements.execute(_ADD, {**values, "now": now, "edge": now - CHANNEL_KEPT_S})
        if owner:
            self._add_one(owner_channel(owner), values, now)

    def add_for_owner(
        self, owner: str, kind: Kind, subject: str, now: float, *, thread: str = "", facts: Mapping[str, object]
    ) -> None:
        """Tell the owner alone."""
        values = {
            "kind": kind.value,
            "thread": thread or kind.value,
            "subject": plain(subject, _SUBJECT_LIMIT),
            "content": _content((), facts),
        }
        self._add_one(owner_channel(owner), values, now)

    def is_told(self, thread: str, since: float) -> bool:
        """Whether anything of this thread has been told since then."""
        ((at,),) = self._statements.execute(_LAST_AT, {"thread": thread}).fetchall()
        return at is not None and at >= since

    def last_level(self, thread: str) -> str:
        """Of what is measured: the level that was told last; empty where none ever was."""
        for (content,) in self._statements.execute(_LAST_CONTENT, {"thread": thread}).fetchall():
            return str(json.loads(content)["facts"].get("level", ""))
        return ""

    def _add_one(self, channel: str, values: Mapping[str, object], now: float) -> None:
        told = {**values, "channel": channel, "now": now}
        if not self._statements.execute(_MERGE_ONE, told).rowcount:
            self._statements.execute(_ADD_ONE, told)


class More(TypedDict, total=False):
    """What NoticeBook.add may be given beside what it must."""

    thread: str
    facts: Mapping[str, object]
    owner: str


def add_notice(
    connection: Connection, kind: Kind, subject: str, lines: Sequence[str], now: float, **more: Unpack[More]
) -> None:
    """NoticeBook.add within a transaction of SQLAlchemy's."""
    NoticeBook(OnConnection(connection)).add(kind, subject, lines, now, **more)


def plain(text: str, limit: int = _LINE_LIMIT) -> str:
    """On one line, whatever a stranger has chosen of it."""
    return "".join(one if one.isprintable() else " " for one in text[:limit])


def _content(lines: Sequence[str], facts: Mapping[str, object] | None) -> str:
    told = [plain(line) for line in lines[:_LINES_LIMIT]]
    return json.dumps({"lines": told, "facts": dict(facts or {})})

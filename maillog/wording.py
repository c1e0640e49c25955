"""What the daemons of Postfix write, 2.x to 3.x. A table of daemons; each reader takes the text and finds an event.

Postfix shows a control character as a question mark, so no address can end a line. Everything else in a line may be a
stranger's: a reader takes what comes first, which is Postfix's own.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from maillog.events import (
    Deleted,
    Delivered,
    Event,
    Expired,
    Freed,
    Held,
    LoginFailed,
    LogLine,
    Named,
    Queued,
    Received,
    Refused,
    Removed,
    Renewed,
    Reported,
)

_NO_QUEUE = "NOQUEUE"
# Each repetition has a bound: what is a stranger's must not make a search long.
_ADDRESS = r"""("(?:[^"\\]|\\.){0,320}"@[^>]{0,255}|.{0,330}?)"""  # a local part in quotes may have all that ends one
_CLIENT = re.compile(
    r"client=([^\[]*)\[([^\]]*)\](?::\d+)?"
    rf"(?:, sasl_method=([^,]*))?(?:, sasl_username={_ADDRESS})?(?:, sasl_sender=.{{0,330}}?)?"
    r"(?:, orig_queue_id=([^,]*))?(?:, orig_client=.*)?$"
)
_FROM = re.compile(r"from=<(.*)>, size=(\d{1,15}), nrcpt=(\d{1,9})")
_EXPIRED = re.compile(r"from=<.*>, status=(?:force-)?expired, ")  # force-: postsuper -e, 3.5 and later
_RENEWED = re.compile(r"uid=\d{1,10} from=<.*> orig_id=([0-9A-Za-z]{6,25})$")
_REPORTED = re.compile(r"(?:sender|postmaster) [a-z -]{1,40} notification: ([0-9A-Za-z]{6,25})$")
_TO = re.compile(
    rf"to=<{_ADDRESS}>, (?:orig_to=<{_ADDRESS}>, )?relay=(.{{0,400}}?), (?:conn_use=\d+, )?delay=[\d.]+, "
    r"(?:delays=[\d./]+, )?(?:dsn=([245]\.\d{1,3}\.\d{1,3}), )?status=([a-zA-Z-]{1,30})(?: \((.*?)\)?)?$"
)
_REFUSAL = re.compile(r"(?:milter-)?(?:reject|discard): (.{1,60}?) from ([^\[;]{0,260})\[([^\]]{0,60})\](?::\d+)?: ")
_CONTENT_REFUSAL = re.compile(
    r"(?:reject|discard): (header|body|mime-error) .* from ([^\[; ]{0,260})\[([^\]]{0,60})\](?=; from=<)"
)
_WHOSE = re.compile(
    rf"from=<{_ADDRESS}>(?: to=<{_ADDRESS}>)?(?: proto=\S*)?(?: helo=<.{{0,330}}?>)?"
    rf"(?: sasl_username=<{_ADDRESS}>)?(?::.*)?$"
)
_LOGIN_FAILED = re.compile(r"([^\[]{0,260})\[([^\]]{0,60})\](?::\d+)?: SASL (\S{1,40}) authentication failed")
_TIMES = re.compile(r"(?:last )?message repeated (\d{1,9}) times?(?:: \[ ?(.*)\])?", re.DOTALL)
_TIMES_LIMIT = 10_000
_HOSTS_LIMIT = 10_000  # what they wrote last is remembered
_QUEUE_ID_LIMIT = 25
# Stages of a session at which a refusal is of the whole message. (At RCPT it is of a recipient.)
_WHOLE = ("DATA", "END-OF-MESSAGE", "BDAT", "header", "body", "mime-error")

_POSTSUPER: Mapping[str, Callable[[float, str], Event]] = {
    "removed": Deleted,
    "placed on hold": Held,
    "released from hold": Freed,
}

Reader = Callable[[float, str, str, str], Event | None]  # at, listener, queue id, text behind it


def _smtpd(at: float, listener: str, queue_id: str, text: str) -> Event | None:
    if text.startswith("client="):
        found = _CLIENT.match(text)
        if not found or queue_id == _NO_QUEUE:
            return None
        name, address, method, username, original = found.groups("")
        return Received(at, queue_id, name, address, method, username, listener, original)
    if queue_id == "warning":
        return _login_failed(at, text)
    return _held_or_refused(at, queue_id, text)


def _cleanup(at: float, _listener: str, queue_id: str, text: str) -> Event | None:
    if text.startswith(("message-id=", "resent-message-id=")):
        return Named(at, queue_id, text.partition("=")[2].strip("<>"))
    return _held_or_refused(at, queue_id, text)


def _qmgr(at: float, _listener: str, queue_id: str, text: str) -> Event | None:
    if text == "removed":
        return Removed(at, queue_id)
    if found := _FROM.match(text):
        return Queued(at, queue_id, found[1], int(found[2]), int(found[3]))
    return Expired(at, queue_id) if _EXPIRED.match(text) else None


def _pickup(at: float, _listener: str, queue_id: str, text: str) -> Event | None:
    found = _RENEWED.match(text)
    return Renewed(at, queue_id, found[1]) if found else None


def _postsuper(at: float, _listener: str, queue_id: str, text: str) -> Event | None:
    made = _POSTSUPER.get(text)
    return made(at, queue_id) if made else None


def _bounce(at: float, _listener: str, queue_id: str, text: str) -> Event | None:
    found = _REPORTED.match(text)
    return Reported(at, queue_id, found[1]) if found else None


def _delivery(at: float, _listener: str, queue_id: str, text: str) -> Event | None:
    found = _TO.match(text) if text.startswith("to=<") else None
    if not found:
        return None
    recipient, original, relay, dsn, status, said = found.groups("")
    return Delivered(at, queue_id, recipient, original, relay, dsn, status.lower(), said)


_READERS: Mapping[str, Reader] = {
    "smtpd": _smtpd,
    "cleanup": _cleanup,
    "qmgr": _qmgr,
    "nqmgr": _qmgr,
    "oqmgr": _qmgr,
    "pickup": _pickup,
    "postsuper": _postsuper,
    "bounce": _bounce,
    "smtp": _delivery,
    "lmtp": _delivery,
    "local": _delivery,
    "virtual": _delivery,
    "pipe": _delivery,
    "error": _delivery,
    "retry": _delivery,
    "discard": _delivery,
}


def read_event(line: LogLine) -> Event | None:
    """None for what tells nothing, or is of another program."""
    path, slash, daemon = line.program.rpartition("/")
    reader = _READERS.get(daemon) if slash else None
    if reader is None:
        return None
    queue_id, colon, text = line.text.partition(": ")
    if not colon or len(queue_id) > _QUEUE_ID_LIMIT or " " in queue_id:
        return None
    return reader(line.at, path.partition("/")[2], queue_id, text)


def read_events(lines: Iterable[LogLine]) -> Iterator[tuple[str, Event]]:
    """Host and event; where syslog says that a line came again, its event comes again with the number of times."""
    last = dict[str, Event | None]()
    for line in lines:
        if "repeated " in line.text and (found := _TIMES.match(line.text)):
            event = _again(line, found, last.get(line.host))
        else:
            event = read_event(line)
            if len(last) < _HOSTS_LIMIT or line.host in last:
                last[line.host] = event
        if event is not None:
            yield line.host, event


def _again(line: LogLine, found: re.Match[str], before: Event | None) -> Event | None:
    """Refusals and failed logins count; whatever else comes twice tells nothing new."""
    event = read_event(line._replace(text=found[2])) if found[2] else before
    if isinstance(event, Refused | LoginFailed):
        return event._replace(at=line.at, times=min(int(found[1]), _TIMES_LIMIT))
    return None


def _login_failed(at: float, text: str) -> Event | None:
    """Who it was, 3.5 and later say; LOGIN may end before that is known."""
    found = _LOGIN_FAILED.match(text)
    if not found:
        return None
    username = text.partition(", sasl_username=")[2]
    return LoginFailed(at, found[1], found[2], found[3], "" if username == "(unavailable)" else username)


def _held_or_refused(at: float, queue_id: str, text: str) -> Event | None:
    if text.startswith("hold: ") and queue_id != _NO_QUEUE:
        return Held(at, queue_id)
    return _refused(at, queue_id, text)


def _refused(at: float, queue_id: str, text: str) -> Event | None:
    """`reject: RCPT from host[address]: 550 ...; from=<> to=<>`; of a header, the reply comes behind the addresses."""
    found = _REFUSAL.match(text) or _CONTENT_REFUSAL.match(text)
    if not found:
        return None
    stage, name, address = found.groups()
    said, _, whose = text[found.end() :].partition("; from=<")
    of = _WHOSE.match(f"from=<{whose}") if whose else None
    reverse_path, recipient, username = of.groups("") if of else ("", "", "")
    known = "" if queue_id == _NO_QUEUE else queue_id
    return Refused(at, known, stage.startswith(_WHOLE), name, address, reverse_path, recipient, username, said)

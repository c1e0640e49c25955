"""What the scanner is told of a message, and what its answers mean. Pure: no socket, no clock.

scan.py has the connection; this is the language on it: rspamd's POST /checkv2, whose protocol is written down at
https://docs.rspamd.com/developers/protocol. `User` is never told, nor is any other sign that a message was handed in
with a login: rspamd would switch checks off for it.

An answer is read strictly. What is not exactly as it must be is no answer (NoAnswer), and the message counts as one
that nobody has looked at: what is made of that says policy.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.relay_commands import Envelope
from policy.contract import Scan, ScanResult

ANSWER_LIMIT = 256 * 1024
# rspamd's HTTP parser takes 80 KiB of header in all; a newsletter's other recipients say nothing of its content.
_RECIPIENTS_TOLD = 100
_VALUE_LIMIT = 1000
_SYMBOLS_LIMIT = 50  # as many as the contract has room for
_SIGNATURES_LIMIT = 8
_SIGNATURE_LIMIT = 4096
_LINE_LIMIT = 998
_LARGEST = 1e9  # score; NaN and what is no float are not below it

# Controls, and what some reader takes for a line end: with one in it, a value would be a field of the sender's own.
_UNSAFE = re.compile("[\x00-\x20\x7f-\xa0%\u2028\u2029\ud800-\udfff]")
_SYMBOL = re.compile(r"[A-Za-z0-9_.-]{1,80}")
# A field body of RFC 6376 section 3.5, folded (RFC 5322 section 2.2.3).
_SIGNATURE = re.compile(r"v=1;[ -~\t]*(?:\r\n[ \t][ -~\t]*[!-~][ -~\t]*)*")
_LINE_END = re.compile(r"\r?\n")

_RESULTS: Mapping[str, ScanResult] = {
    "no action": ScanResult.CLEAN,
    "greylist": ScanResult.CLEAN,  # come again later: for strangers' servers
    "add header": ScanResult.SUSPICIOUS,
    "rewrite subject": ScanResult.SUSPICIOUS,
    "reject": ScanResult.SPAM,
    "soft reject": ScanResult.SILENT,  # it ran out of time
}
_VIRUS, _VIRUS_FAIL = "_VIRUS", "_VIRUS_FAIL"  # ends of the antivirus module's symbols: found one; could not look


class NoAnswer(Exception):
    """The scanner has not said what it makes of a message. The text is for the log: none of the answer is in it."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """What the scanner says, and the DKIM-Signature fields that it made, each with its CRLF, the first one on top."""

    scan: Scan
    signatures: bytes = b""


SILENT = Scanned(Scan(result=ScanResult.SILENT))


def fields(envelope: Envelope) -> list[tuple[str, str]]:
    """The header of the question. Names are fixed; what a client has chosen is only ever a value."""
    told = [
        ("Ip", envelope.client_address),
        ("Helo", envelope.client_name),
        ("From", f"<{envelope.reverse_path}>"),
        ("Queue-Id", envelope.submission),
        *(("Rcpt", f"<{one.address}>") for one in envelope.recipients[:_RECIPIENTS_TOLD]),
    ]
    return [(name, _safe(value)) for name, value in told]


def read(answer: bytes) -> Scanned:
    """NoAnswer where it is none, or where the message was not really scanned."""
    try:
        said = json.loads(answer)
    except (ValueError, RecursionError):
        raise NoAnswer("no JSON") from None
    if not isinstance(said, dict):
        raise NoAnswer("no object")
    action = said.get("action")
    result = _RESULTS.get(action) if isinstance(action, str) else None
    if result is None:
        raise NoAnswer("unknown action")
    symbols = _symbols(said.get("symbols", {}))
    result = _with_virus(result, symbols)
    if result is ScanResult.SILENT or (said.get("is_skipped") is not False and result is ScanResult.CLEAN):
        raise NoAnswer("not scanned")
    signatures = _signatures(said.get("dkim-signature", []))
    scan = Scan(result=result, score=_number(said.get("score")), symbols=tuple(symbols)[:_SYMBOLS_LIMIT])
    return Scanned(scan, signatures)


def _safe(value: str) -> str:
    """Other letters than ASCII stay what they are: an address may have them (RFC 6531)."""
    return _UNSAFE.sub(_encoded, value[:_VALUE_LIMIT])


def _encoded(match: re.Match[str]) -> str:
    return "".join(f"%{octet:02X}" for octet in match[0].encode("utf-8", "surrogatepass"))


def _symbols(said: object) -> list[str]:
    """The heaviest first; those without weight say only what a message is like, and come last."""
    if not isinstance(said, dict):
        raise NoAnswer("symbols are no object")
    weights: list[tuple[float, str]] = []
    for name, found in said.items():
        if not _SYMBOL.fullmatch(name) or not isinstance(found, dict):
            raise NoAnswer("not a symbol")
        weights.append((_number(found.get("metric_score", found.get("score", 0))), name))
    return [name for _, name in sorted(weights, key=lambda one: (-abs(one[0]), one[1]))]


def _with_virus(result: ScanResult, symbols: Iterable[str]) -> ScanResult:
    if any(name.endswith(_VIRUS) for name in symbols):
        return ScanResult.MALWARE
    # Whoever has an antivirus wants its word, and spam is spam without it.
    has_failed = any(name.endswith(_VIRUS_FAIL) for name in symbols)
    return ScanResult.SILENT if has_failed and result is not ScanResult.SPAM else result


def _signatures(said: object) -> bytes:
    bodies = [said] if isinstance(said, str) else said
    if not isinstance(bodies, list) or len(bodies) > _SIGNATURES_LIMIT:
        raise NoAnswer("signatures are no list")
    return b"".join([_field(body) for body in bodies])


def _field(body: object) -> bytes:
    folded = _LINE_END.sub("\r\n", body) if isinstance(body, str) else ""
    is_fine = len(folded) <= _SIGNATURE_LIMIT and _SIGNATURE.fullmatch(folded)
    if not is_fine or any(len(line) > _LINE_LIMIT for line in f"DKIM-Signature: {folded}".split("\r\n")):
        raise NoAnswer("not a signature")
    return f"DKIM-Signature: {folded}\r\n".encode("ascii")


def _number(said: object) -> float:
    if isinstance(said, bool) or not isinstance(said, int | float) or not abs(said) < _LARGEST:
        raise NoAnswer("not a number")
    return float(said)

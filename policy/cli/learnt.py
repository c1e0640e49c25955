"""What `sallyport learn` says when it is done: for people in sentences, for programs as one JSON document."""

import json
from collections.abc import Iterator
from dataclasses import asdict

from policy.learning.learner import SHOWN, Summary
from policy.visible import visible


def show(summary: Summary, *, is_rehearsal: bool, as_json: bool) -> None:
    """What was learnt, of whom, and what was not."""
    if as_json:
        print(json.dumps(_document(summary, is_rehearsal)))
        return
    for line in _lines(summary, is_rehearsal):
        print(line)


def _document(summary: Summary, is_rehearsal: bool) -> dict[str, object]:
    return {
        "dry_run": is_rehearsal,
        "messages": summary.messages,
        "recipients": summary.recipients,
        "new": summary.new.total(),
        "identities": summary.new,
        "known": summary.known,
        "too_old": summary.too_old,
        "too_many": summary.too_many,
        "passed_over": summary.passed_over,
        "unknown": summary.unknown,
        "broken": summary.broken,
        "first_broken": [asdict(one) for one in summary.first_broken],
    }


def _lines(summary: Summary, is_rehearsal: bool) -> Iterator[str]:
    new, whose = summary.new.total(), len(summary.new)
    words = "would be learnt, nothing was changed" if is_rehearsal else "learnt"
    of_whom = _count(whose, "identity", "identities")
    yield f"{new} new recipients of {of_whom} {words}; {summary.known} were known already"
    if whose > 1:
        yield from (f"  {name}: {count}" for name, count in summary.new.most_common(SHOWN))
    if whose > SHOWN:
        yield f"  and {whose - SHOWN} more: sallyport learn show"
    yield f"read: {_count(summary.messages, 'message', 'messages')} with {summary.recipients} recipients"
    for why, count in summary.passed_over.most_common():
        yield f"passed over, {why}: {count}"
    if summary.too_old:
        yield f"not learnt, too old: {summary.too_old}"
    if summary.too_many:
        yield f"not learnt, because of --most: {summary.too_many}"
    yield from _unknown(summary)
    yield from _broken(summary)


def _unknown(summary: Summary) -> Iterator[str]:
    if not summary.unknown:
        return
    shown = [f"{visible(name)} ({count})" for name, count in summary.unknown.most_common(SHOWN)]
    more = len(summary.unknown) - len(shown)
    messages = _count(summary.unknown.total(), "message", "messages")
    yield f"not learnt, of nobody here: {messages} of {_count(len(summary.unknown), 'name', 'names')}"
    yield f"  {', '.join(shown)}{f' and {more} more' if more else ''}"
    yield "  a name is a login, an identity's name or an address; --map FILE (maillog, csv) says whose it is"


def _broken(summary: Summary) -> Iterator[str]:
    if summary.broken:
        yield f"could not be read: {summary.broken}"
        yield from (f"  {visible(one.where)}: {visible(one.why)}" for one in summary.first_broken)


def _count(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"

"""What an administrator reads: subject and lines of a message. Pure. An owner's words are in owner_words.py.

What happened and what is done already are the lines of the notice, written with what it is about; what to do next is
said here, with commands that can be pasted and the page of the console. Nobody looks a number up at three at night.
"""

from collections import Counter
from collections.abc import Mapping

from policy.alerting.kinds import Kind
from policy.alerting.parcels import Notice, Parcel

_LISTED = 50  # subjects of notices that go together
_ASK = "Ask {identity}, by telephone and not by mail, whether it was them: a thief may read the mailbox."
_LOOK = "Look at it: sallyport incident {incident}"
_RELEASE = "If it was the owner, undo all of it: sallyport release {incident}"
_PURGE = "If it was theft, delete what is held, for good: sallyport purge {incident}"
_ANEW = "Give the owner a new login for each device: sallyport credential add {identity} --label 'new device'"
_SHUT_OUT = (
    "If it was theft, or nobody can be asked, shut out every login at once: sallyport contain {identity}"
    " (it can be undone)"
)
_STEPS: Mapping[Kind, tuple[str, ...]] = {
    Kind.INCIDENT_OPENED: (_LOOK, _ASK, _RELEASE, _SHUT_OUT, _PURGE),
    Kind.INCIDENT_ESCALATED: (_SHUT_OUT, _LOOK, _ASK, _RELEASE, _PURGE),
    Kind.INCIDENT_CONTAINED: (_LOOK, _ASK, _RELEASE, _PURGE, _ANEW),
    Kind.INCIDENT_RELEASED: ("Nothing, unless it was theft after all: sallyport contain {identity}",),
    Kind.INCIDENT_PURGED: (_ANEW, "Warn who got something; they are listed: sallyport incident {incident}"),
}
_PAGES = {  # of the console; the first of which all is known
    "incident": "/staff/incidents/{incident}",
    "identity": "/staff/identities/{identity}",
}


def words_of(parcel: Parcel, console_url: str = "") -> tuple[str, list[str]]:
    """Subject and lines for an administrator. An empty `console_url` is named nowhere."""
    newest = parcel.newest
    if len(parcel.notices) > 1:
        return _words_together(parcel)
    lines = [*newest.lines, "", f"What this means: {newest.about.means}", *_what_next(newest, console_url)]
    if newest.count > 1:
        lines += ["", f"This was the last of {newest.count} since the mail before; the log of policy has them all."]
    return newest.subject, lines


def _what_next(notice: Notice, console_url: str) -> list[str]:
    known = {name: str(value) for name, value in notice.facts.items() if name in _PAGES and value}
    steps = [step.format(**known) for step in _STEPS.get(notice.kind, ()) if _is_known(step, known)]
    if steps:
        lines = ["", "What to do next:", *(f"  {number}. {step}" for number, step in enumerate(steps, 1))]
    else:
        lines = [f"What to do: {_filled(notice.about.todo, known)}."]
    page = next((page for name, page in _PAGES.items() if name in known), "/staff")
    return [*lines, "", f"In the console: {console_url}{page.format(**known)}"] if console_url else lines


def _is_known(step: str, known: Mapping[str, str]) -> bool:
    return all(f"{{{name}}}" not in step or name in known for name in _PAGES)


def _filled(todo: str, known: Mapping[str, str]) -> str:
    """NUMBER and NAME are what docs/alerts.md says for them."""
    return todo.replace("NUMBER", known.get("incident", "NUMBER")).replace("NAME", known.get("identity", "NAME"))


def _words_together(parcel: Parcel) -> tuple[str, list[str]]:
    kinds = Counter[Kind]()
    for one in parcel.notices:
        kinds[one.kind] += one.count
    of_each = ", ".join(f"{kind.value} {number}" for kind, number in kinds.most_common())
    last = parcel.notices[-_LISTED:]
    lines = [f"There is too much for a mail of each within this hour; these are the last {len(last)}:", ""]
    lines += [f"    {one.moment} {one.subject}" for one in last]
    return f"{parcel.count} alerts: {of_each}", [*lines, "", "All of them: sallyport alert list"]

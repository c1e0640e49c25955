"""A policy changed: typed, checked, tried on what was recorded, saved.

    check   what is wrong with it, line by line; what it would change; and the what-if begins
    save    only a text that was checked as it is, over the file that it was made from, with a fresh second factor

What was typed is in the form of every answer, and in the draft: it survives the second factor.
"""

import contextlib
import re
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote_plus

from starlette.responses import Response
from starlette.routing import Route

from policy.console.confirm import to_confirm
from policy.console.parts import Parts
from policy.console.routes import STAFF, staff_route
from policy.console.staff.drafts import Draft, checked
from policy.console.staff.what_if import MOST_JUDGED, MOST_READ
from policy.console.visit import Visit
from policy.engine.rulebook import Rulebook
from policy.people.desk import Session
from policy.people.roles import Right
from policy.rulebook import PolicyFileError, parse
from policy.rulebook.at_hand import FileAtHand
from policy.rulebook.own import own_part
from policy.rulebook.replacing import ChangedMeanwhile
from policy.store.newest_records import has_records
from policy.store.policy_book import NewPolicy
from policy.store.rulebooks import kept_rulebooks

POLICY = f"{STAFF}/policy"
EDIT = f"{POLICY}/edit"
WHAT_IF = f"{POLICY}/what-if"
_DIGEST = re.compile(r"[0-9a-f]{16}")
_LONGEST_ENCODED = 60_000  # of a form, in octets; guard.py takes 64 KiB
LONGEST = 20_000  # characters, each of which may be three octets there


def routes(parts: Parts) -> list[Route]:
    return [
        staff_route(parts, "GET", EDIT, Right.RULE, show),
        staff_route(parts, "POST", f"{POLICY}/check", Right.RULE, check),
        staff_route(parts, "POST", f"{POLICY}/save", Right.RULE, save),
        staff_route(parts, "POST", f"{POLICY}/discard", Right.RULE, discard),
        staff_route(parts, "GET", WHAT_IF, Right.RULE, show_what_if),
        staff_route(parts, "POST", WHAT_IF, Right.RULE, start_what_if),
        staff_route(parts, "POST", f"{WHAT_IF}/cancel", Right.RULE, cancel_what_if),
    ]


async def show(visit: Visit, session: Session) -> Response:
    """An earlier policy where one is asked for, what was begun, or the file as it is."""
    file = await visit.call(visit.parts.policy_desk.file)
    draft = visit.parts.policy_desk.drafts.of(session.identity)
    if digest := visit.request.query_params.get("from", ""):
        text = await visit.call(_earlier, visit, digest)
        if text is None:
            said = visit.language.say("This policy cannot be had any more: it is of another version, or never was.")
            return visit.page("message.html", {"session": session, "error": said}, HTTPStatus.NOT_FOUND)
        return await _page(visit, session, Draft.unchecked(text, file.stamp))
    if draft is None:
        draft = Draft.unchecked(await visit.call(_text_of, visit, file), file.stamp)
    return await _page(visit, session, draft)


async def check(visit: Visit, session: Session) -> Response:
    form = await visit.form()
    if refusal := await _refused(visit, session, form):
        return refusal
    draft = await visit.call(_checked, visit, form)
    await _keep(visit, session, draft)
    return visit.redirect(EDIT)


async def save(visit: Visit, session: Session) -> Response:
    form, desk = await visit.form(), visit.parts.policy_desk
    if refusal := await _refused(visit, session, form):
        return refusal
    draft = desk.drafts.of(session.identity)
    if draft is None or not draft.is_of(_typed(form), form.get("read", "")):
        draft = await visit.call(_checked, visit, form)
        await _keep(visit, session, draft)
        text = visit.language.say("This text was not checked yet. It is now, and nothing was saved: look at it first.")
        return await _page(visit, session, draft, text)
    if draft.rulebook is None:
        return visit.redirect(EDIT)
    return to_confirm(visit, session, EDIT) or await _save(visit, session, draft, draft.rulebook)


async def discard(visit: Visit, session: Session) -> Response:
    await visit.form()
    visit.parts.policy_desk.drafts.drop(session.identity)
    return visit.redirect(POLICY)


async def show_what_if(visit: Visit, session: Session) -> Response:
    """The part of the page that is asked for again and again while it runs."""
    draft = visit.parts.policy_desk.drafts.of(session.identity)
    return visit.page("staff/policy_what_if.html", {"session": session, **_what_if(visit, session, draft)})


async def start_what_if(visit: Visit, session: Session) -> Response:
    await visit.form()
    draft = visit.parts.policy_desk.drafts.of(session.identity)
    if draft:
        await _try(visit, session, draft)
    return visit.redirect(EDIT)


async def cancel_what_if(visit: Visit, _: Session) -> Response:
    """Also that of somebody else, who may have gone home."""
    await visit.form()
    await visit.parts.policy_desk.what_ifs.close()
    return visit.redirect(EDIT)


# What is done


async def _refused(visit: Visit, session: Session, form: Mapping[str, str]) -> Response | None:
    """A text that would take the whole console's time to read."""
    if len(_typed(form)) <= LONGEST:
        return None
    text = visit.language.say("This is too long for the console. Use the command line for it.")
    return await _page(visit, session, Draft.unchecked(_typed(form), form.get("read", "")), text)


async def _keep(visit: Visit, session: Session, draft: Draft) -> None:
    visit.parts.policy_desk.drafts.put(session.identity, draft)
    await _try(visit, session, draft)


async def _try(visit: Visit, session: Session, draft: Draft) -> None:
    """Where there is something to try, and something to try it on."""
    desk, engine = visit.parts.policy_desk, visit.parts.engine
    has_something = bool(draft.changes) and await visit.call(has_records, engine)
    if has_something:
        before = await visit.call(_replaced, visit)
        await desk.what_ifs.start(session.identity, draft.digest, desk.job(before, draft.text))


async def _save(visit: Visit, session: Session, draft: Draft, rulebook: Rulebook) -> Response:
    desk, store = visit.parts.policy_desk, visit.parts.store_of(session, visit.visitor)
    before = await visit.call(_replaced, visit)
    new = NewPolicy(
        path=desk.path,
        text=draft.text,
        before=before.digest,
        after=rulebook.digest,
        changes=[str(one) for one in draft.changes],
        read=draft.read,
    )
    try:
        await visit.call(store.apply_policy, new, visit.now)
    except ChangedMeanwhile:
        return await _page(visit, session, draft)
    except OSError:
        text = visit.language.say("The file cannot be written from here, and nothing was changed.")
        return await _page(visit, session, draft, text)
    desk.drafts.drop(session.identity)
    return visit.redirect(POLICY)


def _checked(visit: Visit, form: Mapping[str, str]) -> Draft:
    """Reads the file. `onto` is there where somebody has seen that the file has changed meanwhile."""
    return checked(_typed(form), form.get("onto") or form.get("read", ""), _replaced(visit))


def _replaced(visit: Visit) -> Rulebook:
    """Waits for file and database."""
    desk = visit.parts.policy_desk
    return desk.replaced(desk.file(), visit.parts.rulebook())


def _typed(form: Mapping[str, str]) -> str:
    """As a file has it; browsers send CRLF."""
    text = form.get("text", "").replace("\r\n", "\n").replace("\r", "\n")
    return text if not text or text.endswith("\n") else f"{text}\n"


def _text_of(visit: Visit, file: FileAtHand) -> str:
    """What the file says, comments and all; what is its own in the policy in force, where it is out of sight."""
    if visit.parts.policy_desk.is_out_of_sight(file):
        return own_part(visit.parts.rulebook())
    return file.text or ""


def _earlier(visit: Visit, digest: str) -> str | None:
    if not _DIGEST.fullmatch(digest):
        return None
    for kept in kept_rulebooks(visit.parts.engine, digest, limit=1):
        with contextlib.suppress(PolicyFileError):
            return own_part(parse(kept.content, kept.digest))
    return None


# Pages


async def _page(visit: Visit, session: Session, draft: Draft, error: str = "") -> Response:
    desk = visit.parts.policy_desk
    file = await visit.call(desk.file)
    has_conflict = draft.read != file.stamp and not desk.is_out_of_sight(file)
    shown: dict[str, object] = {
        "session": session,
        "draft": draft,
        "changes": (await visit.call(_compared, visit, draft)).changes if has_conflict else draft.changes,
        "is_kept": draft is desk.drafts.of(session.identity),
        "file": file,
        "is_out_of_sight": desk.is_out_of_sight(file),
        "has_conflict": has_conflict,
        "is_too_long": len(quote_plus(draft.text.replace("\n", "\r\n"))) > _LONGEST_ENCODED,
        "longest": LONGEST,
        "error": error,
        **_what_if(visit, session, draft),
    }
    is_wrong = bool(error) or has_conflict
    return visit.page("staff/policy_edit.html", shown, HTTPStatus.CONFLICT if is_wrong else HTTPStatus.OK)


def _compared(visit: Visit, draft: Draft) -> Draft:
    """With the file as it is now."""
    return checked(draft.text, draft.read, _replaced(visit))


def _what_if(visit: Visit, session: Session, draft: Draft | None) -> dict[str, object]:
    """`other` is somebody else's that runs."""
    what_ifs = visit.parts.policy_desk.what_ifs
    run = what_ifs.of(session.identity, draft.digest) if draft else None
    other = what_ifs.running if what_ifs.running is not run else None
    return {"run": run, "other": other, "draft": draft, "most_read": MOST_READ, "most_judged": MOST_JUDGED}

"""A whole organisation at once, and a backup: what takes or gives a file.

A file is imported whole or not at all: every bad line is told, and then nothing is changed. The body is the file.
"""

import tempfile
from collections.abc import Iterator
from typing import IO, Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import StreamingResponse

from policy.api.bodies import EnrolledPerson, ImportedLine, PendingPerson, Text
from policy.api.caller import Caller, Keeper, Reader, Writer
from policy.enrolment.migration import Migrants, last_moment, pending, read_mailcow, read_passwd_file
from policy.enrolment.table import BadLine, FileRefused
from policy.enrolment.users import read_users
from policy.enrolment.words import Language
from policy.migrating.with_backups import rows_of
from policy.store.backup import back_up, note_backup
from policy.store.errors import StoreError
from policy.store.organisation import Enrolled, Organisation, organisation
from policy.store.people import MOST_DAYS
from policy.store.rows import Credential

router = APIRouter(tags=["files"])

_ARCHIVE = {"application/gzip": {"schema": {"type": "string", "format": "binary"}}}
_PIECE = 256 * 1024


class BadLines(StoreError):
    """Some lines are wrong, and nothing was imported."""

    def __init__(self, lines: list[BadLine]) -> None:
        are_wrong = "line is wrong" if len(lines) == 1 else "lines are wrong"
        super().__init__(f"{len(lines)} {are_wrong}; nothing was imported")
        self.lines = sorted(lines, key=lambda one: one.number)


async def _file(request: Request) -> bytes:
    """Whatever the header says that it is, but for what `curl -F` makes."""
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        raise HTTPException(415, "the body is to be the file itself, not a form")
    return await request.body()


File = Annotated[bytes, Depends(_file)]
DryRun = Annotated[bool, Query(description="Try every line, tell what is wrong, change nothing")]
Until = Annotated[Text, Query(description="The last day (UTC) of old passwords", examples=["2027-12-31"])]


def _body(media_type: str) -> dict[str, Any]:
    schema = {"type": "string", "description": "The file, UTF-8"}
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}


@router.post("/imports/users", openapi_extra=_body("text/csv"))
def import_users(
    caller: Writer,
    file: File,
    device: Annotated[Text, Query(description="Make a device of this label for each, in place of an invitation")] = "",
    days: Annotated[int, Query(ge=1, le=MOST_DAYS, description="How long an invitation is good")] = 14,
    dry_run: DryRun = False,
) -> list[EnrolledPerson]:
    """CSV: name,address and, if you like, owner,profile,device,notice-address. Links and secrets are told this once."""
    try:
        users, bad = read_users(file, device=device, language=Language.EN)
    except FileRefused as reason:
        raise StoreError(str(reason)) from None
    with organisation(caller.engine, caller.key, caller.actor) as work:
        work.enrol(users, days, caller.now, lambda _: None)
        _end(work, bad, dry_run)
    return [_person(caller, one, dry_run) for one in work.enrolled]


@router.post("/imports/dovecot-passwd", openapi_extra=_body("text/plain"))
def import_dovecot_passwd(
    caller: Writer,
    file: File,
    until: Until,
    domain: Annotated[Text, Query(description="For users without one", examples=["example.org"])],
    dry_run: DryRun = False,
) -> list[ImportedLine]:
    """Keep the logins and passwords of a Dovecot passwd-file working until a day."""
    try:
        found = read_passwd_file(file, domain)
    except FileRefused as reason:
        raise StoreError(str(reason)) from None
    return _migrated(caller, found, until, dry_run)


@router.post("/imports/mailcow", openapi_extra=_body("text/csv"))
def import_mailcow(caller: Writer, file: File, until: Until, dry_run: DryRun = False) -> list[ImportedLine]:
    """Keep the logins and passwords of a mailcow server working until a day. CSV of its table `mailbox`."""
    try:
        found = read_mailcow(file)
    except FileRefused as reason:
        raise StoreError(str(reason)) from None
    return _migrated(caller, found, until, dry_run)


@router.get("/imports/pending", response_model=list[PendingPerson])
def list_pending(caller: Reader) -> list[object]:
    """Who still depends on the password of the old server: has no other device, or used it since."""
    return list(pending(_all_credentials(caller), caller.now))


@router.get("/backup", response_class=StreamingResponse, responses={200: {"content": _ARCHIVE}})
def make_backup(caller: Keeper) -> StreamingResponse:
    """Everything in one file: the database, the budgets, and the keys that belong to it. Keep it as you keep a key."""
    file = tempfile.TemporaryFile(dir=caller.state_dir)  # noqa: SIM115 - closed when the answer has been sent
    try:
        with rows_of(caller.budgets, caller.now) as elsewhere:
            made = back_up(
                caller.engine, caller.state_dir, file, caller.now, lambda *_: None, elsewhere, caller.digest_key_file
            )
        note_backup(caller.engine, caller.actor, made, "the API", caller.now)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return StreamingResponse(_pieces(file), media_type="application/gzip")


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece


def _migrated(caller: Caller, found: Migrants, until: str, dry_run: bool) -> list[ImportedLine]:
    try:
        end = last_moment(until, caller.now)
    except ValueError as reason:
        raise StoreError(str(reason)) from None
    with organisation(caller.engine, caller.key, caller.actor) as work:
        work.migrate(found.migrants, end, caller.now, lambda _: None)
        _end(work, found.bad, dry_run)
    return [ImportedLine(line=one.line, name=one.name, is_new=one.is_new) for one in work.enrolled]


def _end(work: Organisation, bad: "list[BadLine] | tuple[BadLine, ...]", dry_run: bool) -> None:
    if wrong := [*bad, *work.bad]:
        raise BadLines(wrong)
    if not dry_run:
        work.commit()


def _person(caller: Caller, one: Enrolled, dry_run: bool) -> EnrolledPerson:
    made = None if dry_run else one.credential
    return EnrolledPerson(
        line=one.line,
        name=one.name,
        is_new=one.is_new,
        login=made.login if made else None,
        secret=made.secret if made else None,
        url=caller.invite_url(one.token) if one.token and not dry_run else None,
    )


def _all_credentials(caller: Caller) -> Iterator[Credential]:
    after = ""
    while page := caller.identities.credentials(after=after):
        yield from page
        after = page[-1].login

"""The mailboxes that complaints come to (abuse@, feedback loops), read through Dovecot as mail arrives.

A message that was looked at gets a keyword and stays where it is, seen or not: people read the same mailbox. Whoever
has his abuse@ elsewhere hands letters over with `sallyport complaint read`.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import aiohttp

from policy import log
from policy.complaints.report import complaint_in
from policy.doveadm import Doveadm
from policy.rounds import Rounds
from policy.store.complaints import ComplaintNotes
from policy.store.writer import Writer

PERIOD_S = 60.0
_KEYWORD = "$SallyportComplaint"
_AT_ONCE = 20
_LARGEST = 1024 * 1024  # octets; what is larger is for people
_TIMEOUT_S = 30.0


@dataclass(kw_only=True)
class ComplaintMailbox(Rounds):
    """One of what goes on beside the questions; mailboxes are identities'."""

    doveadm: Doveadm
    mailbox: str
    hostname: str  # in our Received fields
    notes: ComplaintNotes
    writer: Writer
    clock: Callable[[], float]
    period_s: float = PERIOD_S

    async def round(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S)) as http:
            while await self.read(http) == _AT_ONCE:
                pass

    def failed(self, error: Exception) -> None:
        log.complaints_unread(self.mailbox, error)

    async def read(self, http: aiohttp.ClientSession) -> int:
        """The letters that were not looked at, a portion of them; how many there were."""
        new = ["mailbox", "INBOX", "unkeyword", _KEYWORD, "smaller", str(_LARGEST)]
        found = await self._ask(http, "fetch", {"user": self.mailbox, "field": ["uid"], "query": new})
        uids = ",".join([letter["uid"] for letter in found[:_AT_ONCE]])
        if not uids:
            return 0
        these = {"user": self.mailbox, "query": ["mailbox", "INBOX", "uid", uids]}
        for letter in await self._ask(http, "fetch", these | {"field": ["text"]}):
            octets = letter["text"].encode(errors="replace")
            # In a thread: who may write to abuse@ must not keep those waiting who send.
            if complaint := await asyncio.to_thread(complaint_in, octets, self.hostname):
                added = await self.writer.make(partial(self.notes.note, complaint, self.clock()), is_urgent=False)
                log.complaint_read(complaint.submission, complaint.reporter, complaint.kind, added)
        await self._ask(http, "flagsAdd", these | {"flag": [_KEYWORD]})
        return min(len(found), _AT_ONCE)

    async def _ask(
        self, http: aiohttp.ClientSession, command: str, asked: Mapping[str, object]
    ) -> Sequence[dict[str, str]]:
        """Dovecot's answer is a list of [kind, content, tag]."""
        ((kind, content, _),) = json.loads(await self.doveadm.ask(http, [[command, asked, "c"]]))
        if kind != "doveadmResponse":
            raise aiohttp.ClientError(f"{command} failed")
        return content if isinstance(content, list) else ()

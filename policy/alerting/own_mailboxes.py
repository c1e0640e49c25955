"""Mailboxes of ours, which take a notice directly from policy, by doveadm, and also when they are full.

A thief who has filled the mailbox of an owner would keep him from hearing of it. The quota is of IMAP and LMTP alone
(dovecot/render). The next hop has what cannot be put there: no such mailbox, or Dovecot is away.
"""

import json
from dataclasses import dataclass

import aiohttp

from policy.doveadm import Doveadm

_TIMEOUT_S = 10.0
_ANSWER_LIMIT = 65_536


@dataclass(frozen=True, slots=True)
class OwnMailboxes:
    """Those of `domains`, in the form of canonical addresses."""

    doveadm: Doveadm
    domains: frozenset[str]

    async def took(self, recipient: str, content: bytes) -> bool:
        """Whether it is in the recipient's mailbox now."""
        if recipient.rpartition("@")[2] not in self.domains:
            return False
        message = f"Return-Path: <>\r\n{content.decode()}"
        command = ["save", {"user": recipient, "file": message}, "notice"]
        try:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S)) as http:
                ((kind, *_),) = json.loads(await self.doveadm.ask(http, [command], _ANSWER_LIMIT))
        except (aiohttp.ClientError, OSError, ValueError, TypeError, RecursionError):
            return False
        return bool(kind == "doveadmResponse")

"""What serves a Postfix and a Dovecot of others, put together: policy delegation, and the API of weakforced.

The engine, the walls and the store behind them are those of our own gateway.
"""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from policy.arrivals import Arrivals
from policy.authpolicy.desk import Desk
from policy.connects import Connects
from policy.delegation.answers import Answers
from policy.delegation.newcomers import Newcomers
from policy.delegation.server import Server
from policy.engine.sources import Network
from policy.entrances import Entrances
from policy.judge import Judge
from policy.store.holders import Holders
from policy.store.identities import IdentityStore
from policy.store.listed import ListBook, Lists
from policy.store.reader import Reader
from policy.store.transactions import Transactions
from policy.store.uses import Uses
from policy.store.writer import Writer
from policy.tally import Tally
from policy.walling import Walling


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Where Postfix is listened to; and the store, where logins that nobody here has become identities."""

    sockets: Sequence[socket.socket] = ()
    newcomers: IdentityStore | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fronts:
    """What both stand on."""

    reader: Reader
    transactions: Transactions
    writer: Writer
    walling: Walling
    unwalled: tuple[Network, ...]
    connects: Connects
    entrances: Entrances
    judge: Judge
    tally: Tally
    clock: Callable[[], float]

    def desk(self) -> Desk:
        """For Dovecot."""
        return Desk(
            walling=self.walling,
            unwalled=self.unwalled,
            holders=Holders(self.reader),
            lists=Lists(self.reader),
            list_book=ListBook(self.transactions),
            gatekeeper=self.connects,
            arrivals=self._arrivals(),
            writer=self.writer,
            tally=self.tally,
            clock=self.clock,
        )

    def servers(self, wanted: Wanted) -> Sequence[Server]:
        """For Postfix; none where nobody wants it."""
        return (Server(wanted.sockets, self.answers(wanted.newcomers)),) if wanted.sockets else ()

    def answers(self, newcomers: IdentityStore | None = None) -> Answers:
        """What Postfix is told; `newcomers` as in Wanted."""
        return Answers(
            judge=self.judge,
            registry=Newcomers(Holders(self.reader), newcomers, self.clock),
            arrivals=self._arrivals(),
            connect=lambda facts: self.connects.decide(facts, self.clock()),
            clock=self.clock,
        )

    def _arrivals(self) -> Arrivals:
        return Arrivals(entrances=self.entrances, uses=Uses(self.transactions), writer=self.writer)

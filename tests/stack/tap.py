"""A tap on the line between gateway and Postfix: passes octets both ways until a test says otherwise.

A rule sees each piece before it is passed on and may hold it back, do something to a process, or cut the line.
"""

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Self

from harness import free_port

Direction = Literal["to-next-hop", "to-gateway"]
# What is to be passed on of a piece, or None to cut the line.
Rule = Callable[[Direction, bytes], bytes | None]


def pass_all(_direction: Direction, piece: bytes) -> bytes | None:
    return piece


@dataclass
class Tap:
    """`seen` holds everything that came from each side, passed on or not."""

    next_hop: int
    rule: Rule = pass_all
    port: int = field(default_factory=free_port)
    seen: dict[Direction, bytearray] = field(
        default_factory=lambda: {"to-next-hop": bytearray(), "to-gateway": bytearray()}
    )

    def start(self) -> Self:
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def stop(self) -> None:
        for one in (self._listening, *self._open):
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                gateway, _ = self._listening.accept()
                next_hop = socket.create_connection(("127.0.0.1", self.next_hop))
            except OSError:
                return
            self._open += [gateway, next_hop]
            for source, target, direction in ((gateway, next_hop, "to-next-hop"), (next_hop, gateway, "to-gateway")):
                threading.Thread(target=self._pump, args=(source, target, direction), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, direction: Direction) -> None:
        try:
            while piece := source.recv(65536):
                self.seen[direction] += piece
                passed = self.rule(direction, piece)
                if passed is None:
                    break
                target.sendall(passed)
        except OSError:
            pass
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

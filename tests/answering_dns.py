"""A resolver of the tests' own: it answers from a table, as one that the whole world is behind, over UDP on loopback.

Names that are not in the table do not exist; a name in `silent` gets no answer; one in `secure` is proven by DNSSEC, as
far as a resolver can say so.
"""

import socket
import threading
from types import TracebackType
from typing import Self

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

Table = dict[tuple[str, str], list[str]]  # name without a dot at the end, type: data as a zone file has it


class AnsweringDns:
    """`with AnsweringDns(table) as world:` answers at world.port; the table may be changed meanwhile."""

    def __init__(self, table: Table, secure: tuple[str, ...] = (), port: int = 0) -> None:
        self.table = table
        self.secure = set(secure)
        self.silent: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            wire, client = self._socket.recvfrom(4096)
            if not wire:
                return
            if answer := self._answer(dns.message.from_wire(wire)):
                self._socket.sendto(answer.to_wire(), client)

    def _answer(self, question: dns.message.Message) -> dns.message.Message | None:
        asked = question.question[0]
        name, kind = asked.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(asked.rdtype)
        self.asked.append((name, kind))
        if name in self.silent:
            return None
        answer = dns.message.make_response(question, recursion_available=True)
        name = self._follow(answer, name, kind)
        if data := self.table.get((name, kind)):
            answer.answer.append(dns.rrset.from_text_list(f"{name}.", 300, "IN", kind, data))
        elif not any(known == name for known, _ in self.table):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        if name in self.secure:
            answer.flags |= dns.flags.AD
        return answer

    def _follow(self, answer: dns.message.Message, name: str, kind: str) -> str:
        target = self.table.get((name, "CNAME"))
        if not target or kind == "CNAME":
            return name
        answer.answer.append(dns.rrset.from_text_list(f"{name}.", 300, "IN", "CNAME", target))
        return target[0].rstrip(".")

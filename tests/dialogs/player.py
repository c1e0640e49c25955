"""Plays one dialog: says what the client says, and compares each line of the gateway with what must come."""

import base64
import hashlib
import ssl
import warnings
from collections.abc import Callable

from harness import HOSTNAME
from notation import Dialog, Line, filled_in, octets, pattern
from scram_client import ScramClient
from scripted import ScriptedNextHop
from stages import SENDER, Stage, Theatre
from wire import Wire

_RECIPIENT = "bob@elsewhere.example"
_TLS = {"TLS 1.1": ssl.TLSVersion.TLSv1_1, "TLS 1.2": ssl.TLSVersion.TLSv1_2}  # the newest that the client can
# How far `begin:` brings the session, in this order.
BEGINNINGS = ("", "under TLS", "logged in", "in a transaction", "in DATA")


class Player:
    """`clients` are the connections by the prefix of their lines; `said` is the gateway's last line."""

    def __init__(self, dialog: Dialog, theatre: Theatre, stage: Stage) -> None:
        self._dialog, self._theatre, self._stage = dialog, theatre, stage
        # What the administrator does to a login is no other dialog's trouble.
        self._login = stage.new_login() if "sallyport " in _commands(dialog) else stage.login
        self._context = theatre.client_tls(stage, dialog.one("client certificate"))
        self._listener = dialog.one("listener") or ("submissions" if dialog.one("begin") else "submission")
        self._clients: dict[str, Wire] = {}
        self._said = self._broken = ""
        self._scram = ScramClient(self._login.login, self._login.secret)
        self._kinds: dict[str, Callable[[Wire, str], None]] = {
            "C:": lambda client, text: client.say(self._words(text).encode() + b"\r\n"),
            "C!": lambda client, text: client.say(octets(self._words(text))),
            "S:": lambda client, text: self._hear(client.line(), text),
            "S+": lambda client, text: self._hear(client.reply(), text),
            "T:": self._start_tls,
            "X:": self._end,
            "N:": lambda _, text: self._look_at(self._stage.next_hop, text, is_there=True),
            "N!": lambda _, text: self._look_at(self._stage.next_hop, text, is_there=False),
            "H:": lambda _, text: self._look_at(self._stage.holding, text, is_there=True),
            "H!": lambda _, text: self._look_at(self._stage.holding, text, is_there=False),
            "A:": lambda _, text: self._administer(text),
        }

    def play(self) -> None:
        try:
            self._begin()
            for line in self._dialog.lines:
                self._play(line)
            if not any(line.kind == "X:" and not line.client for line in self._dialog.lines):
                self._say_goodbye()
        finally:
            for client in self._clients.values():
                client.close()

    def _play(self, line: Line) -> None:
        if line.client not in self._clients:
            self._clients[line.client] = Wire(self._stage.ports[self._listener])
        try:
            self._kinds[line.kind](self._clients[line.client], line.text)
        except AssertionError as error:
            raise AssertionError(f"{line.where}\n{error}") from None
        except OSError as error:
            raise AssertionError(f"{line.where}\n{type(error).__name__} {error}") from None

    def _begin(self) -> None:
        """What stands before the first line of most dialogs."""
        wanted = BEGINNINGS.index(self._dialog.one("begin"))
        client = self._clients[""] = Wire(self._stage.ports[self._listener])
        if wanted >= BEGINNINGS.index("under TLS"):
            client.start_tls(self._context)
            assert client.line() == f"220 {HOSTNAME} ESMTP Sallyport"
            assert client.ask("EHLO client.example") == "250 ENHANCEDSTATUSCODES"
        if wanted >= BEGINNINGS.index("logged in"):
            assert client.ask(self._words("AUTH PLAIN {plain}")) == "235 2.7.0 Authentication succeeded"
        if wanted >= BEGINNINGS.index("in a transaction"):
            assert client.ask(f"MAIL FROM:<{SENDER}>") == "250 2.1.0 Sender ok"
            assert client.ask(f"RCPT TO:<{_RECIPIENT}>") == "250 2.1.5 Recipient ok"
        if wanted >= BEGINNINGS.index("in DATA"):
            assert client.ask("DATA").startswith("354 ")

    def _say_goodbye(self) -> None:
        """The session goes on after what the dialog has shown."""
        client = self._clients[""]
        assert client.ask("QUIT") == "221 2.0.0 Bye", f"{self._dialog.name}: the session does not go on"
        assert client.ended() == "", f"{self._dialog.name}: no orderly end after QUIT"

    # The kinds of lines

    def _hear(self, said: str, text: str) -> None:
        self._said = said
        assert pattern(self._words(text)).fullmatch(said), f"the gateway said: {said}"

    def _start_tls(self, client: Wire, text: str) -> None:
        """`ALPN smtp`, `TLS 1.1` and no newer, `and at once EHLO x\\r\\n`; what goes wrong is for the next line, X."""
        context, early = self._context, b""
        if text.startswith("ALPN "):
            context.set_alpn_protocols(text.removeprefix("ALPN ").split())
        elif text in _TLS:
            with warnings.catch_warnings(action="ignore"):  # ssl warns of what is old
                context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
                context.maximum_version = _TLS[text]
            context.set_ciphers("ALL:@SECLEVEL=0")
        elif text:
            assert text.startswith("and at once "), text
            early = octets(text.removeprefix("and at once "))
        try:
            client.start_tls(context, early=early)
        except OSError as error:
            self._broken = str(error) or type(error).__name__

    def _end(self, client: Wire, text: str) -> None:
        how = self._broken or client.ended()
        assert pattern(text).fullmatch(how), f"the connection ended with: {how or 'an orderly end'}"

    def _look_at(self, hop: ScriptedNextHop, text: str, *, is_there: bool) -> None:
        wanted = pattern(self._words(text))
        lines = [*hop.commands]
        for heard in hop.heard:
            lines += heard.content.split(b"\r\n")
        found = any(wanted.fullmatch(line.decode(errors="replace")) for line in lines)
        got = "\n".join(line.decode(errors="replace") for line in lines)
        assert found == is_there, f"the next hop got:\n{got}"

    def _administer(self, text: str) -> None:
        if text == "stop the gateway":
            gateway = self._stage.sallyport.gateway
            assert gateway.running
            gateway.running.terminate()
        else:
            assert text.startswith("sallyport "), text
            self._stage.sallyport.cli(*self._words(text).split()[1:])

    # The words in braces

    def _words(self, text: str) -> str:
        if "{" not in text:
            return text
        words = {
            "login": self._login.login,
            "secret": self._login.secret,
            "machine": self._theatre.machine,
            "plain": "{base64 \\x00" + f"{self._login.login}\\x00{self._login.secret}" + "}",
        }
        for word, text_of in self._scram_words().items():
            if f"{{{word}}}" in text:
                words[word] = base64.b64encode(text_of()).decode()
        return filled_in(filled_in(text, words), {})

    def _scram_words(self) -> dict[str, Callable[[], bytes]]:
        """The client's two messages and what the server must prove; each from the exchange so far."""

        def bound() -> bytes:
            self._scram.header = "p=tls-server-end-point,,"
            self._scram.channel = hashlib.sha256(self._clients[""].certificate).digest()
            return self._scram.first()

        def downgraded() -> bytes:
            self._scram.header = "y,,"
            return self._scram.first()

        def of_a_wrong_secret() -> bytes:
            self._scram.secret = "wrong"
            return self._scram.final(self._challenge())

        return {
            "scram first": self._scram.first,
            "scram-plus first": bound,
            "scram downgraded first": downgraded,
            "scram final": lambda: self._scram.final(self._challenge()),
            "scram wrong final": of_a_wrong_secret,
            "scram verifier": lambda: b"v=" + base64.b64encode(self._scram.server_signature),
        }

    def _challenge(self) -> bytes:
        return base64.b64decode(self._said.removeprefix("334 "))


def _commands(dialog: Dialog) -> str:
    return "\n".join(line.text for line in dialog.lines if line.kind == "A:")

"""Plays the dialogs of this folder against a real gateway with a real policy; README.md has their notation."""

import base64
import codecs
import fnmatch
import socket
import ssl
from pathlib import Path

import pytest
from harness import Login, Sallyport

DIALOGS = sorted(Path(__file__).parent.glob("*.smtp"))


@pytest.fixture(scope="module")
def ada(sallyport: Sallyport) -> Login:
    """The credential that dialogs log in with."""
    return sallyport.new_login("ada", "ada@sallyport.test")


class Player:
    """One connection. Octets from the gateway are kept until a line is complete."""

    def __init__(self, sallyport: Sallyport, *, implicit_tls: bool) -> None:
        port = sallyport.submissions_port if implicit_tls else sallyport.submission_port
        self._context: ssl.SSLContext = sallyport.tls()
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._received = b""
        if implicit_tls:
            self.start_tls()

    def start_tls(self) -> None:
        assert not self._received, "octets in clear before TLS"
        self._socket = self._context.wrap_socket(self._socket, server_hostname="localhost")

    def say(self, octets: bytes) -> None:
        self._socket.sendall(octets)

    def line(self) -> str:
        while b"\r\n" not in self._received:
            piece = self._socket.recv(4096)
            assert piece, f"the gateway closed the connection after {self._received!r}"
            self._received += piece
        line, _, self._received = self._received.partition(b"\r\n")
        return line.decode("ascii")

    def is_closed(self) -> bool:
        """Nothing more comes, and the end does."""
        try:
            return not self._received and not self._socket.recv(4096)
        except (ConnectionError, ssl.SSLEOFError):
            return True

    def close(self) -> None:
        self._socket.close()


@pytest.mark.parametrize("path", DIALOGS, ids=lambda path: path.stem)
def test_dialog(path: Path, sallyport: Sallyport, ada: Login) -> None:
    """Each line of the file holds."""
    words = {
        "{plain}": _base64(f"\0{ada.login}\0{ada.secret}"),
        "{login}": _base64(ada.login),
        "{secret}": _base64(ada.secret),
    }
    lines = path.read_text().splitlines()
    assert lines[0].startswith("# "), "a dialog begins with what it shows"
    player = Player(sallyport, implicit_tls="listener submissions" in lines)
    try:
        for number, line in enumerate(lines, 1):
            play(player, line, words, f"{path.name}:{number}: {line}")
    finally:
        player.close()


def play(player: Player, line: str, words: dict[str, str], where: str) -> None:
    """One line of a dialog."""
    kind, text = line[:2], line[3:]
    for word, value in words.items():
        text = text.replace(word, value)
    if kind == "C:":
        player.say(text.encode() + b"\r\n")
    elif kind == "C!":
        player.say(codecs.escape_decode(text.encode())[0])  # type: ignore[attr-defined]  # not in the stubs
    elif kind == "S:":
        said = player.line()
        assert fnmatch.fnmatchcase(said, text.replace("[", "[[]")), f"{where}\nthe gateway said: {said}"
    elif kind == "T:":
        player.start_tls()
    elif kind == "X:":
        assert player.is_closed(), f"{where}\nthe connection is still open"
    else:
        assert not line or line.startswith(("#", "listener ")), where


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()

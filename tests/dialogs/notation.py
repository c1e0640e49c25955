"""What a `.smtp` file says, read and not yet played. README.md has the notation for those who write one."""

import base64
import codecs
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
KINDS = ("S:", "S+", "C:", "C!", "T:", "X:", "N:", "N!", "H:", "H!", "A:")
DIRECTIVES = (
    "begin",
    "listener",
    "client certificate",
    "setting",
    "policy setting",
    "policy file",
    "policy",
    "next hop",
    "hold listener",
)

_LINE = re.compile(rf"(?P<client>2?)(?P<kind>{'|'.join(map(re.escape, KINDS))}) ?(?P<text>.*)")
_DIRECTIVE = re.compile(rf"(?P<name>{'|'.join(DIRECTIVES)}): (?P<value>.+)")
_TIMES = re.compile(r"(\d+)x (.*)")
_REPEATED = re.compile(r"\{(\d+)\*([^{}]+)\}")
_BASE64 = re.compile(r"\{base64 ([^{}]*)\}")
_CHUNK = re.compile(r"\{(last )?chunk ([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Line:
    """`client` is empty, or 2 for the second one. A line that is repeated has its number for {n}."""

    client: str
    kind: str
    text: str
    where: str


@dataclass(frozen=True, slots=True)
class Dialog:
    """`directives` are as written, in their order."""

    name: str
    shows: str
    directives: tuple[tuple[str, str], ...]
    lines: tuple[Line, ...]

    def all(self, directive: str) -> tuple[str, ...]:
        return tuple(value for name, value in self.directives if name == directive)

    def one(self, directive: str, default: str = "") -> str:
        found = self.all(directive)
        assert len(found) <= 1, f"{self.name}: {directive} stands twice"
        return found[0] if found else default


def read(path: Path) -> Dialog:
    """The dialog in a file; AssertionError, with the line, for what is none."""
    written = path.read_text(encoding="utf-8").splitlines()
    assert "".join(written[:1]).startswith("# "), f"{path.name}: a dialog begins with what it shows"
    shows = [line[2:] for line in itertools.takewhile(lambda line: line.startswith("# "), written)]
    directives: list[tuple[str, str]] = []
    lines: list[Line] = []
    for number, text in enumerate(written, 1):
        where = f"{path.name}:{number}: {text}"
        if match := _LINE.fullmatch(text):
            lines += _repeated(match["client"], match["kind"], match["text"], where)
        elif match := _DIRECTIVE.fullmatch(text):
            assert not lines, f"{where}\ndirectives stand before the first line"
            directives.append((match["name"], match["value"]))
        else:
            assert not text or text.startswith("# "), f"{where}\nno line of a dialog"
    return Dialog(path.stem, " ".join(shows), tuple(directives), tuple(lines))


def all_dialogs() -> list[Dialog]:
    return [read(path) for path in sorted(FOLDER.glob("*.smtp"))]


def _repeated(client: str, kind: str, text: str, where: str) -> list[Line]:
    times = _TIMES.fullmatch(text) if kind in ("C:", "S:") else None
    if not times:
        return [Line(client, kind, text, where)]
    return [Line(client, kind, times[2].replace("{n}", str(n)), where) for n in range(1, int(times[1]) + 1)]


def filled_in(text: str, words: Mapping[str, str]) -> str:
    """With {words} in their place, then {base64 ...}, {12*x} and {chunk ...}."""
    for word, value in words.items():
        text = text.replace(f"{{{word}}}", value)
    text = _BASE64.sub(lambda match: base64.b64encode(octets(match[1])).decode(), text)
    text = _REPEATED.sub(lambda match: int(match[1]) * match[2], text)
    return _CHUNK.sub(lambda match: _chunk(match[2], is_last=bool(match[1])), text)


def _chunk(text: str, *, is_last: bool) -> str:
    """BDAT with its octets counted (RFC 3030 section 2)."""
    return rf"BDAT {len(octets(text))}{' LAST' if is_last else ''}\r\n{text}"


def octets(text: str) -> bytes:
    r"""Text with \r, \n, \x00 and the like."""
    return codecs.escape_decode(text.encode())[0]


def pattern(text: str) -> re.Pattern[str]:
    """`*` stands for anything, everything else for itself."""
    return re.compile(".*".join(map(re.escape, text.split("*"))))

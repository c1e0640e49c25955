"""What of a page in another language is still English: texts that a catalogue has otherwise, and English sentences."""

import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser

# Without end tags in HTML, or what nobody reads there; in `code` and `pre` stand names of the machine and commands.
_EMPTY = frozenset({"meta", "link", "input", "br", "hr", "img", "wbr", "rect", "path", "circle"})
_UNREAD = frozenset({"code", "pre", "script", "style", "textarea", "title"})
_READ = ("aria-label", "alt", "placeholder", "title")
# Two of these in one text are a sentence, and none of them is a German word.
_ENGLISH = re.compile(r"\b(the|of|and|is|are|from|with|not|to|that|it|by|for|this|be|can|does|than|there|has|have)\b")


class _Texts(HTMLParser):
    """Of each element what is read in it, but for what is marked as English."""

    def __init__(self) -> None:
        super().__init__()
        self.texts = list[str]()
        self._open = list[tuple[str, bool]]()  # tag, and whether nobody reads what is in it

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        is_foreign = given.get("lang") == "en" and tag != "html"
        is_unread = self._is_unread or tag in _UNREAD or is_foreign
        if not is_unread:
            self.texts += [text for name in _READ if (text := given.get(name))]
        if tag not in _EMPTY:
            self._open.append((tag, is_unread))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not self._is_unread and data.strip():
            self.texts.append(" ".join(data.split()))

    @property
    def _is_unread(self) -> bool:
        return bool(self._open) and self._open[-1][1]


def english_on(page: str, catalogue: Mapping[str, str]) -> Iterator[str]:
    """The texts of a page that are keys of the catalogue and not what it says, or English sentences."""
    reader = _Texts()
    reader.feed(page)
    said = frozenset(catalogue.values())
    for text in reader.texts:
        is_key = text in catalogue and text not in said
        if is_key or len(set(_ENGLISH.findall(text))) > 1:
            yield text

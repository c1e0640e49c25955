"""What a scanner looks for in a page without touching anything: script or style within it, and ways to elsewhere."""

from html.parser import HTMLParser

_OURS = ("/", "#", "?")
_LINKS = frozenset({"href", "src", "action", "formaction", "hx-get", "sse-connect", "poster", "srcset", "data"})
_NEVER = frozenset({"style", "iframe", "object", "embed", "base", "applet", "frame", "noscript"})


class _Scanner(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in _NEVER or (tag == "script" and not given.get("src", "").startswith("/static/")):
            self.faults.append(f"<{tag}>")
        if tag == "meta" and "http-equiv" in given:
            self.faults.append("<meta http-equiv>")
        for name, value in given.items():
            if name == "style" or name.startswith(("on", "hx-on")):
                self.faults.append(f"<{tag} {name}>")
            is_ours = value.startswith(_OURS) and not value.startswith(("//", "/\\"))
            if name in _LINKS and not is_ours and not (tag == "img" and value.startswith("data:image/")):
                self.faults.append(f"<{tag} {name}={value[:60]!r}>")
        if tag == "form" and given.get("method", "get").lower() == "post" and not given.get("action"):
            self.faults.append("<form> that goes wherever the address says")


def faults_of(page: str) -> list[str]:
    """Of an HTML page, or a part of one."""
    scanner = _Scanner()
    scanner.feed(page)
    scanner.close()
    return scanner.faults

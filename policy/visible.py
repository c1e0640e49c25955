"""What a stranger chose, as text that does nothing: for terminals and pages."""


def visible(text: object) -> str:
    """What can be seen of a text; all else (control characters, marks that turn writing around) by its number."""
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in str(text))

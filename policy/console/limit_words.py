"""Limits in plain words: `200 in an hour, 500 in a day`."""

from policy.console.language import Language
from policy.engine.budget import Window
from policy.engine.rulebook import Windows
from policy.rulebook.words import spell_sizes

_DAY_S, _HOUR_S, _MINUTE_S = 86400, 3600, 60


def windows_in_words(language: Language, windows: Windows, *, in_octets: bool = False) -> str:
    """`200 in an hour, 500 in a day`"""
    if not windows:
        return language.say("no limit")
    return ", ".join(_window(language, one, in_octets=in_octets) for one in windows)


def _window(language: Language, window: Window, *, in_octets: bool) -> str:
    number, seconds = _octets(window) if in_octets else str(window.limit), int(window.seconds)
    if seconds == _DAY_S:
        return language.say("%(number)s in a day", number=number)
    if seconds == _HOUR_S:
        return language.say("%(number)s in an hour", number=number)
    if seconds % _DAY_S == 0:
        return language.say("%(number)s in %(span)s days", number=number, span=seconds // _DAY_S)
    if seconds % _HOUR_S == 0:
        return language.say("%(number)s in %(span)s hours", number=number, span=seconds // _HOUR_S)
    if seconds % _MINUTE_S == 0:
        return language.say("%(number)s in %(span)s minutes", number=number, span=seconds // _MINUTE_S)
    return language.say("%(number)s in %(span)s seconds", number=number, span=seconds)


def _octets(window: Window) -> str:
    """The size alone of `1 GB/hour`."""
    spelled = spell_sizes((window,))
    return str(spelled).partition("/")[0]

"""By Apprise, a library that knows a hundred services: chat, telephone, tickets. It is in the extra `alerts`.

Its URLs hold tokens and passwords: they are in a file of mode 0600, one on a line, and a channel is called after the
kind of its service alone.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

from policy.alerting.kinds import Severity
from policy.alerting.pacing import BY_MAIL, Pace
from policy.alerting.parcels import NotTaken, Parcel
from policy.alerting.undelivered import Undelivered
from policy.alerting.wording import words_of
from policy.store.notices import APPRISE
from service.settings import SettingError

SETTING = "POLICY_ALERT_APPRISE_FILE"
_OTHERS = 0o077  # the bits of a file's mode that let others read it
_TYPES = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.URGENT: "failure"}


class Apprised:
    """The carrier of one channel `apprise:NAME`. People read it: it has the pace of mail."""

    pace: Pace = BY_MAIL

    def __init__(self, url: str, console_url: str = "") -> None:
        # Large, and nobody needs it who has no such file; where there is one, it must be there.
        import apprise  # noqa: PLC0415

        self._console_url = console_url
        self._apprise = apprise.Apprise()
        if not self._apprise.add(url):
            raise ValueError

    async def carry(self, parcel: Parcel) -> None:
        subject, lines = words_of(parcel, self._console_url)
        kind = _TYPES[parcel.gravest]
        body = "\n".join(lines)
        if not await asyncio.to_thread(self._apprise.notify, body, f"[Sallyport] {subject}", kind):
            raise NotTaken(Undelivered.NOTICE_REFUSED.of())

    async def close(self) -> None:
        """Nothing is open."""


def open_apprises(path: Path, console_url: str = "") -> Iterator[tuple[str, Apprised]]:
    """A channel and its carrier for each line of the file; # begins a comment."""
    seen = dict[str, int]()
    for number, url in _lines(path):
        try:
            carrier = Apprised(url, console_url)
        except ImportError:
            raise SettingError(SETTING, "Apprise is not installed", "install the extra sallyport[alerts]") from None
        except ValueError:
            what = f"line {number} of {path} is no URL that Apprise knows"
            raise SettingError(SETTING, what, "see its documentation for your service") from None
        scheme = url.partition(":")[0].lower()
        seen[scheme] = seen.get(scheme, 0) + 1
        yield f"{APPRISE}:{scheme}{f'-{seen[scheme]}' if seen[scheme] > 1 else ''}", carrier


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        mode, content = path.stat().st_mode, path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise SettingError(SETTING, f"{path} cannot be read ({why})", "check the path and its owner") from None
    if mode & _OTHERS:
        raise SettingError(SETTING, f"{path} can be read by others", f"chmod 600 {path}")
    for number, line in enumerate(content.splitlines(), 1):
        if (url := line.strip()) and not url.startswith("#"):
            yield number, url

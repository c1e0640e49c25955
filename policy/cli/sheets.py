"""A sheet for each person of an import, as files: NAME.html to print, NAME.txt to send. Readable by their owner alone.

What is on them is told this once. So before the import is committed all files are made, empty: a folder that cannot be
written then ends it. They are filled afterwards, because drawing two thousand pages takes longer than other writers
of the database should wait.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from policy.enrolment import Device, Servers
from policy.enrolment.sheet import Invitation, invitation_html, invitation_text, sheet_html, sheet_text
from policy.enrolment.users import NewUser
from policy.settings import Settings
from policy.store.errors import StoreError
from policy.store.organisation import Enrolled

Sheet = tuple[str, str]  # HTML, text
_SUFFIXES = (".html", ".txt")


@contextmanager
def reserved(folder: Path, names: Iterable[str]) -> Iterator[None]:
    """Make the files; where what is done meanwhile fails they are removed."""
    made: list[Path] = []
    try:
        _make(folder)
        for name in names:
            for path in _paths(folder, name):
                _reserve(path)
                made.append(path)
        yield
    except BaseException:
        for path in made:
            path.unlink(missing_ok=True)
        raise


def fill(
    folder: Path,
    users: Sequence[NewUser],
    new: Sequence[Enrolled],
    settings: Settings,
    until: float,
    tell: Callable[[int], None],
) -> None:
    """The two files of each; `until` is the end of invitations."""
    by_line = {user.line: user for user in users}
    for done, one in enumerate(new, 1):
        for path, content in zip(
            _paths(folder, one.name), _sheet(by_line[one.line], one, settings, until), strict=True
        ):
            _write(path, content)
        tell(done)


def link(settings: Settings, token: str) -> str:
    """Of an invitation."""
    return f"{settings.console_origin}/invite/{token}"


def _sheet(user: NewUser, one: Enrolled, settings: Settings, until: float) -> Sheet:
    address = user.addresses[0]
    if address.startswith("@"):  # a whole domain: any address of it will do
        address = one.name + address
    if one.credential:
        device = Device(one.credential.login, one.credential.secret, address, user.owner, one.credential.label)
        servers = Servers.of(settings)
        return sheet_html(servers, device, user.language), sheet_text(servers, device, user.language)
    last_moment_of_link = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%d, %H:%M UTC")
    invited = Invitation(link(settings, one.token), address, user.owner, last_moment_of_link)
    return invitation_html(invited, user.language), invitation_text(invited, user.language)


def _write(path: Path, content: str) -> None:
    try:
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written ({error.strerror}), though all are imported: those without a sheet need "
            "`sallyport person reset NAME` or `sallyport credential renew LOGIN`"
        ) from None


def _paths(folder: Path, name: str) -> list[Path]:
    return [folder / (name + suffix) for suffix in _SUFFIXES]


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder} cannot be made ({error.strerror}); choose another folder for --sheets") from None


def _reserve(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise StoreError(f"{path} is there already; choose another folder for --sheets") from None
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror}); nothing was imported") from None

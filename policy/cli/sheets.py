"""A sheet for each person of an import, as files: NAME.html to print, NAME.txt to send. Readable by their owner alone.

What is on them is told this once. So before the import is committed all files are made, empty: a folder that cannot be
written then ends it. They are filled afterwards, because drawing two thousand pages takes longer than other writers
of the database should wait.

The command line may run where its user has no files, in a container: then the sheets go to standard output.
"""

import io
import os
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from policy.enrolment import Device, Servers
from policy.enrolment.sheet import Invitation, invitation_html, invitation_text, sheet_html, sheet_text
from policy.enrolment.users import NewUser
from policy.settings import Settings
from policy.store.errors import StoreError
from policy.store.organisation import Enrolled

Sheet = tuple[str, str]  # HTML, text


class SheetFolder:
    """The sheets as files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def reserved(self, names: Iterable[str]) -> Iterator[None]:
        """Make the files; where what is done meanwhile fails they are removed."""
        made: list[Path] = []
        try:
            self._make()
            for name in names:
                for file in _files(name):
                    _reserve(self._folder / file)
                    made.append(self._folder / file)
            yield
        except BaseException:
            for path in made:
                path.unlink(missing_ok=True)
            raise

    def fill(self, name: str, sheet: Sheet) -> None:
        """The two files of one person."""
        for file, content in zip(_files(name), sheet, strict=True):
            _write(self._folder / file, content)

    def close(self) -> None:
        """Every file is closed already."""

    def _make(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"{self._folder} cannot be made ({error.strerror}); choose another folder for --sheets"
            ) from None


class SheetArchive:
    """The sheets as one tar archive on a stream, for whoever is not on this machine or not in this container."""

    def __init__(self, stream: IO[bytes], now: float) -> None:
        self._stream = stream
        self._archive = tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - see close
        self._now = int(now)

    @contextmanager
    def reserved(self, _names: Iterable[str]) -> Iterator[None]:
        """Of a stream there is nothing to reserve. A folder comes first: nothing is strewn where it is unpacked."""
        folder = tarfile.TarInfo("sheets")
        folder.type, folder.mode, folder.mtime = tarfile.DIRTYPE, 0o700, self._now
        self._archive.addfile(folder)
        yield

    def fill(self, name: str, sheet: Sheet) -> None:
        """The two files of one person."""
        for file, content in zip(_files(name), sheet, strict=True):
            octets = content.encode()
            member = tarfile.TarInfo(f"sheets/{file}")
            member.size, member.mode, member.mtime = len(octets), 0o600, self._now
            self._archive.addfile(member, io.BytesIO(octets))

    def close(self) -> None:
        """Write the archive's end."""
        self._archive.close()
        self._stream.flush()


def drawn(
    users: Sequence[NewUser], new: Sequence[Enrolled], settings: Settings, until: float
) -> Iterator[tuple[str, Sheet]]:
    """The sheet of each by name; `until` is the end of invitations."""
    by_line = {user.line: user for user in users}
    for one in new:
        yield one.name, _sheet(by_line[one.line], one, settings, until)


def _sheet(user: NewUser, one: Enrolled, settings: Settings, until: float) -> Sheet:
    address = user.addresses[0]
    if address.startswith("@"):  # a whole domain: any address of it will do
        address = one.name + address
    if one.credential:
        device = Device(one.credential.login, one.credential.secret, address, user.owner, one.credential.label)
        servers = Servers.of(settings)
        return sheet_html(servers, device, user.language), sheet_text(servers, device, user.language)
    last_moment_of_link = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%d, %H:%M UTC")
    invited = Invitation(settings.invite_url(one.token), address, user.owner, last_moment_of_link)
    return invitation_html(invited, user.language), invitation_text(invited, user.language)


def _write(path: Path, content: str) -> None:
    try:
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written ({error.strerror}), though all are imported: those without a sheet need "
            "`sallyport person reset NAME` or `sallyport credential renew LOGIN`"
        ) from None


def _files(name: str) -> tuple[str, str]:
    return f"{name}.html", f"{name}.txt"


def _reserve(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise StoreError(f"{path} is there already; choose another folder for --sheets") from None
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror}); nothing was imported") from None

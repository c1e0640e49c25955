"""Which policy is in force, while its file changes.

    no file        the shipped policy
    a good file    in force within two seconds of its last change
    a broken one   refused, with line and reason in the log, and what was in force stays so; at a start that is what was
                   in force last, and where there was nothing yet there is no start

A change counts when two looks in a row see the same file: half a file that an editor is still writing is none.
"""

import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

from policy import log
from policy.engine.rulebook import Rulebook
from policy.rounds import Rounds
from policy.rulebook.faults import PolicyFileError
from policy.rulebook.making import tables_of
from policy.rulebook.reading import load, parse, shipped
from policy.rulebook.toml import written
from service.settings import SettingError

PERIOD_S = 1.0

Keep = Callable[[str, str], Awaitable[None]]  # digest and content are to be written down
Follow = Callable[[Rulebook], None]

_State = tuple[int, int, int] | None


class InForce(Rounds):
    """Looks at the file about once a second.

    `last` is the content of the policy that was in force last, or None; `keep` writes one down that is now.

    SettingError where the file is broken and there is no last one.
    """

    def __init__(self, path: Path, last: Callable[[], str | None], keep: Keep, period_s: float = PERIOD_S) -> None:
        self._path = path
        self._keep = keep
        self.period_s = period_s
        self._read_state = self._seen_state = _state_of(path)
        self._rulebook = _first(path, last)
        self._fault_line = _fault_line(path)
        self._followers: list[Follow] = []
        self._kept = ""  # digest

    @property
    def rulebook(self) -> Rulebook:
        """As of now. Whoever decides takes it once, and not in the middle again."""
        return self._rulebook

    @property
    def fault_line(self) -> int:
        """The first of the file as it is now that keeps it from being in force; 0 where it is."""
        return self._fault_line

    def follow(self, follower: Follow) -> None:
        """Call `follower` with the policy in force, now and whenever another one comes."""
        self._followers.append(follower)
        follower(self._rulebook)

    async def round(self) -> None:
        """One look at the file; and what is in force is written down, if it is not yet."""
        self._look()
        digest = self._rulebook.digest
        if self._kept != digest:
            await self._keep(digest, written(tables_of(self._rulebook)))
            self._kept = digest

    def failed(self, error: Exception) -> None:
        log.rulebook_not_kept(self._rulebook.digest, error)

    def _look(self) -> None:
        state = _state_of(self._path)
        is_settled, self._seen_state = state == self._seen_state, state
        if is_settled and state != self._read_state:
            self._read_state = state
            self._read()

    def _read(self) -> None:
        try:
            self._rulebook = rulebook_at(self._path)
        except PolicyFileError as error:
            self._fault_line = error.faults[0].line
            log.rulebook_refused(str(self._path), error.faults[0].line, str(error.faults[0]), self._rulebook.digest)
            return
        self._fault_line = 0
        log.rulebook_loaded(self._rulebook.digest)
        for follower in self._followers:
            follower(self._rulebook)


def rulebook_at(path: Path) -> Rulebook:
    """What the file says; the shipped policy where there is none."""
    try:
        path.stat()
    except FileNotFoundError:
        return shipped()
    except OSError:  # the next line says which
        pass
    return load(path)


def _fault_line(path: Path) -> int:
    try:
        rulebook_at(path)
    except PolicyFileError as error:
        return error.faults[0].line
    return 0


def _first(path: Path, last: Callable[[], str | None]) -> Rulebook:
    try:
        rulebook = rulebook_at(path)
    except PolicyFileError as error:
        rulebook = _last(path, last, error)
    else:
        log.rulebook_loaded(rulebook.digest)
    return rulebook


def _last(path: Path, last: Callable[[], str | None], error: PolicyFileError) -> Rulebook:
    fault, content = error.faults[0], last()
    with contextlib.suppress(PolicyFileError):  # of another version, which could say what this one cannot
        if content is not None:
            rulebook = parse(content, "the policy that was in force last")
            log.rulebook_refused(str(path), fault.line, str(fault), rulebook.digest)
            return rulebook
    raise SettingError(
        "POLICY_FILE",
        f"{path}:{fault.line}: {fault}",
        "there is no earlier policy to go on with: correct it, `sallyport policy check` shows all that is wrong",
    )


def _state_of(path: Path) -> _State:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino

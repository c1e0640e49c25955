"""Files to replay: logs of Postfix, or recorded decisions; by what is in them. The I/O of this package."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from maillog.files import Log, Reading
from maillog.packed import BROKEN, STANDARD_INPUT, LogUnreadable, PackedFile
from maillog.span import span_of
from policy.replay.from_log import LogHappenings
from policy.replay.happenings import HandedIn, Happening
from policy.replay.recorded import Origins, read_records
from policy.replay.report import Source
from service.spans import DAY_S

_LOOKED_AT = 65_536
LEARNT_DAYS = 14
_LEARNT_SHARE = 3  # of a log that is shorter than that this part is learnt from


@dataclass(slots=True)
class Opened:
    """What is to be replayed, and how far that is."""

    happenings: Iterator[Happening]
    paths: Sequence[Path]
    span: tuple[float, float] | None  # first and last moment; None where nobody knows before the end
    lines: Callable[[], int]
    octets: int | None
    octets_read: Callable[[], int]
    source: Callable[[], Source]
    origins: Origins | None = None  # where addresses were, by records
    close: Callable[[], None] = lambda: None  # needed only where it was not read to its end

    @property
    def is_recorded(self) -> bool:
        return self.origins is not None


@dataclass(slots=True)
class _Counted:
    lines: int = 0
    octets: int = 0
    origins: Origins = field(default_factory=Origins)


def open_files(paths: Sequence[Path], reading: Reading) -> Opened:
    """LogUnreadable where one cannot be read, or where there are records and logs."""
    if STANDARD_INPUT in paths:
        return _open_log(paths, reading, None)
    recorded = [path for path in paths if _is_recorded(path)]
    if recorded and len(recorded) != len(paths):
        raise LogUnreadable(f"{recorded[0]} has recorded decisions, and others are logs: replay one or the other")
    return _open_records(paths) if recorded else _open_log(paths, reading, span_of(paths, reading))


def judged_from(span: tuple[float, float] | None, learnt_days: float | None, since: float | None) -> float | None:
    """When judging begins; None: so many days after the first line, which is not known yet."""
    if since is not None:
        return since
    if span is None:
        return None
    first, last = span
    if learnt_days is not None:
        return first + learnt_days * DAY_S
    return first + min(LEARNT_DAYS * DAY_S, (last - first) / _LEARNT_SHARE)


def _open_log(paths: Sequence[Path], reading: Reading, span: tuple[float, float] | None) -> Opened:
    log, happenings = Log(paths, reading), LogHappenings()
    return Opened(
        happenings=happenings.read(log.told()),
        close=log.close,
        paths=paths,
        span=span,
        lines=lambda: log.lines,
        octets=log.octets,
        octets_read=lambda: log.octets_read,
        source=lambda: Source(
            files=tuple(map(str, paths)),
            lines=log.lines,
            unreadable=log.unreadable,
            broken=tuple(log.broken),
            login_failures=happenings.passed.login_failures,
            refusals=happenings.passed.refusals,
        ),
    )


def _open_records(paths: Sequence[Path]) -> Opened:
    """All of them are looked at once before: records of several files come in any order."""
    spans = {path: span for path in paths if (span := _span_of_records(path))}
    counted = _Counted()
    return Opened(
        happenings=_records(sorted(spans, key=spans.__getitem__), counted),
        paths=paths,
        span=(min(span[0] for span in spans.values()), max(span[1] for span in spans.values())) if spans else None,
        lines=lambda: counted.lines,
        octets=sum(path.stat().st_size for path in spans),
        octets_read=lambda: counted.octets,
        source=lambda: Source(
            files=tuple(map(str, paths)), lines=counted.lines, unreadable=0, broken=(), login_failures=0, refusals=0
        ),
        origins=counted.origins,
    )


def _records(paths: Sequence[Path], counted: _Counted) -> Iterator[HandedIn]:
    for path in paths:
        done = counted.octets
        with closing(_texts(file := PackedFile(path))) as texts:
            for one in read_records(texts):
                counted.lines += 1
                counted.octets = done + file.octets_read
                counted.origins.note(one)
                yield one


def _span_of_records(path: Path) -> tuple[float, float] | None:
    with closing(_texts(PackedFile(path))) as texts:
        moments = [one.at for one in read_records(texts)]
    return (min(moments), max(moments)) if moments else None


def _texts(file: PackedFile) -> Generator[str, None, None]:
    try:
        with file as stream:
            for line in stream:
                yield line.decode("utf-8", "backslashreplace")
    except BROKEN as error:
        raise LogUnreadable(f"{file.path} is broken: {error}") from None


def _is_recorded(path: Path) -> bool:
    """By its first line; a journal's documents have other members."""
    try:
        with PackedFile(path) as stream:
            head = stream.read(_LOOKED_AT).lstrip()
    except BROKEN as error:
        raise LogUnreadable(f"{path} is broken: {error}") from None
    line = head.partition(b"\n")[0]
    return line.startswith(b"{") and b'"marks"' in line and b"__REALTIME_TIMESTAMP" not in line

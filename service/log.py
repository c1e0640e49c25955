"""Log lines: one for each event, readable or JSON, on standard output.

What may be logged is a service's own vocabulary (gateway/log.py, policy/log.py): one function for each event, and a
value that has no parameter there cannot be logged. This module only gives the lines their shape.

Of an error the log has the class and the place, ours and those of libraries. What it says may be what a client sent.
"""

import logging
import re
import sys
import time
import traceback
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import lru_cache
from types import TracebackType
from typing import Any

import structlog
from structlog.testing import capture_logs

from service.settings import LogFormat

_Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]

_PLAIN = re.compile(r"[!#-&(-<>-~]*")  # needs no quotes: printable ASCII without blank, quote and "="


def configure(log_format: LogFormat) -> None:
    """Called once, at the start of a process. Libraries' own loggers are heard from WARNING on."""
    renderer: structlog.types.Processor = structlog.processors.JSONRenderer() if log_format == "json" else _as_text
    structlog.configure(
        processors=[_completed, structlog.processors.ExceptionRenderer(_trace_of), renderer],
        wrapper_class=_Logger,
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    libraries = logging.StreamHandler(sys.stdout)
    libraries.setFormatter(_LibraryLine("%(asctime)s [%(levelname)s] %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[libraries])


def unheard() -> AbstractContextManager[object]:
    """Within it nothing is logged: a command that plays a service has an answer to print, and nobody reads its log."""
    return capture_logs()


class _Logger(structlog.BoundLoggerBase):
    """Without the layers of structlog's own, which take half as long as all else: every login and message feels it."""

    def info(self, event: str, **fields: object) -> None:
        self._say("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        self._say("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        self._say("error", event, fields)

    def _say(self, level: str, event: str, fields: dict[str, object]) -> None:
        fields["event"] = event
        line: Any = fields
        for step in self._processors:
            line = step(self, level, line)
        self._logger.msg(line)


def _completed(_logger: object, level: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """With when it was and how grave it is."""
    second, microseconds = divmod(time.time_ns() // 1000, 1_000_000)
    event["timestamp"] = f"{_second(second)}.{microseconds:06}Z"
    event["level"] = level
    return event


@lru_cache(maxsize=1)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


class _LibraryLine(logging.Formatter):
    """A line of a library's own. Beside an error, only its first line: asyncio shows the error's words in the next."""

    def format(self, record: logging.LogRecord) -> str:
        if record.exc_info:
            record.msg, record.args = record.getMessage().partition("\n")[0], None
        return super().format(record)

    def formatException(self, ei: _Raised) -> str:  # noqa: N802 - logging's name
        return _trace_of(ei)


def _trace_of(exc_info: _Raised) -> str:
    """The frames and the class, then those of what it came from and of what is in it: code, and no values."""
    error = exc_info[1]
    if error is None:
        return ""
    frames = "".join(traceback.format_tb(error.__traceback__)) + type(error).__name__
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    others = [one for one in (cause, *inner) if one]
    return "\n".join([frames, *[_trace_of((type(one), one, one.__traceback__)) for one in others]])


def _as_text(_logger: object, _method: str, event: structlog.types.EventDict) -> str:
    """`time [level    ] event name=value ...`, in the order in which the vocabulary has them.

    structlog's own renderer for consoles takes three times as long, which every login and message would feel. What a
    stranger has chosen and is not plain is quoted, so that no value looks like another line or another field.
    """
    head = f"{event.pop('timestamp')} [{event.pop('level'):<9}] {event.pop('event')}"
    trace = event.pop("exception", None)
    values = [str(value) for value in event.values()]
    if not _PLAIN.fullmatch("".join(values)):  # looked at one by one where that is needed
        values = [value if _PLAIN.fullmatch(value) else repr(value) for value in values]
    line = head + "".join([f" {name}={value}" for name, value in zip(event, values, strict=True)])
    return f"{line}\n{trace}" if trace else line

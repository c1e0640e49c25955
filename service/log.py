"""Log lines: one for each event, readable or JSON, on standard output.

What may be logged is a service's own vocabulary (gateway/log.py, policy/log.py): one function for each event, and a
value that has no parameter there cannot be logged. This module only gives the lines their shape.
"""

import logging
import re
import sys
from typing import Literal

import structlog

LogFormat = Literal["text", "json"]

_PLAIN = re.compile(r"[!#-&(-<>-~]*")  # needs no quotes: printable ASCII without blank, quote and "="


def configure(log_format: LogFormat) -> None:
    """Called once, at the start of a process. Libraries' own loggers are heard from WARNING on."""
    renderer: structlog.types.Processor = structlog.processors.JSONRenderer() if log_format == "json" else _as_text
    structlog.configure(
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        stream=sys.stdout, level=logging.WARNING, format="%(asctime)s [%(levelname)s] %(name)s: %(message)s"
    )


def _as_text(_logger: object, _method: str, event: structlog.types.EventDict) -> str:
    """`time [level    ] event name=value ...`, in the order in which the vocabulary has them.

    structlog's own renderer for consoles takes three times as long, which every login and message would feel. What a
    stranger has chosen and is not plain is quoted, so that no value looks like another line or another field.
    """
    head = f"{event.pop('timestamp')} [{event.pop('level'):<9}] {event.pop('event')}"
    trace = event.pop("exception", None)
    line = head + "".join([f" {name}={_value(value)}" for name, value in event.items()])
    return f"{line}\n{trace}" if trace else line


def _value(value: object) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) else repr(text)

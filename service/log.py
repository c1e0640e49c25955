"""Log lines: one for each event, readable or JSON, on standard output.

What may be logged is a service's own vocabulary (gateway/log.py, policy/log.py): one function for each event, and a
value that has no parameter there cannot be logged. This module only gives the lines their shape.
"""

import logging
import sys
from typing import Literal

import structlog

LogFormat = Literal["text", "json"]


def configure(log_format: LogFormat) -> None:
    """Called once, at the start of a process. Libraries' own loggers are heard from WARNING on."""
    renderer: structlog.types.Processor = structlog.processors.JSONRenderer()
    if log_format == "text":
        renderer = structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)
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

"""The vocabulary of the sink's log. Addresses and content have no parameter here: the HTTP API shows those."""

import structlog

_log = structlog.get_logger()


def started(bind: str, smtp_port: int, http_port: int) -> None:
    _log.info("sink-started", bind=bind, smtp_port=smtp_port, http_port=http_port)


def stopped(messages: int) -> None:
    _log.info("sink-stopped", messages=messages)


def message_kept(number: int, recipients: int, size: int) -> None:
    _log.info("message-kept", id=number, recipients=recipients, size=size)


def messages_dropped(count: int, in_all: int) -> None:
    _log.warning("messages-dropped", count=count, in_all=in_all)


def recipient_refused(code: int, status: str) -> None:
    _log.info("recipient-refused", code=code, status=status)


def command_failed(error: Exception) -> None:
    _log.error("command-failed", error=type(error).__name__, where=_where(error))


def request_failed(path: str, error: Exception) -> None:
    _log.error("request-failed", path=path, error=type(error).__name__, where=_where(error))


def _where(error: Exception) -> str:
    """File and line, instead of the text: that may hold what the client sent."""
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    return f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else ""

"""The vocabulary of the queue agent's log. Addresses and content have no parameter here."""

import structlog

_log = structlog.get_logger()


def started(bind: str, port: int, log_file: str) -> None:
    _log.info("queue-agent-started", bind=bind, port=port, log_file=log_file)


def stopped() -> None:
    _log.info("queue-agent-stopped")


def token_read(setting: str, lines: int) -> None:
    """A new token file is in use."""
    _log.info("token-read", setting=setting, lines=lines)


def token_refused(failure: str) -> None:
    """What is on disk is no token; what was there before stays in use."""
    _log.error("token-refused", failure=failure)


def queue_changed(what: str, asked: int, done: int) -> None:
    """On policy's word: so many ids it named, so many are now as it wants them."""
    _log.info("queue-changed", what=what, asked=asked, done=done)


def question_failed(path: str, error: Exception) -> None:
    _log.error("question-failed", path=path, exc_info=error)


def postfix_failed(path: str, why: str) -> None:
    """A command of Postfix's came to nothing; the asker tries again."""
    _log.error("postfix-failed", path=path, why=why)


def log_lost() -> None:
    """Postfix's log was removed or cut off before all of it was read: outcomes may be missing."""
    _log.error("log-lost")


def log_rotated(octets: int) -> None:
    _log.info("log-rotated", octets=octets)


def log_not_followed(error: Exception) -> None:
    _log.error("log-not-followed", exc_info=error)


def reports_not_taken(why: str, unreported: int) -> None:
    """Policy does not answer, or not with 204; they are kept and sent again."""
    _log.warning("reports-not-taken", why=why, unreported=unreported)


def reports_failed(error: Exception) -> None:
    """Neither sent nor forgotten: the agent's own state cannot be read or written."""
    _log.error("reports-failed", exc_info=error)


def reports_taken_again(unreported: int) -> None:
    _log.info("reports-taken-again", unreported=unreported)


def report_set_aside(why: str, submission: str, status: str) -> None:
    """Policy cannot read this one, alone; it is kept, offered again every hour, and keeps no other waiting."""
    _log.error("report-set-aside", why=why, submission=submission, status=status)


def report_dropped(why: str, submission: str, status: str) -> None:
    """Policy could not read it for a week."""
    _log.error("report-dropped", why=why, submission=submission, status=status)

"""The vocabulary of the gateway's log. What has no parameter here cannot be logged: no secret, no content."""

import datetime

import structlog

from gateway.replies import Reply

_log = structlog.get_logger()


def started(listener: str, address: str, port: int) -> None:
    _log.info("listener-started", listener=listener, address=address, port=port)


def worker_started(worker: int, process: int) -> None:
    _log.info("worker-started", worker=worker, process=process)


def worker_hung(worker: int, process: int) -> None:
    """Its event loop has not turned for a minute: it is killed, and `worker-ended` follows."""
    _log.error("worker-hung", worker=worker, process=process)


def worker_ended(worker: int, process: int, why: str, sessions: int) -> None:
    """A worker that ended, and not because the gateway stops; `sessions` went with it."""
    _log.error("worker-ended", worker=worker, process=process, why=why, sessions=sessions)


def certificate_loaded(expires_at: float) -> None:
    expires = datetime.datetime.fromtimestamp(expires_at, datetime.UTC).isoformat(timespec="seconds")
    _log.info("certificate-loaded", expires=expires)


def certificate_refused(failure: str) -> None:
    """What is on disk cannot be served; what was loaded before still is."""
    _log.error("certificate-refused", failure=failure)


def token_read(setting: str, lines: int) -> None:
    """A new token file is in use."""
    _log.info("token-read", setting=setting, lines=lines)


def token_refused(failure: str) -> None:
    """What is on disk is no token; what was there before stays in use."""
    _log.error("token-refused", failure=failure)


def spool_failed(error: OSError) -> None:
    _log.error("spool-failed", error=error.strerror)


def draining(sessions: int) -> None:
    _log.info("draining", sessions=sessions)


def stopped(sessions: int) -> None:
    _log.info("gateway-stopped", sessions_cut=sessions)


def session_opened(session: str, listener: str, client_address: str) -> None:
    _log.info("session-opened", session=session, listener=listener, client_address=client_address)


def session_ended(session: str, messages: int, errors: int) -> None:
    _log.info("session-ended", session=session, messages=messages, errors=errors)


def connection_refused(listener: str, client_address: str, why: str) -> None:
    _log.warning("connection-refused", listener=listener, client_address=client_address, why=why)


def handshake_failed(listener: str, client_address: str, error: BaseException) -> None:
    _log.info("handshake-failed", listener=listener, client_address=client_address, error=type(error).__name__)


def login_answered(session: str, mechanism: str, reply: Reply, login: str) -> None:
    """`login` only after success: before it may be a secret in the wrong field."""
    _log.info("login-answered", session=session, mechanism=mechanism, code=reply.code, login=login)


def message_relayed(session: str, submission: str, queue_id: str, recipients: int, message_bytes: int) -> None:
    _log.info(
        "message-relayed",
        session=session,
        submission=submission,
        queue_id=queue_id,
        recipients=recipients,
        message_bytes=message_bytes,
    )


def message_held(session: str, submission: str, queue_id: str, recipients: int, message_bytes: int) -> None:
    """The next hop keeps it for these recipients until somebody decides."""
    _log.info(
        "message-held",
        session=session,
        submission=submission,
        queue_id=queue_id,
        recipients=recipients,
        message_bytes=message_bytes,
    )


def message_refused(session: str, submission: str, reply: Reply, detail: str) -> None:
    _log.warning("message-refused", session=session, submission=submission, reply=str(reply), detail=detail)


def policy_failed(question: str, detail: str) -> None:
    _log.error("policy-failed", question=question, detail=detail)


def scan_failed(submission: str, detail: str) -> None:
    """The scanner does not answer, or says what is no answer; policy says whether the message goes all the same."""
    _log.error("scan-failed", submission=submission, detail=detail)


def outcome_lost(reservation: str, outcome: str) -> None:
    """Policy could not be told; it keeps the reservation counted."""
    _log.error("outcome-lost", reservation=reservation, outcome=outcome)


def next_hop_not_reached(detail: str) -> None:
    """At the start; what it offers is learned with the first message then."""
    _log.warning("next-hop-not-reached", detail=detail)


def failed(session: str, error: BaseException) -> None:
    """An error of ours, with its traceback, which holds code and no values."""
    _log.error("session-failed", session=session, exc_info=error)

"""The vocabulary of policy's log. What has no parameter here cannot be logged: no secret, no SASL response."""

import structlog

from policy.contract import MessageFacts, MessageVerdict, Outcome

_log = structlog.get_logger()


def started(address: str, port: int) -> None:
    _log.info("policy-started", address=address, port=port)


def login_granted(session: str, client_address: str, mechanism: str, login: str, identity: str) -> None:
    _log.info(
        "login-granted",
        session=session,
        client_address=client_address,
        mechanism=mechanism,
        login=login,
        identity=identity,
    )


def login_refused(session: str, client_address: str, mechanism: str, why: str) -> None:
    """Without the login that was tried: people type their secret into the wrong field."""
    _log.warning("login-refused", session=session, client_address=client_address, mechanism=mechanism, why=why)


def message_judged(facts: MessageFacts, verdict: MessageVerdict, identity: str, rule: str) -> None:
    _log.info(
        "message-judged",
        submission=facts.submission,
        session=facts.session,
        client_address=facts.client_address,
        identity=identity,
        recipients=len(facts.recipients),
        action=verdict.action,
        reason=verdict.reason or "",
        rule=rule,
    )


def message_ended(outcome: Outcome, known: bool) -> None:
    _log.info(
        "message-ended",
        reservation=outcome.reservation,
        outcome=outcome.outcome,
        queue_id=outcome.queue_id,
        known=known,
    )


def question_refused(path: str, faults: int, first: str) -> None:
    """A question that is none; `first` is where its first fault is. Gateway and policy are of different versions."""
    _log.error("question-refused", path=path, faults=faults, first=first)


def question_failed(path: str, error: BaseException) -> None:
    """An error of ours. Only its class and place are told: its text may hold what was asked."""
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else ""
    _log.error("question-failed", path=path, error=type(error).__name__, where=where)

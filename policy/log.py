"""The vocabulary of policy's log. What has no parameter here cannot be logged: no secret, no SASL response."""

from collections.abc import Sequence

import structlog

from policy.contract import SPOKEN, ConnectFacts, MessageFacts, MessageVerdict, Outcome
from policy.delegation.handed import Handed
from policy.engine.judging import Decision

_log = structlog.get_logger()


def started(address: str, port: int) -> None:
    _log.info("policy-started", address=address, port=port)


def token_read(setting: str, lines: int) -> None:
    """A new token file is in use."""
    _log.info("token-read", setting=setting, lines=lines)


def token_refused(failure: str) -> None:
    """What is on disk is no token; what was there before stays in use."""
    _log.error("token-refused", failure=failure)


def database_awaited(reason: str) -> None:
    """The first start goes on as soon as PostgreSQL answers. The reason is the driver's, without a password."""
    _log.warning("database-awaited", reason=reason)


def login_granted(session: str, client_address: str, mechanism: str, login: str, identity: str) -> None:
    _log.info(
        "login-granted",
        session=session,
        client_address=client_address,
        mechanism=mechanism,
        login=login,
        identity=identity,
    )


def login_refused(session: str, client_address: str, mechanism: str, why: str, identity: str = "") -> None:
    """Without the login that was tried: people type their secret into the wrong field.

    `identity` is whose credential was proven and is good for nothing here: expired, locked, from the wrong country.
    """
    _log.warning(
        "login-refused",
        session=session,
        client_address=client_address,
        mechanism=mechanism,
        why=why,
        identity=identity,
    )


def login_deferred(session: str, client_address: str, mechanism: str, why: str) -> None:
    """Nothing was looked at: a wall, or too much to do. The secret may have been right."""
    _log.warning("login-deferred", session=session, client_address=client_address, mechanism=mechanism, why=why)


def network_walled(network: str, seconds: float, why: str) -> None:
    """Logins from there are deferred for so long, but for identities that have used it before."""
    _log.warning("network-walled", network=network, seconds=round(seconds), why=why)


def trap_closed(kind: str, session: str, client_address: str, protocol: str, identity: str, label: str) -> None:
    """Somebody did what no owner of a login has a reason to do; `identity` is whose address or secret it was."""
    _log.error(
        "trap-closed",
        kind=kind,
        session=session,
        client_address=client_address,
        protocol=protocol,
        identity=identity,
        label=label,
    )


def old_login_tried(kind: str, session: str, client_address: str, identity: str, label: str) -> None:
    """The same from a network that the identity has used before: a device that was forgotten, or a mistake."""
    _log.warning(
        "old-login-tried", kind=kind, session=session, client_address=client_address, identity=identity, label=label
    )


def message_judged(
    facts: MessageFacts, verdict: MessageVerdict, identity: str, rule: str, observed: Sequence[str]
) -> None:
    """`observed` are the rules in observe mode that would have refused or held."""
    _log.info(
        "message-judged",
        submission=facts.submission,
        session=facts.session,
        client_address=facts.client_address,
        identity=identity,
        recipients=len(facts.recipients),
        action=verdict.action,
        held=len(verdict.held),
        reason=verdict.reason or "",
        rule=rule,
        observed=",".join(observed),
    )


def message_ended(outcome: Outcome, known: bool) -> None:
    _log.info(
        "message-ended",
        reservation=outcome.reservation,
        outcome=outcome.outcome,
        queue_id=outcome.queue_id,
        known=known,
    )


def signal_raised(identity: str, kind: str, network: str, area: str, evidence: str) -> None:
    """Something speaks against an identity's credential; evidence is what was counted, against which limit."""
    _log.warning("signal-raised", identity=identity, kind=kind, network=network, area=area, evidence=evidence)


def signal_not_raised(identity: str, kind: str, network: str, area: str, evidence: str) -> None:
    """The same, by a rule in observe mode: it would have been raised, and nothing was done."""
    _log.warning("signal-not-raised", identity=identity, kind=kind, network=network, area=area, evidence=evidence)


def step_reached(identity: str, step: str, at_home: str) -> None:
    """It stands higher on the ladder than before, and stays there until somebody takes it back."""
    _log.error("step-reached", identity=identity, step=step, at_home=at_home)


def rulebook_loaded(digest: str) -> None:
    """A policy came into force: at a start, or because its file was changed."""
    _log.info("rulebook-loaded", digest=digest)


def rulebook_refused(path: str, line: int, why: str, in_force: str) -> None:
    """The policy file is broken; `in_force` is the digest of the policy that goes on."""
    _log.error("rulebook-refused", path=path, line=line, why=why, in_force=in_force)


def rulebook_not_kept(digest: str, error: BaseException) -> None:
    """A policy in force could not be written down: until it is, a record may name one that nobody can look up."""
    _log.error("rulebook-not-kept", digest=digest, error=type(error).__name__)


def alerting_started(channels: Sequence[str]) -> None:
    """The sender alone; its channels do not say where they lead."""
    _log.info("alerting-started", channels=",".join(channels))


def alert(kind: str, subject: str) -> None:
    """What the administrator has to know; it is on its way to him, too."""
    _log.error("alert", kind=kind, subject=subject)


def alert_not_sent(kind: str, channel: str, problem: str, *, is_given_up: bool) -> None:
    """A channel does not take it. Until it is given up it is tried again."""
    _log.error("alert-not-sent", kind=kind, channel=channel, problem=problem, is_given_up=is_given_up)


def alerts_failed(error: BaseException) -> None:
    """An error of ours, or of the store: nobody is told of anything until it is gone. Said once."""
    _log.error("alerts-failed", error=type(error).__name__, where=_place_of(error))


def health_not_written(error: BaseException) -> None:
    """What the parts of the installation say of themselves could not be written down. Said once."""
    _log.error("health-not-written", error=type(error).__name__, where=_place_of(error))


def issuer_keys_fetched(keys: int) -> None:
    _log.info("issuer-keys-fetched", keys=keys)


def issuer_failed(why: str) -> None:
    """The issuer of tokens did not give its keys. Tokens whose key is known go on being taken for a while."""
    _log.error("issuer-failed", why=why)


def issuer_sign_in_refused(why: str) -> None:
    """What came back from the issuer that signs people in to the console is not what it should be."""
    _log.warning("issuer-sign-in-refused", why=why)


def directory_failed(why: str) -> None:
    """The directory (LDAP) did not say whether a password is right: the client is told to try again later."""
    _log.error("directory-failed", why=why)


def sessions_kicked(identities: Sequence[str]) -> None:
    """IMAP sessions were ended, because a credential of theirs was."""
    _log.info("sessions-kicked", identities=",".join(identities))


def kick_failed(error: BaseException) -> None:
    """Dovecot cannot be told; it is tried again, and said once."""
    _log.error("kick-failed", error=type(error).__name__)


def question_refused(path: str, faults: int, first: str) -> None:
    """A question that is none; `first` is where its first fault is. Gateway and policy are of different versions."""
    _log.error("question-refused", path=path, faults=faults, first=first)


def contract_refused(asked: int) -> None:
    """Somebody asks by a contract that this version does not speak: newer, too old, or 0: by none that is a number."""
    _log.error("contract-refused", asked=asked, spoken=SPOKEN[-1])


def question_failed(path: str, error: BaseException) -> None:
    """An error of ours. Only its class and place are told: its text may hold what was asked."""
    _log.error("question-failed", path=path, error=type(error).__name__, where=_place_of(error))


def console_started(address: str, port: int) -> None:
    _log.info("console-started", address=address, port=port)


def console_visited(method: str, route: str, status: int, client_address: str) -> None:
    """The route, and not the path: that of an invite holds its token."""
    _log.info("console-visited", method=method, route=route, status=status, client_address=client_address)


def console_failed(route: str, error: BaseException) -> None:
    """An error of ours on a page, by its class and place, as in question_failed."""
    _log.error("console-failed", route=route, error=type(error).__name__, where=_place_of(error))


def signed_in(identity: str, client_address: str, second_factor: str) -> None:
    _log.info("signed-in", identity=identity, client_address=client_address, second_factor=second_factor)


def sign_in_refused(client_address: str, why: str) -> None:
    """Without the name that was typed: people type their password into the wrong field."""
    _log.warning("sign-in-refused", client_address=client_address, why=why)


def second_factor_refused(identity: str, client_address: str) -> None:
    """Whoever did this knows the password."""
    _log.warning("second-factor-refused", identity=identity, client_address=client_address)


def second_factor_confirmed(identity: str, client_address: str, second_factor: str) -> None:
    """Once more, in a session that was open."""
    _log.info("second-factor-confirmed", identity=identity, client_address=client_address, second_factor=second_factor)


def signed_out(identity: str, client_address: str) -> None:
    _log.info("signed-out", identity=identity, client_address=client_address)


def breach_server_failed(error: str) -> None:
    """The server of POLICY_HIBP_URL did not answer; the password was judged without it."""
    _log.warning("breach-server-failed", error=error)


def console_certificate_loaded(path: str) -> None:
    _log.info("console-certificate-loaded", path=path)


def console_certificate_refused(path: str, error: str) -> None:
    """The pair of files is broken or half written; the one before is still served."""
    _log.error("console-certificate-refused", path=path, error=error)


def delegation_started(address: str) -> None:
    """A socket of the policy delegation protocol."""
    _log.info("delegation-started", address=address)


def delegation_dropped(why: str) -> None:
    """A connection of a Postfix was ended without an answer; it asks again, and then tells its client 451 4.3.5."""
    _log.warning("delegation-dropped", why=why)


def delegation_failed(error: BaseException) -> None:
    """The same because of an error of ours, by its class and place, as in question_failed."""
    _log.error("delegation-failed", error=type(error).__name__, where=_place_of(error))


def delegation_unknown(login: str, client_address: str) -> None:
    """Nobody here has a login that a Postfix has let in: no secret in the wrong field, so it may be written down."""
    _log.warning("delegation-unknown", login=login, client_address=client_address)


def message_handed(handed: Handed, decision: Decision) -> None:
    """A message, or one recipient of it, that another front asked about."""
    _log.info(
        "message-handed",
        submission=handed.submission,
        session=handed.session,
        queue_id=handed.queue_id,
        client_address=handed.client_address,
        identity=handed.identity,
        recipients=len(handed.recipients) + handed.strangers,
        action=decision.action,
        held=len(decision.held),
        reason=decision.reason or "",
        rule=decision.rule,
        observed=",".join(decision.observed),
    )


def auth_policy_refused(identity: str, client_address: str, protocol: str, why: str) -> None:
    """A login at another server, of an identity that is known. Without the login that was tried, as above."""
    _log.warning("auth-policy-refused", identity=identity, client_address=client_address, protocol=protocol, why=why)


def auth_policy_listed(side: str, network: str, seconds: float, reason: str) -> None:
    """Somebody with the token put an entry on the allow or the block list; without a network it is about a login."""
    _log.info("auth-policy-listed", side=side, network=network, seconds=round(seconds), reason=reason)


def auth_policy_unlisted(side: str, network: str) -> None:
    _log.info("auth-policy-unlisted", side=side, network=network)


def connect_refused(facts: ConnectFacts, country: str, asn: int, why: str) -> None:
    """Somebody may not even talk, or not now; what the client hears says nothing of it."""
    _log.warning(
        "connect-refused",
        listener=facts.listener,
        gate=facts.gate,
        client_address=facts.client_address,
        country=country,
        asn=asn,
        why=why,
    )


def geo_database_loaded(path: str, kind: str, built_at: float) -> None:
    """A database of addresses is in use; `built_at` is its maker's date."""
    _log.info("geo-database-loaded", path=path, kind=kind, built_at=round(built_at))


def geo_database_refused(path: str, why: str, *, keeps_old: bool) -> None:
    """Without an old one every origin that it would know is unknown."""
    _log.error("geo-database-refused", path=path, why=why, keeps_old=keeps_old)


def geo_database_missing() -> None:
    """Every origin is unknown: gates see one country, `??`."""
    _log.error("geo-database-missing")


def budgets_away(reason: str) -> None:
    """The server of the budgets gave no answer that counts: the message is refused for the time being."""
    _log.error("budgets-away", reason=reason)


def budgets_lost(reservations: int) -> None:
    """That server was empty, or has forgotten so many reservations: what they took is not counted any more."""
    _log.error("budgets-lost", reservations=reservations)


def clock_differs(seconds: float) -> None:
    """The database's clock is ahead of this machine's by so much (behind, where it is less than 0), and is the time."""
    _log.warning("clock-differs", seconds=round(seconds, 1))


def addresses_cut(values: int) -> None:
    """Client addresses that were kept for long enough are networks from now on."""
    _log.info("addresses-cut", values=values)


def dkim_changed(domain: str, selector: str, state: str) -> None:
    """A pair of keys began to sign because its records were seen, or its time was over."""
    _log.info("dkim-changed", domain=domain, selector=selector, state=state)


def dkim_failed(error: BaseException) -> None:
    """The keys could not be looked after; mail is signed as before."""
    _log.error("dkim-failed", error=type(error).__name__, where=_place_of(error))


def _place_of(error: BaseException) -> str:
    """File and line; nothing of what the error says."""
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    return f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else ""


def containment_failed(error: Exception) -> None:
    """The store or the queue agent is away; said once, and what is to be done is tried again until it is done."""
    _log.error("containment-failed", error=type(error).__name__)


def messages_held_back(incident: int, identity: str, messages: int) -> None:
    """What was on its way already is on hold."""
    _log.warning("messages-held-back", incident=incident, identity=identity, messages=messages)


def held_messages_moved(state: str, messages: int) -> None:
    """Released, purged or expired, at the queue itself."""
    _log.info("held-messages-moved", state=state, messages=messages)


def held_messages_gone(messages: int) -> None:
    """Somebody was at the queue itself; or the queue is another one, and what was on hold is lost."""
    _log.warning("held-messages-gone", messages=messages)


def complaint_read(submission: str, reporter: str, kind: str, new: int) -> None:
    """Somebody said that a message is spam; `new` recipients of it had not said so before."""
    _log.warning("complaint-read", submission=submission, reporter=reporter, kind=kind, new=new)


def complaints_unread(mailbox: str, error: Exception) -> None:
    """Dovecot or the store is away; said once."""
    _log.error("complaints-unread", mailbox=mailbox, error=type(error).__name__)


def held_message_expired(queue_id: str, identity: str) -> None:
    """Nobody has decided about it in time."""
    _log.warning("held-message-expired", queue_id=queue_id, identity=identity)

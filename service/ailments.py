"""What the parts say of their health: every sentence there is, in one list, so that the console can say each of them.

A part that is newer than the console may have one more: that is shown as the English sentence it carries.
"""

from service.sentence import Sentences


class Ailment(Sentences):
    """A closed list, by the part that says it. Never an error's words: whoever reaches a port may read them."""

    # The gateway
    POLICY_SILENT = "policy does not answer: nobody can log in or send"
    POLICY_OLDER = "the gateway speaks contract %(ours)s and policy %(theirs)s: update policy first"
    POLICY_NEWER = "the gateway speaks contract %(ours)s and policy %(theirs)s: update the gateway"
    NEXT_HOP_SILENT = "the next hop does not answer: no message can be handed over"
    HOLD_RELAY_SILENT = "the listener for held mail does not answer: what should be held is deferred"
    SCANNER_SILENT = "the scanner does not answer, or says what cannot be read; the log has scan-failed"
    CERTIFICATE_REFUSED = (
        "a certificate on disk does not serve, and the one from before still does; the log has certificate-refused"
    )
    CERTIFICATE_EXPIRED = "the certificate has expired: mail programs refuse to connect"
    CERTIFICATE_ENDS = "the certificate expires within %(hours)s hours"
    WORKER_LATE = "a worker is %(seconds)s s late, and turns new connections away"
    PLACES_TAKEN = "all %(sessions)s places for connections are taken (GATEWAY_MAX_SESSIONS)"
    NO_ROOM_FOR_LARGE = "the disk of GATEWAY_SPOOL_DIR has no room for a large message: such are deferred"
    # Policy
    STORE_SILENT = "the database does not answer: nothing can be decided"
    STORE_FULL = "the database takes no changes: nothing can be decided"
    STORE_SLOW = 'the database takes %(seconds)s s for a change: clients wait, or hear "try again later"'
    SCHEMA_NEWER = (
        "the database has the schema %(found)s, of a newer version, and this one is made for %(ours)s: update it"
    )
    BUDGETS_SILENT = "the server of the budgets does not answer: no message can be judged"
    POLICY_FILE_REFUSED = (
        "the policy file is refused, and what was in force before goes on: line %(line)s; "
        "`sallyport policy check` says what is wrong"
    )
    GEO_NOT_IN_USE = "the database of addresses %(path)s is not in use: %(why)s"
    GEO_MISSING = "it is not there"
    GEO_UNREADABLE = "it is no readable MMDB file (%(error)s)"
    GEO_DAMAGED = "it is damaged (%(error)s)"
    AGENT_AWAY = "the queue agent does not answer: nothing in the queue can be held, released or looked at"
    DOVECOT_AWAY = "Dovecot does not answer: sessions of lost credentials go on"
    # The others, as policy sees them
    SILENT = "it does not answer"
    LOGINS_SILENT = "its auth service does not answer: nobody can read mail, and none is put into mailboxes"
    UNREADABLE = "its answer cannot be read"
    QUEUE_SILENT = "the queue agent does not answer (%(error)s)"
    QUEUE_UNREADABLE = "the queue agent's answer cannot be read"
    QUEUE_REFUSES = "the queue agent answers %(method)s with %(status)s"
    QUEUE_HEALTH_UNREADABLE = "the queue agent's health cannot be read (status %(status)s)"
    POSTFIX_DOWN = "Postfix does not run: nothing is taken and nothing leaves"
    MESSAGES_OLD = "the oldest message waits for %(hours)s hours"
    # The queue agent
    SPOOL_UNREADABLE = "the queue cannot be read"
    SPOOL_FULL = "the queue's disk is full: Postfix takes no message"
    LOG_NOT_FOLLOWED = (
        "Postfix's log cannot be followed: nobody learns what becomes of mail; the log has log-not-followed"
    )
    ORDER_FAILED = "the last order (%(order)s) could not be carried out; the log has postfix-failed"
    REPORTS_NOT_TAKEN = "policy does not take reports of what became of mail: %(number)s wait"
    REPORTS_UNREAD = "policy cannot read %(number)s of the reports of what became of mail; the log has report-set-aside"
    # The console
    CONSOLE_STORE_SILENT = "the database does not answer: nobody can sign in or see anything"
    CONSOLE_CERTIFICATE_REFUSED = (
        "the console's certificate on disk does not serve, and the one from before still does; "
        "the log has console-certificate-refused"
    )
    CONSOLE_CERTIFICATE_EXPIRED = "the console's certificate has expired: browsers warn of it"

"""Every reply that a client can see, and which reply belongs to which reason of policy.

Texts are for people who read them in their mail client: they say what to do, and nothing of how it was found out.
Codes follow RFC 5321 section 4.2, enhanced status codes RFC 3463, for AUTH RFC 4954 section 6. 521 is not for
submission (RFC 6409 section 7).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from policy.contract import Reason


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply line, RFC 5321 section 4.2, with an RFC 3463 status."""

    code: int
    status: str  # empty where RFC 2034 has none: greeting, EHLO, 334, 354
    text: str

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.code), self.status, self.text) if part)

    @property
    def is_positive(self) -> bool:
        return self.code < 400  # noqa: PLR2004 - RFC 5321 section 4.2.1


# Of the session
BYE = Reply(221, "2.0.0", "Bye")
DONE = Reply(250, "2.0.0", "Ok")
NOT_TELLING = Reply(252, "2.5.0", "Send a message and see")
READY_FOR_TLS = Reply(220, "2.0.0", "Ready to start TLS")
TLS_FIRST = Reply(530, "5.7.0", "Must issue a STARTTLS command first")
TLS_ALREADY = Reply(503, "5.5.1", "TLS is active already")
TALKED_EARLY = Reply(554, "5.5.0", "Wait for the reply before you go on, closing the connection")
NOT_HTTP = Reply(554, "5.5.0", "This is a mail server, closing the connection")
SHUTTING_DOWN = Reply(421, "4.3.2", "Service is restarting, try again in a moment")
TIMED_OUT = Reply(421, "4.4.2", "Timeout, closing the connection")
SESSION_TOO_LONG = Reply(421, "4.4.2", "This session has lasted too long, closing the connection")
TOO_MANY_ERRORS = Reply(421, "4.7.0", "Too many errors, closing the connection")
TOO_MANY_COMMANDS = Reply(421, "4.7.0", "Too many commands in one session, closing the connection")
REVOKED = Reply(421, "4.7.0", "This login has ended, closing the connection")
TOO_BUSY = Reply(421, "4.3.2", "Too busy at the moment, try again later")
TOO_MANY_CONNECTIONS = Reply(421, "4.7.0", "Too many connections, try again later")
NOT_FROM_THERE = Reply(
    554, "5.7.1", "No mail is taken from where you are, use another network or ask your administrator"
)
NOT_FROM_THERE_NOW = Reply(421, "4.7.0", "Nothing is taken from your network at the moment, try again in an hour")
LINE_TOO_LONG = Reply(500, "5.5.2", "Line too long")
BAD_LINE = Reply(500, "5.5.2", "Command lines are printable text that ends in CRLF")
UNKNOWN_COMMAND = Reply(500, "5.5.1", "Command not recognized")
NOT_OFFERED = Reply(502, "5.5.1", "Command not implemented")
NO_ARGUMENT = Reply(501, "5.5.4", "This command takes no argument")
BAD_NAME = Reply(501, "5.5.4", "Computer name is malformed; syntax: EHLO hostname or address literal")
HELLO_FIRST = Reply(503, "5.5.1", "Send EHLO first")
INTERNAL_ERROR = Reply(451, "4.3.0", "Something went wrong here, try again later")

# Of AUTH, RFC 4954 section 6
LOGGED_IN = Reply(235, "2.7.0", "Authentication succeeded")
LOGIN_FIRST = Reply(530, "5.7.0", "Authentication required")
LOGGED_IN_ALREADY = Reply(503, "5.5.1", "Already authenticated")
UNKNOWN_MECHANISM = Reply(504, "5.5.4", "Authentication mechanism not supported")
BAD_AUTH_SYNTAX = Reply(501, "5.5.2", "Malformed authentication response")
AUTH_LINE_TOO_LONG = Reply(500, "5.5.6", "Authentication response too long")
AUTH_CANCELLED = Reply(501, "5.7.0", "Authentication cancelled")
LOGIN_REFUSED = Reply(535, "5.7.8", "Authentication credentials invalid")
LOGIN_UNAVAILABLE = Reply(454, "4.7.0", "Temporary authentication failure, try again later")
LOGIN_LATER = Reply(454, "4.7.0", "Too many login attempts, try again later")
TOO_MANY_SESSIONS = Reply(454, "4.7.0", "Too many sessions of one person, close other mail programs or try again later")

# Of the envelope
SENDER_TAKEN = Reply(250, "2.1.0", "Sender ok")
RECIPIENT_TAKEN = Reply(250, "2.1.5", "Recipient ok")
BAD_SENDER_SYNTAX = Reply(501, "5.1.7", "Sender address is malformed; syntax: MAIL FROM:<address> [parameters]")
BAD_RECIPIENT_SYNTAX = Reply(501, "5.1.3", "Recipient address is malformed; syntax: RCPT TO:<address> [parameters]")
BAD_PARAMETER = Reply(501, "5.5.4", "Malformed parameter")
UNKNOWN_PARAMETER = Reply(555, "5.5.4", "Parameter not recognized or not implemented")
ADDRESS_NOT_ASCII = Reply(553, "5.6.7", "Address is not ASCII and MAIL did not say SMTPUTF8")
REQUIRETLS_NOT_OFFERED = Reply(550, "5.7.30", "TLS cannot be required of every server on the way from here")
DOMAIN_NOT_QUALIFIED = Reply(554, "5.1.3", "The domain must be fully qualified")
ADDRESS_ROUTED = Reply(553, "5.1.3", "No @, % or ! may stand before the last @ of an address")
SENDER_FIRST = Reply(503, "5.5.1", "Send MAIL FROM first")
SENDER_ALREADY = Reply(503, "5.5.1", "Sender already given, RSET to start anew")
RECIPIENT_FIRST = Reply(503, "5.5.1", "Send RCPT TO first")
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "Too many recipients in one message, send the rest in another one")
TOO_MANY_MESSAGES = Reply(452, "4.5.3", "Too many messages in one session, connect again for the rest")
SENDER_NOT_OWNED = Reply(553, "5.7.1", "Sender address not owned by this login")

# Of the message
GO_ON = Reply(354, "", "End data with <CR><LF>.<CR><LF>")
CHUNK_TAKEN = Reply(250, "2.0.0", "Chunk ok")
BAD_CHUNK = Reply(501, "5.5.4", "Syntax: BDAT size [LAST], closing the connection")
CHUNKS_BEGUN = Reply(503, "5.5.1", "Message was begun with BDAT, end it with BDAT or RSET")
SPOOL_FULL = Reply(452, "4.3.1", "No space left here, try again later")
MESSAGE_TOO_BIG = Reply(552, "5.3.4", "Message too big")
BARE_CR_OR_LF = Reply(554, "5.6.0", "Message contains a bare CR or LF; lines must end in CRLF")
NUL_OCTET = Reply(554, "5.6.0", "Message contains a NUL octet")
MESSAGE_LINE_TOO_LONG = Reply(554, "5.6.0", "Message contains a line of more than 998 octets")
HEADER_TOO_LONG = Reply(554, "5.6.0", "Header section too long")
HEADER_NOT_ASCII = Reply(
    554, "5.6.7", "Subject and other header fields must be ASCII or encoded words, or UTF-8 that is sent with SMTPUTF8"
)
BAD_HEADER = Reply(554, "5.6.0", "Malformed header section: a line is no header field, or has a control character")
DUPLICATE_HEADER = Reply(554, "5.6.0", "A header field that must be unique occurs twice")
BAD_AUTHOR = Reply(554, "5.6.0", "Malformed name or address in the From header field")
SENDER_FIELD_MISSING = Reply(554, "5.6.0", "Several addresses in the From header field need a Sender field")
BAD_SENDER_FIELD = Reply(554, "5.6.0", "Malformed address in the Sender or a Resent header field")
LOOP = Reply(554, "5.4.6", "Too many hops, this message loops")

# Of the next hop and of policy
POLICY_UNAVAILABLE = Reply(451, "4.3.0", "Cannot be decided at the moment, try again later")
RELAY_UNAVAILABLE = Reply(451, "4.4.1", "Next hop did not answer, try again later")
RELAY_BROKE_OFF = Reply(451, "4.4.2", "Connection to the next hop was lost, try again later")
RELAY_DEFERRED = Reply(451, "4.3.0", "Next hop cannot take the message at the moment, try again later")
RELAY_FULL = Reply(452, "4.3.1", "Next hop has no space left, try again later")
RELAY_REFUSED = Reply(554, "5.0.0", "Next hop refused the message")
RELAY_TOO_BIG = Reply(552, "5.3.4", "Message too big for the next hop")
RELAY_NOT_UTF8 = Reply(550, "5.6.7", "Next hop takes no addresses or header fields in UTF-8")  # RFC 6531 section 3.5
RELAY_LACKS_DSN = Reply(555, "5.5.4", "Next hop cannot send the delivery status notifications that were asked for")
RELAY_LACKS_REQUIRETLS = Reply(550, "5.7.30", "Next hop does not support REQUIRETLS")  # RFC 8689 section 4.2

FOR_REASON: Mapping[Reason, Reply] = {
    Reason.CREDENTIAL_REVOKED: Reply(550, "5.7.1", "This login may not send any more, set the device up anew"),
    Reason.SENDER_NOT_OWNED: SENDER_NOT_OWNED,
    Reason.AUTHOR_NOT_OWNED: Reply(550, "5.7.1", "Address in the From header field not owned by this login"),
    Reason.AUTHOR_MISSING: Reply(554, "5.6.0", "Message has no From header field"),
    Reason.SENDER_FIELD_NOT_OWNED: Reply(
        550, "5.7.1", "Address in the Sender or a Resent field not owned by this login"
    ),
    Reason.SECRET_IN_MESSAGE: Reply(
        550, "5.7.1", "The message contains the secret of a login; remove it, and set the device up anew"
    ),
    Reason.MALWARE: Reply(554, "5.7.1", "The message contains malware, remove the attachment and check your computer"),
    Reason.SPAM: Reply(554, "5.7.1", "The message looks like spam, ask your administrator if it is none"),
    Reason.SCANNER_SILENT: Reply(451, "4.7.1", "The message cannot be scanned at the moment, try again later"),
    Reason.NAME_SHOWS_ADDRESS: Reply(550, "5.7.1", "The sender's name shows an address not owned by this login"),
    Reason.TOO_MANY_RECIPIENTS: Reply(550, "5.5.3", "Too many recipients in one message, send it in several"),
    Reason.BUDGET_TOO_SMALL: Reply(550, "5.5.3", "More recipients than this login may reach at all, send to fewer"),
    Reason.BUDGET_SPENT: Reply(451, "4.7.1", "Too many recipients in a short time, try again later"),
    # What these four are about is held and not refused, where the next hop keeps it.
    Reason.SENDING_DELAY: Reply(451, "4.7.1", "Mail to new recipients waits a moment here, try again later"),
    Reason.NEW_RECIPIENTS: Reply(451, "4.7.1", "Too many new recipients at once, send to some of them later"),
    Reason.PROBATION: Reply(
        451, "4.7.1", "More than may be sent from here yet, try again tomorrow or ask your administrator"
    ),
    Reason.HELD: Reply(451, "4.7.1", "Mail of this login waits for a decision, ask your administrator"),
    Reason.HOLD_FULL: Reply(451, "4.7.1", "Too much mail of this login waits for a decision, ask your administrator"),
    Reason.RESTRICTED: Reply(550, "5.7.1", "This login may write to known recipients only, ask your administrator"),
    Reason.LOCKED: Reply(550, "5.7.1", "This login is locked, ask your administrator"),
    # Nobody's own doing: RFC 3463 X.3.2, "not accepting messages"
    Reason.SERVER_BUDGET_SPENT: Reply(451, "4.3.2", "Too much mail leaves this server at the moment, try again later"),
}


def accepted(submission: str) -> Reply:
    """250 with our own id, by which the whole way of the message is found again."""
    return Reply(250, "2.0.0", f"Ok: queued as {submission}")


def greeting(hostname: str) -> Reply:
    return Reply(220, "", f"{hostname} ESMTP Sallyport")

"""What a test sends, whatever the client: one letter, as values and as the octets of a message."""

import email.policy
import functools
from dataclasses import dataclass
from email.header import Header
from email.message import EmailMessage
from pathlib import Path

SENDER, FRIEND = "ada@sallyport.test", "bob@elsewhere.example"
PETER = "пётр@пример.example"
TYPE = "application/octet-stream"  # of an attachment


@dataclass(frozen=True)
class Letter:
    """`notify`: its sender wants to hear of success and failure (RFC 3461)."""

    subject: str
    text: str = "It works."
    recipient: str = FRIEND
    attachment: Path | None = None
    notify: bool = False

    @property
    def subject_in_ascii(self) -> str:
        """As an encoded word (RFC 2047) where it is not ASCII, for clients that take header fields as they are."""
        return self.subject if self.subject.isascii() else Header(self.subject, "utf-8", maxlinelen=200).encode()

    def message(self) -> EmailMessage:
        """For clients that are handed a complete message."""
        message = EmailMessage(policy=self._policy)
        message["From"], message["To"], message["Subject"] = SENDER, self.recipient, self.subject
        message.set_content(self.text, cte="7bit" if self.text.isascii() else "8bit")
        if self.attachment:
            maintype, _, subtype = TYPE.partition("/")
            octets, name = self.attachment.read_bytes(), self.attachment.name
            message.add_attachment(octets, maintype=maintype, subtype=subtype, filename=name)
        return message

    @functools.cached_property
    def octets(self) -> bytes:
        return self.message().as_bytes()

    @property
    def _policy(self) -> email.policy.EmailPolicy:
        return email.policy.SMTP if self.recipient.isascii() else email.policy.SMTPUTF8

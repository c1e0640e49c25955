"""What a person is told who cannot go on. `template` and `values` are apart, so that a page can say it in German."""

from enum import StrEnum


class Text(StrEnum):
    """Every sentence. None repeats what was typed: it may be a password."""

    TOO_SHORT = "The password has {length} characters. It needs {least} or more: take a sentence or some words."
    TOO_LONG = "The password has more than {most} characters. Take a shorter one."
    UNPRINTABLE = "The password holds a character that no keyboard can type. Take another one."
    OWN_NAME = (
        "The password is little more than names and addresses of yours. Take one that has nothing to do with you."
    )
    KNOWN = "This password, or the word it is made of, is on lists of stolen passwords. Take another one."
    GUESSABLE = "The password is easy to guess for a program. Take some words that have nothing to do with each other."
    UNCHANGED = "This is the password that you have already. Take another one."
    WRONG_SIGN_IN = "The name or the password is wrong."
    WRONG_FACTOR = "That is not right, or it was used already. Try again with the next code."
    WRONG_PASSKEY = "The passkey was not accepted. Try again, or take another way."
    WRONG_PASSWORD = "The password is wrong."  # noqa: S105 - the sentence about one
    NO_INVITE = "This link is not valid, or not any more. Ask your administrator for a new one."
    INVITE_USED = (
        "This link has done its work. Sign in with the password and the second factor that were chosen; "
        "new recovery codes are made on the page of your account. "
        "If it was not you who chose them, tell your administrator."
    )
    INVITE_REPLACED = "A newer link was made in place of this one. Open the newest one, or ask your administrator."
    INVITE_BEGUN = "This link is being used already. Enter the password that was chosen, or ask for a new link."
    TICKET_EXPIRED = "That took too long. Please begin again."
    WAIT = "Too many wrong tries. Please wait {minutes} minutes and try again."
    BUSY = "Many people are signing in at this moment. Please try again in a few seconds."
    LAST_FACTOR = "This is the only second factor. Add another one before you remove it."
    NO_SUCH_FACTOR = "There is no such second factor any more."
    TOO_MANY_FACTORS = "There are {most} second factors already. Remove one that is not used any more."
    ISSUER_REFUSED = "The sign-in there did not come to its end. Please begin again."
    ISSUER_UNKNOWN = "You have signed in there, but there is no account for you here. Ask your administrator for one."
    ISSUER_OTHER = "Somebody else has signed in there. Sign in there as the person that you are here."
    ISSUER_DOWN = "The service that signs people in does not answer at the moment. Please try again in a minute."
    BAD_LABEL = "A label has 1 to {most} printable characters, for example 'phone'."


class Refused(Exception):
    """The page is shown again with this sentence. HTTP 400."""

    def __init__(self, template: Text, **values: int | str) -> None:
        super().__init__(template.format(**values))
        self.template = template
        self.values = values


class PasswordRefused(Refused):
    """A new password that cannot be one."""


class SignInRefused(Refused):
    """Not signed in; the same for an unknown name, a wrong password and a suspended person."""


class InviteInvalid(Refused):
    """Unknown, expired or revoked, and nobody learns which; or used up or replaced, which is told. HTTP 404."""

    def __init__(self, template: Text = Text.NO_INVITE) -> None:
        super().__init__(template)


class InviteBegun(Refused):
    """Somebody has chosen a password on this link already, and this is not it."""

    def __init__(self) -> None:
        super().__init__(Text.INVITE_BEGUN)


class TicketExpired(Refused):
    """The step before is too long ago, was finished, or never was."""

    def __init__(self) -> None:
        super().__init__(Text.TICKET_EXPIRED)


class Wait(Refused):
    """Later, whether or not it is right. HTTP 429 with Retry-After."""

    def __init__(self, seconds: float, template: Text = Text.WAIT) -> None:
        super().__init__(template, minutes=max(1, -(-int(seconds) // 60)))
        self.seconds = max(1, int(seconds))


class Busy(Wait):
    """More sign-ins at once than the machine has memory for. HTTP 503 with Retry-After."""

    def __init__(self) -> None:
        super().__init__(5, Text.BUSY)


class IssuerDown(Busy):
    """Nobody can sign in there now. HTTP 503 with Retry-After."""

    def __init__(self) -> None:
        Wait.__init__(self, 60, Text.ISSUER_DOWN)

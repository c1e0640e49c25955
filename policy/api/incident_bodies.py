"""What incidents and held mail are as JSON. bodies.py has what they are made of."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from policy.api.bodies import MOST_ROWS, Given, Moment, Shown, Text
from policy.queue_contract import QUEUE_ID
from policy.store.held import HeldState
from policy.store.incident_end import End, Fate, end_of, parts_of
from policy.store.incident_notes import State
from policy.store.incidents import StoredIncident
from policy.store.ladder_book import NOTE_LIMIT
from policy.store.measures import Kind

QueueId = Annotated[str, StringConstraints(pattern=QUEUE_ID)]
Step = Literal["free", "slow", "hold", "restrict", "lock"]


class Note(Given):
    note: Annotated[Text, Field(description="Why, for whoever asks later", max_length=NOTE_LIMIT)] = ""


class QueueIds(Given):
    queue_ids: Annotated[list[QueueId], Field(min_length=1, max_length=MOST_ROWS, examples=[["4fXyZ21kNzwt"]])]


class Counted(Shown):
    messages: int
    recipients: int


class Measure(Shown):
    """What is done outside of the database. `done_at` is null until then; `outcome`: what was done, or why not yet."""

    kind: Kind
    created_at: Moment
    due_at: Moment
    done_at: Moment | None
    outcome: str
    tries: int


class Contained(Shown):
    """Undone by a release."""

    at: Moment
    by: Annotated[str, Field(examples=["console:ada", "cli:root"])]
    working: Annotated[list[str], Field(description="Logins of the identity that are not suspended")]
    is_whole: Annotated[bool, Field(description="There are none of these")]


class Part(Shown):
    """How much of the mail had this fate; where the account was given back it is nothing."""

    fate: Fate
    counted: Counted
    at: Annotated[Moment | None, Field(description="When it was wanted last; null where nobody wanted it")]
    by: Annotated[list[str], Field(description="Whoever wanted it", examples=[["cli:root", "api:desk"]])]


class Incident(Shown):
    number: int
    identity: str
    state: Annotated[State, Field(description="What was decided last")]
    end: Annotated[End, Field(description="What is true of it, by what became of its mail")]
    parts: Annotated[list[Part], Field(description="What became of mail on hold and of the account; while open, too")]
    step: Annotated[Step, Field(description="The highest of the ladder")]
    opened_by: Annotated[str, Field(examples=["sallyport", "cli:root"])]
    opened_at: Moment
    since: Annotated[Moment, Field(description="The first bad use")]
    changed_at: Moment
    closed_at: Moment | None
    answer: Annotated[Literal["", "yes", "no"], Field(description="The owner's to: was it you?")]
    answered_at: Moment | None
    note: str
    suspended: Annotated[list[str], Field(description="Logins")]
    contained: Annotated[Contained | None, Field(description="Null where no login is suspended")]
    held: Annotated[dict[HeldState, Counted], Field(description="Messages that are or were on hold, by their state")]
    measures: list[Measure]
    is_settled: Annotated[bool, Field(description="Nothing is left to be done, and nothing moves")]

    @model_validator(mode="before")
    @classmethod
    def _ended(cls, given: object) -> object:
        """How it ended is no column; it is told by what became of the mail."""
        if not isinstance(given, StoredIncident):
            return given
        told = {"end": end_of(given), "parts": parts_of(given)}
        return {name: told[name] if name in told else getattr(given, name) for name in cls.model_fields}


class Traffic(Shown):
    """Messages and recipients. What is on hold in part counts as both sent and held."""

    sent: int
    reached: Annotated[int, Field(description="Recipients that it went to; some may have bounced")]
    held: int
    held_recipients: int
    refused: int


class SeenNetwork(Shown):
    network: str
    whose: Annotated[
        Literal["home", "settled", "strange", "unknown"],
        Field(description="What it was to the identity; unknown: somebody only logged in from there"),
    ]
    area: Annotated[str, Field(description="The autonomous system and the country", examples=["AS3320 DE"])]
    country: str
    first_used_at: Moment
    last_used_at: Moment
    traffic: Traffic


class SeenLogin(Shown):
    login: str
    is_strange: Annotated[bool, Field(description="It was used from strange networks, too")]
    first_used_at: Moment
    last_used_at: Moment
    traffic: Traffic


class FirstUse(Shown):
    """The first message that was bad."""

    at: Moment
    submission: str
    client_address: str
    client_name: Annotated[str, Field(description="As the client said in EHLO")]
    area: str
    login: str
    verdict: str


class Entry(Shown):
    at: Moment
    kind: str
    text: str


class ToWarn(Shown):
    """Somebody who got a message that its owner may not have sent."""

    recipient: str
    at: Moment
    submission: str


class Advice(Shown):
    text: str
    commands: list[str]


class Story(Shown):
    """One incident as a whole. Lists are bounded; `..._left_out` says how many more there are."""

    incident: Incident
    made_at: Moment
    begin: Annotated[Moment, Field(description="What is told begins here")]
    step_now: Step
    at_home_now: Step
    first: FirstUse | None
    strange: Annotated[Traffic, Field(description="From strange networks; from disowned ones also before `begin`")]
    own: Annotated[Traffic, Field(description="From all other networks")]
    networks: list[SeenNetwork]
    networks_left_out: int
    disowned: Annotated[list[str], Field(description="Of which somebody has said that they are not the owner's")]
    logins: list[SeenLogin]
    timeline: Annotated[list[Entry], Field(description="The oldest first; what is left out is in the middle")]
    timeline_left_out: int
    to_warn: list[ToWarn]
    to_warn_left_out: int
    working: Annotated[list[str], Field(description="Logins that were not revoked; suspended ones, too")]
    advice: Annotated[list[Advice], Field(description="What to do next, with commands of the command line")]


class Held(Shown):
    """A message, or the part of one, that is on hold at the next hop, or was."""

    queue_id: str
    submission: str
    identity: str
    login: str
    incident: int | None
    at: Annotated[Moment, Field(description="Since when it is on hold")]
    reason: Annotated[str, Field(examples=["held", "retro-hold"])]
    recipients: int
    message_bytes: int
    state: HeldState
    state_at: Moment
    release_at: Annotated[Moment | None, Field(description="By itself, unless something happens")]

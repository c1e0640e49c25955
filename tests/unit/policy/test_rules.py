"""Each rule alone, and all of them in their order."""

from dataclasses import replace

import pytest
from engine_parts import profile_of

from policy.contract import Action, MessageFacts, Owned, Reason
from policy.engine.profile import Profile
from policy.engine.rules import (
    ACCEPTED,
    RULES,
    Rule,
    Ruling,
    Stage,
    author_is_named,
    author_is_owned,
    credential_is_active,
    decide,
    message_has_no_secret,
    names_show_no_foreign_address,
    recipients_are_few,
    sender_fields_are_owned,
    sender_is_owned,
)

OWN = frozenset({"ada@example.org", "countess@example.org"})
FACTS = MessageFacts(
    submission="m1",
    session="s1",
    listener="submission",
    client_address="192.0.2.1",
    client_name="laptop.example",
    credential=1,
    reverse_path="ada@example.org",
    recipients=("bob@example.net",),
    authors=("ada@example.org",),
    senders=(),
    names=("Ada Lovelace",),
    message_bytes=100,
)


def facts(**changed: object) -> MessageFacts:
    """The facts of an ordinary message, but for what a test is about."""
    return FACTS.model_copy(update=changed)


def profile(*, active: bool = True, few: int = 3, **owned: frozenset[str]) -> Profile:
    """The profile of an ordinary credential, but for what a test is about."""
    own = Owned.model_validate({"addresses": OWN} | owned)
    return profile_of(owned=own, active=active, recipients_per_message=few)


RULE_CASES = [
    # what it shows, rule, facts, profile, expected
    ("an active credential", credential_is_active, facts(), profile(), None),
    ("a revoked credential", credential_is_active, facts(), profile(active=False), Reason.CREDENTIAL_REVOKED),
    ("no secret", message_has_no_secret, facts(), profile(), None),
    (
        "a secret in the message",
        message_has_no_secret,
        facts(),
        replace(profile(), gives_secret_away=True),
        Reason.SECRET_IN_MESSAGE,
    ),
    ("own reverse-path", sender_is_owned, facts(), profile(), None),
    ("another own reverse-path", sender_is_owned, facts(reverse_path="countess@example.org"), profile(), None),
    ("letter case is ignored", sender_is_owned, facts(reverse_path="ADA@Example.ORG"), profile(), None),
    ("a trailing dot is ignored", sender_is_owned, facts(reverse_path="ada@example.org."), profile(), None),
    ("null reverse-path", sender_is_owned, facts(reverse_path=""), profile(), None),
    ("somebody else's", sender_is_owned, facts(reverse_path="bob@example.org"), profile(), Reason.SENDER_NOT_OWNED),
    ("suffix is not ownership", sender_is_owned, facts(reverse_path="ada@example.org.evil.test"), profile(),
     Reason.SENDER_NOT_OWNED),
    ("prefix is not ownership", sender_is_owned, facts(reverse_path="x.ada@example.org"), profile(),
     Reason.SENDER_NOT_OWNED),
    ("a subaddress is another address", sender_is_owned, facts(reverse_path="ada+x@example.org"), profile(),
     Reason.SENDER_NOT_OWNED),
    ("a subaddress where they are owned, too", sender_is_owned, facts(reverse_path="ada+x@example.org"),
     profile(subaddressed=OWN), None),
    ("an address of an own domain", sender_is_owned, facts(reverse_path="x@shop.example"),
     profile(domains=frozenset({"shop.example"})), None),
    ("the domain in Unicode", sender_is_owned, facts(reverse_path="x@bücher.example"),
     profile(domains=frozenset({"xn--bcher-kva.example"})), None),
    ("letters that another server would take for these", sender_is_owned, facts(reverse_path="strasse@example.org"),
     profile(addresses=frozenset({"straße@example.org"})), Reason.SENDER_NOT_OWNED),
    ("who owns nothing sends as nobody", sender_is_owned, facts(), profile(addresses=frozenset()),
     Reason.SENDER_NOT_OWNED),
    ("one author", author_is_named, facts(), profile(), None),
    ("no author", author_is_named, facts(authors=()), profile(), Reason.AUTHOR_MISSING),
    ("own author", author_is_owned, facts(), profile(), None),
    ("two own authors", author_is_owned, facts(authors=("ada@example.org", "COUNTESS@example.org")), profile(), None),
    ("another's author", author_is_owned, facts(authors=("bob@example.org",)), profile(), Reason.AUTHOR_NOT_OWNED),
    ("own author beside another's", author_is_owned, facts(authors=("ada@example.org", "bob@example.org")), profile(),
     Reason.AUTHOR_NOT_OWNED),
    ("another's beside own author", author_is_owned, facts(authors=("bob@example.org", "ada@example.org")), profile(),
     Reason.AUTHOR_NOT_OWNED),
    ("an author is never null", author_is_owned, facts(authors=("",)), profile(), Reason.AUTHOR_NOT_OWNED),
    ("no Sender and nothing resent", sender_fields_are_owned, facts(), profile(), None),
    ("own Sender and Resent-From", sender_fields_are_owned, facts(senders=("countess@example.org", "ADA@example.org")),
     profile(), None),
    ("another's Sender", sender_fields_are_owned, facts(senders=("bob@example.org",)), profile(),
     Reason.SENDER_FIELD_NOT_OWNED),
    ("another's Resent-From beside an own one", sender_fields_are_owned,
     facts(senders=("ada@example.org", "bob@example.org")), profile(), Reason.SENDER_FIELD_NOT_OWNED),
    ("no name", names_show_no_foreign_address, facts(names=()), profile(), None),
    ("a name", names_show_no_foreign_address, facts(), profile(), None),
    ("the own address as a name", names_show_no_foreign_address, facts(names=("ada@example.org",)), profile(), None),
    ("another's address as a name", names_show_no_foreign_address, facts(names=("bob@example.org",)), profile(),
     Reason.NAME_SHOWS_ADDRESS),
    ("as one of several names", names_show_no_foreign_address, facts(names=("Ada", "<ceo@bank.example>")), profile(),
     Reason.NAME_SHOWS_ADDRESS),
    ("one recipient", recipients_are_few, facts(), profile(), None),
    ("as many as allowed", recipients_are_few, facts(recipients=("b@x.test",) * 3), profile(), None),
    ("one too many", recipients_are_few, facts(recipients=("b@x.test",) * 4), profile(), Reason.TOO_MANY_RECIPIENTS),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "asked", "known", "expected"), [c[1:] for c in RULE_CASES], ids=[c[0] for c in RULE_CASES]
)
def test_rule(rule: Rule, asked: MessageFacts, known: Profile, expected: Reason | None) -> None:
    """One row, one condition that holds or does not."""
    assert rule(asked, known) is expected


DECISIONS = [
    # what it shows, facts, profile, expected
    ("nothing against it", facts(), profile(), ACCEPTED),
    ("revoked comes before all else", facts(reverse_path="bob@example.org", authors=()), profile(active=False),
     Ruling(Action.REJECT, Reason.CREDENTIAL_REVOKED, "credential_is_active")),
    ("reverse-path before author", facts(reverse_path="bob@example.org", authors=("bob@example.org",)), profile(),
     Ruling(Action.REJECT, Reason.SENDER_NOT_OWNED, "sender_is_owned")),
    ("author before recipients", facts(authors=("bob@example.org",), recipients=("b@x.test",) * 9), profile(),
     Ruling(Action.REJECT, Reason.AUTHOR_NOT_OWNED, "author_is_owned")),
    ("author before Sender", facts(authors=("bob@example.org",), senders=("bob@example.org",)), profile(),
     Ruling(Action.REJECT, Reason.AUTHOR_NOT_OWNED, "author_is_owned")),
    ("Sender before names", facts(senders=("bob@example.org",), names=("bob@example.org",)), profile(),
     Ruling(Action.REJECT, Reason.SENDER_FIELD_NOT_OWNED, "sender_fields_are_owned")),
    ("names before recipients", facts(names=("bob@example.org",), recipients=("b@x.test",) * 9), profile(),
     Ruling(Action.REJECT, Reason.NAME_SHOWS_ADDRESS, "names_show_no_foreign_address")),
    ("a missing author", facts(authors=()), profile(),
     Ruling(Action.REJECT, Reason.AUTHOR_MISSING, "author_is_named")),
    ("recipients last", facts(recipients=("b@x.test",) * 9), profile(),
     Ruling(Action.REJECT, Reason.TOO_MANY_RECIPIENTS, "recipients_are_few")),
    ("a read receipt has a null reverse-path", facts(reverse_path=""), profile(), ACCEPTED),
    ("a null reverse-path hides no author", facts(reverse_path="", authors=("bob@example.org",)), profile(),
     Ruling(Action.REJECT, Reason.AUTHOR_NOT_OWNED, "author_is_owned")),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "known", "expected"), [c[1:] for c in DECISIONS], ids=[c[0] for c in DECISIONS])
def test_decide(asked: MessageFacts, known: Profile, expected: Ruling) -> None:
    """The first rule that does not hold decides, and the ruling says which it was."""
    assert decide(Stage.MESSAGE, asked, known) == expected


def test_every_stage_has_its_row() -> None:
    """A stage without a row would be a KeyError in the middle of a session."""
    assert set(RULES) == set(Stage)


def test_what_a_front_of_its_own_has_looked_at_is_not_looked_at_again() -> None:
    """Senders and authors are its business; whether the identity may send at all is ours."""
    foreign = facts(reverse_path="bob@example.org", authors=())
    assert decide(Stage.DELEGATED, foreign, profile()) == ACCEPTED
    assert decide(Stage.DELEGATED, foreign, profile(active=False)).reason is Reason.CREDENTIAL_REVOKED


def test_every_rule_has_a_case_that_refuses() -> None:
    """A rule that was added without a row above is noticed."""
    refusing = {case[1] for case in RULE_CASES if case[4] is not None}
    assert refusing == {rule for row in RULES.values() for rule in row}

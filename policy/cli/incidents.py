"""`sallyport contain`, `release`, `purge`, `incidents`, `incident`: the bad day. docs/containment.md goes through one.

Each command is one transaction in the database. Policy does the rest and the command waits for it, but need not.
"""

import json as documents
import time
from functools import cache, partial
from pathlib import Path
from typing import Annotated

import typer

from policy.cli.arguments import Yes, complete_login, complete_name, confirm
from policy.cli.incident_text import ended, plain_incident, plain_story, print_story, summary
from policy.cli.output import JSON, print_rows, when
from policy.cli.store import open_identities
from policy.cli.waiting import WAIT_S, Left, NoWait, Wait, tell_what_is_left, wait_until_done
from policy.geo.opened import atlas_at
from policy.settings import Settings
from policy.store.errors import StoreError, Unknown
from policy.store.identities import IdentityStore
from policy.store.incident_advice import in_words, left_to_do, moving, on_hold
from policy.store.incident_end import End, Fate, end_of, parts_of
from policy.store.incident_notes import State
from policy.store.incident_story import AreaOf
from policy.store.incidents import LISTED, StoredIncident
from service.settings import load

_SOON_S = 60.0  # what is due later is not waited for


def _complete_either(incomplete: str) -> list[str]:
    return [*complete_name(incomplete), *complete_login(incomplete)]


Number = Annotated[
    int, typer.Argument(metavar="INCIDENT", help="Its number.", show_default=False, min=1, max=2**31 - 1)
]
Note = Annotated[str, typer.Option(help="Why, for whoever asks later.")]


def contain(
    who: Annotated[
        str,
        typer.Argument(
            metavar="LOGIN|IDENTITY",
            help="One login, or the name of an identity for all of its logins.",
            show_default=False,
            autocompletion=_complete_either,
        ),
    ],
    note: Note = "",
    wait: Wait = WAIT_S,
    no_wait: NoWait = False,
    json: JSON = False,
) -> None:
    """Shut a login out at once, or all of an identity's: no login works, sessions end, queued mail is held.

    `sallyport release` undoes exactly that. Nothing is deleted, and nobody is asked.

    Example: sallyport contain fosem-4k7q-talir --note "her laptop was stolen"
    """
    store = open_identities()
    incident = _contain(store, who, note, time.time())
    incident = _finish(store, incident, 0 if no_wait else wait)
    _print(incident, _contained(incident), json)


def release(number: Number, note: Note = "", wait: Wait = WAIT_S, no_wait: NoWait = False, json: JSON = False) -> None:
    """Undo an incident: it was nothing, or it is over. Logins work again, held mail goes on its way.

    What was deleted stays so, and a login that was revoked stays that, too.

    Example: sallyport release 12 --note "she was on holiday in Portugal"
    """
    store = open_identities()
    _not_over(store.incident(number), State.RELEASED)
    incident = store.release_incident(number, note, time.time())
    incident = _finish(store, incident, 0 if no_wait else wait)
    _print(incident, _released(incident), json)


def purge(
    number: Number,
    note: Note = "",
    yes: Yes = False,
    wait: Wait = WAIT_S,
    no_wait: NoWait = False,
    json: JSON = False,
) -> None:
    """Delete what an incident holds: it was theft. The logins that were used stay suspended.

    Example: sallyport purge 12
    """
    store = open_identities()
    before = _not_over(store.incident(number), State.PURGED)
    if on_hold(before).messages:
        confirm(f"Delete {in_words(on_hold(before))} of {before.identity} for ever?", yes)
    elif before.state == State.OPEN:
        confirm(f"Close incident {number} of {before.identity} as theft? Nothing of it is on hold.", yes)
    incident = store.purge_incident(number, note, time.time())
    incident = _finish(store, incident, 0 if no_wait else wait)
    _print(incident, _purged(incident), json)


def incidents(
    is_open: Annotated[bool, typer.Option("--open", help="Only those that nobody has decided.")] = False,
    identity: Annotated[str | None, typer.Option(help="Only this identity's.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=10_000)] = LISTED,
    json: JSON = False,
) -> None:
    """List incidents: open ones first, then the newest.

    Example: sallyport incidents --open
    """
    store = open_identities()
    listed = store.incidents(state=State.OPEN if is_open else None, identity=identity, limit=limit)
    if identity is not None and not listed:
        store.identity(identity)  # a misspelt name must not look like one that is in order
    if json:
        print(documents.dumps([plain_incident(one) for one in listed]))
        return
    print_rows(
        listed,
        ("incident", "identity", "state", "step", "since", "held", "suspended", "answer", "note"),
        lambda one: (
            str(one.number), one.identity, _state(one), one.step,
            when(one.since), str(on_hold(one).messages), ", ".join(one.suspended), one.answer, one.note,
        ),
        as_json=False,
    )  # fmt: skip


def incident(
    number: Number,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write it as a page, too; it can be printed. `-`: print that alone.",
            show_default=False,
        ),
    ] = None,
    json: JSON = False,
) -> None:
    """Show all of one incident: what happened, from where, what went out, whom to warn, what to do next.

    Example: sallyport incident 12 --html incident-12.html
    """
    story = open_identities().story(number, time.time(), _area_of(load(Settings)))
    if html:
        from policy.containment.page import render  # noqa: PLC0415 - the template engine, for this option alone

        if html == Path("-"):
            print(render(story))
            return
        try:
            html.write_text(render(story), encoding="utf-8")
        except OSError as error:
            raise StoreError(f"{html} cannot be written ({error.strerror}); choose another place") from None
    if json:
        print(documents.dumps(plain_story(story)))
    else:
        print_story(story)


def _contain(store: IdentityStore, who: str, note: str, now: float) -> StoredIncident:
    """An identity's name is never a login of somebody else's."""
    try:
        return store.contain_identity(who, note, now)
    except Unknown:
        pass
    try:
        return store.contain_credential(who, note, now)
    except Unknown:
        raise Unknown(
            f"there is neither an identity nor a login {who!r}; `sallyport credential list` shows all logins"
        ) from None


def _not_over(incident: StoredIncident, wanted: State) -> StoredIncident:
    """A script learns that nothing happened. What is under way is waited for again."""
    if incident.state == wanted and incident.is_settled and not on_hold(incident).messages:
        raise StoreError(f"incident {incident.number} was {wanted} already, and nothing of it is on hold")
    return incident


def _finish(store: IdentityStore, incident: StoredIncident, wait_s: float) -> StoredIncident:
    """How it is when all is done, or when it is not waited for any longer."""
    until = time.time() + _SOON_S
    left = wait_until_done(partial(_left, store, incident.number, until), wait_s)
    tell_what_is_left(left, f"`sallyport incident {incident.number}`")
    return store.incident(incident.number)


def _left(store: IdentityStore, number: int, until: float) -> Left:
    incident = store.incident(number)
    messages = moving(incident).messages
    what = [f"{one.kind} ({one.outcome})" if one.outcome else one.kind for one in left_to_do(incident, until)]
    what += [f"{messages:,} messages are still on hold"] if messages else []
    return Left(messages, tuple(what))


def _contained(incident: StoredIncident) -> str:
    suspended = ", ".join(incident.suspended) or "none: it has no login that works"
    working = incident.contained.working if incident.contained else ()
    how = f"is contained in part; still working: {', '.join(working)}" if working else "is contained"
    return "\n".join(
        (
            f"incident {incident.number}: {incident.identity} {how}",
            f"suspended  {suspended}",
            summary(incident),
            *([f"shut these out, too: sallyport contain {incident.identity}"] if working else []),
            f"undo it: sallyport release {incident.number}",
            f"delete what is held: sallyport purge {incident.number}",
            f"all about it: sallyport incident {incident.number}",
        )
    )


_HOW_RELEASED = {
    End.IN_PART: "is released; some of its mail was deleted before",
    End.GIVEN_BACK: "is over: what it held was deleted before, and the account is given back",
}


def _released(incident: StoredIncident) -> str:
    end = end_of(incident)
    how = _HOW_RELEASED.get(end, "is released")
    if end is End.RELEASED and not any(one.fate is Fate.RELEASED for one in parts_of(incident)):
        how = "is released; nothing of it was on hold"
    lines = [f"incident {incident.number} of {incident.identity} {how}", summary(incident)]
    if end is End.RELEASED:
        lines += [
            f"so that it does not happen again: sallyport incident {incident.number}",
            f"if it was theft after all: sallyport contain {incident.identity}",
        ]
    return "\n".join(lines)


def _state(incident: StoredIncident) -> str:
    """What is true of it, and below that what became of its mail."""
    end = end_of(incident)
    return "\n".join((end if incident.is_settled else f"{end}, under way", *ended(incident)))


def _purged(incident: StoredIncident) -> str:
    how = "is closed; what it held is deleted"
    if end_of(incident) is End.NOTHING_DELETED:
        how = "is closed; nothing of it was on hold, so nothing is deleted"
    return "\n".join(
        (
            f"incident {incident.number} of {incident.identity} {how}",
            f"suspended  {', '.join(incident.suspended) or 'none'}",
            summary(incident),
            f"what to do next: sallyport incident {incident.number}",
        )
    )


def _print(incident: StoredIncident, text: str, as_json: bool) -> None:
    print(documents.dumps(plain_incident(incident)) if as_json else text)


def _area_of(settings: Settings) -> AreaOf:
    """The databases of addresses are opened where one is needed."""
    atlas = cache(lambda: atlas_at(settings.geo_country_db, settings.geo_asn_db))

    def area_of(network: str) -> tuple[str, str]:
        origin = atlas().origin(network.partition("/")[0])
        return origin.area, origin.country

    return area_of

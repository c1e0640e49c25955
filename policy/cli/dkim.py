"""`sallyport dkim`: which keys sign the mail of each domain, and how one pair follows another."""

import time
from dataclasses import dataclass
from typing import Annotated

import typer

from policy.cli.arguments import Yes, confirm
from policy.cli.output import JSON, print_rows, print_values, when
from policy.cli.store import actor
from policy.containment.ask_queue import ask_queue
from policy.dkim.book import KeyBook
from policy.dkim.domains import key_book, make_missing, our_domains
from policy.dkim.rotation import KEPT_DAYS, Pair, Pairs, State, chosen, of_domain
from policy.dkim.seen import steps
from policy.enrolment.dns import Record, lines
from policy.location import open_existing
from policy.publishing.asking import published_pairs
from policy.publishing.records import quoted
from policy.settings import Settings
from policy.store.errors import StoreError
from service.settings import load

dkim = typer.Typer(help="The keys that sign our mail, and their rotation (DKIM).", no_args_is_help=True)

Domain = Annotated[str, typer.Argument(help="For example example.org.", show_default=False)]
OneDomain = Annotated[str, typer.Argument(help="Only this one.", show_default=False)]
Selector = Annotated[str, typer.Option(help="Which pair, for example s20270131.", show_default=False)]


@dataclass(frozen=True, slots=True)
class Listed:
    """A pair as it is listed; the moments are those of Pair."""

    domain: str
    selector: str
    state: State
    created_at: float
    published_at: float | None
    activated_at: float | None
    ended_at: float | None
    removable_at: float | None
    records: tuple[str, ...]


@dkim.command("list")
def dkim_list(domain: OneDomain = "", json: JSON = False) -> None:
    """List the pairs of keys: which one signs, which one waits, which one can be removed.

    Example: sallyport dkim list example.org
    """
    print_rows(
        [_listed(one) for one in _book().pairs(domain)],
        ("domain", "selector", "state", "created", "seen in the DNS", "signs since", "removable"),
        lambda one: (
            one.domain, one.selector, one.state.value, when(one.created_at), when(one.published_at),
            when(one.activated_at), when(one.removable_at),
        ),
        json,
    )  # fmt: skip


@dkim.command("rotate")
def dkim_rotate(domain: Domain, json: JSON = False) -> None:
    """Make the next pair of keys and show its records. It signs once they are published; nothing changes before.

    Example: sallyport dkim rotate example.org
    """
    made = _book().rotate(domain, time.time())
    text = (
        f"; Publish these, and leave the present ones as they are. {made.name} signs by itself once the DNS shows\n"
        f"; them, or at once with `sallyport dkim activate {made.domain}`.\n"
        f"; To give it up: `sallyport dkim retire {made.domain}`.\n"
        f"{_zone(made)}"
    )
    print_values(_listed(made), json, text.rstrip())


@dkim.command("activate")
def dkim_activate(
    domain: Domain,
    selector: Selector = "",
    is_unseen: Annotated[bool, typer.Option("--unseen", help="Do not look whether it is published.")] = False,
    kept_days: Annotated[
        int, typer.Option("--keep", help="So many days the old one stays published.", min=5)
    ] = KEPT_DAYS,
    json: JSON = False,
) -> None:
    """Sign with the pair that waits, or with another one: with the one before, that is the way back.

    Example: sallyport dkim activate example.org
    """
    book = _book()
    if not is_unseen:
        _look(chosen(book.pairs(), _plain(domain, book), selector, State.WAITING))
    pair = book.activate(domain, selector, time.time(), kept_days)
    old = of_domain(book.pairs(), pair.domain, State.RETIRING)
    text = f"{pair.name} signs the mail of {pair.domain} within seconds"
    for one in old:
        text += (
            f"\n{one.name} signs no more; leave its records until {when(one.removable_at)}"
            f"\nthe way back: sallyport dkim activate {pair.domain} --selector {one.name}"
        )
    print_values(_listed(pair), json, text)


@dkim.command("retire")
def dkim_retire(
    domain: Domain,
    selector: Selector = "",
    is_forced: Annotated[bool, typer.Option("--now", help="Also while mail that it signed may be on its way.")] = False,
    is_sure: Yes = False,
    json: JSON = False,
) -> None:
    """Remove the private keys of a pair that waits, or of one that was replaced. Its records can go then.

    Example: sallyport dkim retire example.org
    """
    book = _book()
    pair = chosen(book.pairs(), _plain(domain, book), selector, State.WAITING, State.RETIRING)
    if pair.state is State.RETIRING:
        confirm(f"The keys of {pair.name} will be gone, and with them the way back.", is_sure)
    gone = book.retire(domain, pair.name, time.time(), is_forced=is_forced)
    names = "\n".join(f"  {name}." for name, _ in gone.records)
    print_values(
        _listed(gone), json, f"the keys of {gone.name} are gone; remove these records, if you published them:\n{names}"
    )


@dkim.command("check")
def dkim_check(json: JSON = False) -> None:
    """Look at the DNS and take the steps that are due. policy does so every ten minutes.

    Example: sallyport dkim check
    """
    settings, now = load(Settings), time.time()
    engine = open_existing(settings)
    book = key_book(settings, engine, actor())
    make_missing(book, our_domains(settings), engine, now)
    changed = ask_queue(settings, lambda agent: steps(book, agent, now))
    print_rows(
        [_listed(one) for one in changed],
        ("domain", "selector", "is now"),
        lambda one: (one.domain, one.selector, one.state.value),
        json,
    )


def _book() -> KeyBook:
    settings = load(Settings)
    return key_book(settings, open_existing(settings), actor())


def _plain(domain: str, book: KeyBook) -> str:
    """As it is stored; StoreError where no keys are known."""
    found: Pairs = book.pairs(domain)
    if not found:
        raise StoreError(f"there are no keys of {domain}; `sallyport dkim rotate {domain}` makes some")
    return found[0].domain


def _look(pair: Pair) -> None:
    if not ask_queue(load(Settings), lambda agent: published_pairs(agent, [pair])):
        names = " and ".join(name for name, _ in pair.records)
        raise StoreError(
            f"the DNS does not show both records of {pair.name} yet ({names}); wait for it, or say --unseen"
        )


def _zone(pair: Pair) -> str:
    return lines(tuple(Record(f"{name}.", "TXT", quoted(text), "DKIM") for name, text in pair.records))


def _listed(pair: Pair) -> Listed:
    return Listed(
        domain=pair.domain,
        selector=pair.name,
        state=pair.state,
        created_at=pair.created_at,
        published_at=pair.published_at,
        activated_at=pair.activated_at,
        ended_at=pair.ended_at,
        removable_at=pair.removable_at,
        records=tuple(f"{name}. TXT {quoted(text)}" for name, text in pair.records),
    )

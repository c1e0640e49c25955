"""`sallyport learn`: whom each identity knows, from what a server has kept of the past."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from maillog.files import STANDARD_INPUT, Log, LogUnreadable, Reading
from policy.cli.arguments import Name, Yes, complete_name, confirm, past, refuse_what_is_no_log
from policy.cli.learnt import show
from policy.cli.output import JSON, TABLE_ROWS, Limit, all_pages, print_rows, print_values, when
from policy.cli.progress import Tell, progress
from policy.cli.store import actor
from policy.learning.found import Broken, Item
from policy.learning.learner import Learner, Terms
from policy.learning.letters import Letter, received, sent
from policy.learning.mailboxes import Mailbox, maildirs
from policy.learning.maillogs import deliveries
from policy.learning.owners import Owners
from policy.learning.tables import Table, contacts
from policy.location import open_existing
from policy.opening import digest_key
from policy.settings import Settings
from policy.store.errors import StoreError
from policy.store.history import Acquaintance, Answer, RecipientHistory
from service.settings import load

learn = typer.Typer(help="Whom each identity knows: learn, look, forget.", no_args_is_help=True)

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="Packed or not; - is standard input.", show_default=False)
]
Paths = Annotated[list[Path] | None, typer.Argument(metavar="PATH...", help="mboxes and Maildirs.", show_default=False)]
Whose = Annotated[
    str, typer.Argument(metavar="IDENTITY", help="Whose mail it is.", show_default=False, autocompletion=complete_name)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read everything, tell what would be learnt, change nothing.")]
Since = Annotated[
    str, typer.Option(metavar="DATE", help="Nothing that is older: 2026-01-31 (UTC) or 30d.", show_default=False)
]
Map = Annotated[
    Path | None,
    typer.Option("--map", metavar="FILE", help="CSV of name,identity: whose a name is.", show_default=False),
]
All = Annotated[
    Path | None,
    typer.Option("--all", metavar="ROOT", help="Everybody's, below the folder of Dovecot's mail.", show_default=False),
]

_EVERYBODY = "everybody"
_DATE = len("2026-01-31")
_GRAIN = 100  # items between two looks at how far it is


@learn.command("maillog")
def learn_maillog(
    files: Files,
    since: Since = "",
    names: Map = None,
    year: Annotated[int | None, typer.Option(help="Of the first line, where the log does not say.")] = None,
    dry_run: DryRun = False,
    as_json: JSON = False,
) -> None:
    """Learn from logs of Postfix whom each login has written to, as far as it was delivered.

    Example: sallyport learn maillog /var/log/mail.log.2.gz /var/log/mail.log.1 /var/log/mail.log
    """
    terms = _terms(_EVERYBODY, "maillog", files, since, dry_run)
    with _told(), _learning(terms, names) as learner:
        log = Log(files, Reading(now=time.time(), year=year))
        with progress("log", log.octets) as tell:
            _take(learner, deliveries(log), tell, lambda: log.octets_read)
        refuse_what_is_no_log(files, log.lines, log.unreadable)
        for why in log.broken:
            learner.take(Broken("log", why))
        if log.unreadable:
            learner.take(Broken("log", f"{log.unreadable} of {log.lines} lines are none of a log"))
            learner.summary.broken += log.unreadable - 1
    show(learner.summary, is_rehearsal=dry_run, as_json=as_json)


@learn.command("sent")
def learn_sent(
    identity: Whose = "",
    paths: Paths = None,
    everybody: All = None,
    folder: Annotated[str, typer.Option(help="The folder of sent mail, with --all.")] = "Sent",
    since: Since = "",
    dry_run: DryRun = False,
    as_json: JSON = False,
) -> None:
    """Learn from sent mail whom an identity has written to: To, Cc and Bcc.

    Once, of mail from before this gateway: whoever has stolen a login can put messages into a folder.

    Example: sallyport learn sent ada /home/ada/mail/Sent
    """
    terms = _terms(identity or _EVERYBODY, "sent", paths or [everybody or Path()], since, dry_run)
    _learn_mail(sent, terms, _mailboxes(identity, paths, everybody, folder), as_json)


@learn.command("received")
def learn_received(
    identity: Whose = "",
    paths: Paths = None,
    everybody: All = None,
    since: Since = "",
    most: Annotated[int, typer.Option(help="New recipients of an identity in one run.", min=1)] = 50,
    dry_run: DryRun = False,
    as_json: JSON = False,
) -> None:
    """Learn from received mail who has written to an identity: From and Reply-To, but for lists, robots and spam.

    Example: sallyport learn received --all /srv/mail --since 2d --most 20
    """
    terms = _terms(identity or _EVERYBODY, "received", paths or [everybody or Path()], since, dry_run, most)
    _learn_mail(received, terms, _mailboxes(identity, paths, everybody, ""), as_json)


@learn.command("csv")
def learn_csv(
    files: Files, since: Since = "", names: Map = None, dry_run: DryRun = False, as_json: JSON = False
) -> None:
    """Learn from tables of identity,address and, if you like, date.

    Example: sallyport learn csv customers.csv
    """
    terms = _terms(_EVERYBODY, "csv", files, since, dry_run)
    with _told(), _learning(terms, names) as learner:
        for table in [Table(file, ("identity", "address"), ("date",)) for file in files]:
            with progress(table.file.path.name, table.file.octets) as tell:
                _take(learner, contacts(table, time.time()), tell, table.octets_read)
    show(learner.summary, is_rehearsal=dry_run, as_json=as_json)


@learn.command("show")
def learn_show(
    identity: Annotated[
        str, typer.Argument(help="Only this one.", show_default=False, autocompletion=complete_name)
    ] = "",
    limit: Limit = None,
    json: JSON = False,
) -> None:
    """Show how many recipients each identity knows. Whom, nobody can tell: addresses are not kept.

    Example: sallyport learn show
    """
    history, now = _history(), time.time()
    if identity:
        rows: Iterable[Acquaintance] = [history.acquaintance(identity, now)]
    else:
        rows = all_pages(
            lambda after, most: history.acquaintances(now, after=after, limit=most), lambda one: one.identity, "", limit
        )
    print_rows(
        rows,
        ("identity", "known", "newest"),
        lambda one: (one.identity, str(one.known), when(one.newest_at)[:_DATE]),
        json,
        most=None if json else limit or TABLE_ROWS,
    )


@learn.command("ask")
def learn_ask(
    name: Name,
    address: Annotated[str, typer.Argument(help="For example bob@example.org.", show_default=False)],
    json: JSON = False,
) -> None:
    """Ask whether an identity knows a recipient.

    Example: sallyport learn ask ada bob@example.org
    """
    answer = _history().ask(name, address, time.time())
    print_values(answer, json, _in_words(answer))


@learn.command("forget")
def learn_forget(
    name: Name,
    since: Annotated[
        str, typer.Option(metavar="DATE", help="Those used since then: 2026-01-31 (UTC) or 30d.", show_default=False)
    ] = "",
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    yes: Yes = False,
    json: JSON = False,
) -> None:
    """Forget recipients of an identity: those that it has used since a day, or all. They are new to it again.

    Example: sallyport learn forget ada --since 2026-01-31
    """
    if everything == bool(since):
        raise typer.BadParameter("say either --since DATE or --all")
    history, now = _history(), time.time()
    known = history.acquaintance(name, now).known
    which = f"those of its {known} known recipients that were used since {since}" if since else f"all {known} of them"
    confirm(f"Let {name} forget {which}?", yes)
    forgotten = history.forget(name, past(since) if since else None, now)
    print_values(Forgotten(name, forgotten), json, f"{name} has forgotten {forgotten} recipients")


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What `forget` has done."""

    identity: str
    forgotten: int


def _learn_mail(letter: Letter, terms: Terms, mailboxes: Sequence[Mailbox], as_json: bool) -> None:
    with _learning(terms, None) as learner, progress("mailboxes", len(mailboxes)) as tell:
        for done, mailbox in enumerate(mailboxes):
            items = mailbox.read(letter, time.time())
            _take(learner, items, tell, partial(_share, mailbox, done))
    show(learner.summary, is_rehearsal=terms.is_rehearsal, as_json=as_json)


def _share(mailbox: Mailbox, done: int) -> float:
    return done + mailbox.share


def _take(learner: Learner, items: Iterable[Item], tell: Tell, how_far: Callable[[], float]) -> None:
    for number, item in enumerate(items):
        learner.take(item)
        if number % _GRAIN == 0:
            tell(how_far())


@contextmanager
def _learning(terms: Terms, names: Path | None) -> Iterator[Learner]:
    """What was learnt is written down, also where it ends before its time."""
    history = _history()
    if terms.subject != _EVERYBODY:
        history.identity(terms.subject)
    learner = Learner(history, Owners(history.engine, _names(names)), terms, time.time())
    try:
        yield learner
        learner.write()
    finally:
        learner.end()


def _history() -> RecipientHistory:
    settings = load(Settings)
    return RecipientHistory(open_existing(settings), digest_key(settings), actor())


def _terms(
    subject: str, source: str, paths: Sequence[Path], since: str, dry_run: bool, most: int | None = None
) -> Terms:
    return Terms(
        subject=subject,
        source={"source": source, "files": [str(path) for path in paths]},
        since=past(since) if since else 0.0,
        most=most,
        is_rehearsal=dry_run,
    )


def _mailboxes(identity: str, paths: Sequence[Path] | None, root: Path | None, folder: str) -> list[Mailbox]:
    if bool(identity and paths) == (root is not None) or (root and identity):
        raise typer.BadParameter("say either IDENTITY and PATH, or --all and the folder of everybody's mail")
    if root:
        try:
            return maildirs(root, folder)
        except OSError as error:
            raise StoreError(f"{root} cannot be read ({error.strerror})") from None
    for path in paths or ():
        if not path.exists() and path != STANDARD_INPUT:
            raise StoreError(f"there is no {path}; in containers, mount it: docs/history.md says how")
    return [Mailbox(path, identity) for path in paths or ()]


def _names(file: Path | None) -> dict[str, str]:
    """Of --map; whatever is wrong with it is wrong with all that is learnt."""
    names: dict[str, str] = {}
    for row in Table(file, ("name", "identity")).rows() if file else ():
        if isinstance(row, Broken):
            raise StoreError(f"{row.where}: {row.why}")
        names[row[1]["name"]] = row[1]["identity"]
    return names


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except LogUnreadable as error:
        raise StoreError(str(error)) from None


def _in_words(answer: Answer) -> str:
    if not answer.is_known:
        return f"{answer.address} is new to {answer.identity}"
    used, forgotten = when(answer.last_used_at)[:_DATE], when(answer.forgotten_at)[:_DATE]
    return f"{answer.address} is known to {answer.identity}: last used on {used}, forgotten on {forgotten} unless used"

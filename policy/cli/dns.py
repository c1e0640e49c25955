"""`sallyport dns`: the records of our domains, to be pasted into a zone; and whether they are there."""

import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from policy.cli.output import JSON, print_findings
from policy.containment.ask_queue import ask_queue
from policy.dkim.book import checked_domain
from policy.dkim.domains import our_domains
from policy.dkim.folder import KeyFolder
from policy.dkim.rotation import Pairs
from policy.enrolment.dns import Record, notes, zone_file
from policy.publishing.asking import look, looked, publishing
from policy.publishing.compared import findings
from policy.publishing.reached import dane, host_name
from policy.publishing.records import FILE, Publishing, records_of, records_of_host
from policy.setting_names import set_as
from policy.settings import Settings
from service.settings import load


def dns(
    domain: Annotated[str, typer.Argument(help="Only this one; all of ours otherwise.", show_default=False)] = "",
    addresses: Annotated[
        list[str] | None,
        typer.Option(
            "--address", help="From which mail leaves, in SPF in place of the host's name.", show_default=False
        ),
    ] = None,
    is_checked: Annotated[bool, typer.Option("--check", help="Say which are there and right.")] = False,
    as_json: JSON = False,
) -> None:
    """Print the DNS records that our mail needs, and those that lead mail programs here, as lines of a zone file.

    Example: sallyport dns example.org > records.zone
    """
    settings = load(Settings)
    pairs = KeyFolder(settings.dkim_folder).pairs()
    given = publishing(settings, pairs, addresses or ())
    domains = [checked_domain(domain)] if domain else list(our_domains(settings))
    if is_checked:
        _check(settings, domains, given, pairs, as_json)
        return
    wanted = _wanted(domains, given)
    if as_json:
        print(json.dumps([dataclasses.asdict(one) for one in wanted]))
        return
    _print(wanted, settings, given)


def _wanted(domains: Sequence[str], given: Publishing) -> list[Record]:
    return [*(one for domain in domains for one in records_of(domain, given)), *records_of_host(given)]


def _print(wanted: Sequence[Record], settings: Settings, given: Publishing) -> None:
    print(zone_file(tuple(one for one in wanted if one.type != FILE), settings.console_origin), end="")
    for one in wanted:
        if one.type == FILE:
            print(f"; {one.name} ({one.why}):", *one.data.splitlines(), sep="\n;   ")
    for note in (*notes(settings.console_origin), *_notes(given, settings.mta_sts)):
        print(f"note: {note}", file=sys.stderr)


def _notes(given: Publishing, mta_sts: str) -> Iterator[str]:
    if not given.mx:
        yield (
            f"MX stays as it is: Sallyport takes no mail from the internet. {set_as('MX')} names the hosts that do; "
            "with it, MX and reports on TLS are printed, too."
        )
    if mta_sts and not given.mx:
        yield f"MTA-STS is left out: its policy names the hosts of {set_as('MX')}."
    if not given.pairs:
        yield "there are no DKIM keys yet: `sallyport init` makes them."
    yield "a domain has one SPF record: where there is one already, put our part into it."


def _check(settings: Settings, domains: Sequence[str], given: Publishing, pairs: Pairs, as_json: bool) -> None:
    retired = tuple(one for one in pairs if one.domain in domains and one not in given.pairs)
    seen = ask_queue(settings, lambda agent: look(agent, domains, given, retired, is_host_asked=False))
    found = [one for domain in domains for one in findings(looked(domain, given, pairs, seen))]
    found += [*host_name(given, seen.world), *dane(given, seen.world)]
    print_findings(found, as_json)

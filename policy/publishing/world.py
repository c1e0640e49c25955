"""What is asked of the DNS for the domains and the host, and what was answered. Pure.

Some questions come from answers (the names that an SPF record includes, the name of an address), so that they are asked
in rounds: `questions` gives those that are still open, until there are none.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from policy.dkim.rotation import Pair
from policy.enrolment.dns import Record
from policy.publishing import records, spf
from policy.publishing.records import Publishing
from policy.queue_contract import Asked, DnsAnswer, RecordType

ROUNDS = 5  # the deepest chain of SPF is cut off here; RFC 7208 section 4.6.4 allows ten lookups in all

Name = tuple[str, RecordType]

SIGNED: Name = ("org", RecordType.A)  # not there, which DNSSEC proves: so one sees whether the resolver looks

_NAME = re.compile(r"^(?=.{1,253}$)[a-z0-9_-]+(\.[a-z0-9_-]+)*$")  # what others publish may be none


@dataclass(frozen=True, slots=True)
class World:
    """The answers so far. Names are in lower case and without a dot at the end."""

    answers: Mapping[Name, DnsAnswer] = field(default_factory=dict)

    def with_answers(self, answers: Iterable[DnsAnswer]) -> "World":
        return World({**self.answers, **{(one.name, one.type): one for one in answers}})

    def asked(self, name: str, kind: RecordType) -> Asked:
        """What came of it; FAILED where it was not asked."""
        answer = self.answers.get((_plain(name), kind))
        return answer.asked if answer else Asked.FAILED

    def is_secure(self, name: str, kind: RecordType) -> bool:
        """Whether the resolver says that DNSSEC proves it."""
        answer = self.answers.get((_plain(name), kind))
        return bool(answer and answer.is_secure)

    def data(self, name: str, kind: RecordType) -> tuple[str, ...]:
        answer = self.answers.get((_plain(name), kind))
        return answer.data if answer else ()

    def texts(self, name: str) -> tuple[str, ...]:
        return self.data(name, RecordType.TXT)

    def addresses(self, name: str) -> tuple[str, ...]:
        return (*self.data(name, RecordType.A), *self.data(name, RecordType.AAAA))

    def mx_addresses(self, domain: str) -> tuple[str, ...]:
        return tuple(address for host in self.mx_hosts(domain) for address in self.addresses(host))

    def mx_hosts(self, domain: str) -> tuple[str, ...]:
        found = (one.split() for one in self.data(domain, RecordType.MX))
        return tuple(host for _, host in sorted((int(level), _plain(host)) for level, host in found) if host)


def questions(domains: Iterable[str], given: Publishing, retired: Iterable[Pair], world: World) -> list[Name]:
    """Those that are not answered yet."""
    host = given.servers.hostname
    wanted: list[Name] = [(host, RecordType.A), (host, RecordType.AAAA), SIGNED]
    wanted += [(pointer(one), RecordType.PTR) for one in world.addresses(host)]
    wanted += [question for one in records.records_of_host(given) for question in _of_record(one)]
    for domain in domains:
        wanted += _of_domain(domain, given, world)
    wanted += [(name, RecordType.TXT) for pair in retired for name, _ in pair.records]
    return [one for one in dict.fromkeys(wanted) if one not in world.answers and _NAME.match(one[0])]


def pointer(address: str) -> str:
    """The name under which its PTR record is."""
    return ipaddress.ip_address(address).reverse_pointer


def parents(domain: str) -> tuple[str, ...]:
    """The domain and those above it, without the top: whose DMARC record may count."""
    labels = domain.split(".")
    return tuple(".".join(labels[start:]) for start in range(len(labels) - 1))


def _of_domain(domain: str, given: Publishing, world: World) -> Iterator[Name]:
    yield domain, RecordType.MX
    for one in records.records_of(domain, given):
        yield from _of_record(one)
    for parent in parents(domain):
        yield f"_dmarc.{parent}", RecordType.TXT
    yield from _of_spf(domain, world, frozenset())


def _of_record(record: Record) -> Iterator[Name]:
    if record.type == records.FILE:
        return
    name = _plain(record.name)
    if record.type == RecordType.CNAME:  # what counts is where it leads
        yield name, RecordType.A
        yield name, RecordType.AAAA
    yield name, RecordType(record.type)


def _of_spf(domain: str, world: World, before: frozenset[str]) -> Iterator[Name]:
    """The record, what it names and what it includes; a circle is walked once."""
    yield domain, RecordType.TXT
    if domain in before:
        return
    for record in spf.records_of(world.texts(domain)):
        for mechanism, name in spf.hosts_named(record, domain):
            if "%" in name:
                continue
            hosts = [name]
            if mechanism == "mx":
                yield name, RecordType.MX
                hosts = list(world.mx_hosts(name))
            for host in hosts:
                yield host, RecordType.A
                yield host, RecordType.AAAA
        for name in spf.followed(record):
            yield from _of_spf(name, world, before | {domain})


def _plain(name: str) -> str:
    return name.removesuffix(".").lower()

"""The questions on their way: in rounds, through the queue agent, until nothing is open."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from policy.dkim.rotation import Pair, Pairs, State, published
from policy.enrolment.settings import Servers
from policy.publishing.compared import Looked, has_key
from policy.publishing.records import Publishing
from policy.publishing.world import ROUNDS, Name, World, questions
from policy.queue_contract import (
    OUTSIDE_LIMIT,
    Asked,
    DnsAnswer,
    DnsQuestion,
    OutsideAnswers,
    OutsideQuestions,
    RecordType,
)
from policy.settings import Settings

WHO_TAKES_MAIL = ("gmail.com", "outlook.com")  # certainly, at port 25, from everybody who may get out

_POLICIES_AT_ONCE = 50


class Asks(Protocol):
    """The queue agent."""

    async def outside(self, questions: OutsideQuestions) -> OutsideAnswers:
        """QueueUnavailable where it does not answer."""


@dataclass(frozen=True, slots=True)
class Seen:
    """All that was answered."""

    world: World
    rest: OutsideAnswers  # ports, policies, the time


def publishing(settings: Settings, pairs: Pairs, addresses: Sequence[str] = ()) -> Publishing:
    """From the settings; of the pairs of keys those that are to be published."""
    wanted = [one for domain in dict.fromkeys(one.domain for one in pairs) for one in published(pairs, domain)]
    return Publishing(
        servers=Servers.of(settings),
        console_url=settings.console_origin,
        mx=settings.mx_hosts,
        mta_sts=settings.mta_sts,
        pairs=tuple(wanted),
        certificate=_content(settings.tls_cert),
        addresses=tuple(addresses),
    )


def retired_of(pairs: Pairs, domain: str) -> tuple[Pair, ...]:
    """Those whose records can go."""
    return tuple(one for one in pairs if one.domain == domain and one.state is State.RETIRED)


async def look(agent: Asks, domains: Sequence[str], given: Publishing, retired: Pairs, *, is_host_asked: bool) -> Seen:
    """Ask everything about these domains; about the host, too, where that is wanted."""
    policies = tuple(domains)[:_POLICIES_AT_ONCE] if given.policy_text else ()
    first = OutsideQuestions(
        mail_of=WHO_TAKES_MAIL if is_host_asked else (),
        greeting_as=given.servers.hostname,
        policies_of=policies,
        is_time_wanted=is_host_asked,
    )
    rest = await agent.outside(first)
    world = World()
    for _ in range(ROUNDS):
        open_ones = questions(domains, given, retired, world)
        if not open_ones:
            break
        world = world.with_answers(await _answers(agent, open_ones))
    return Seen(world, rest)


async def published_pairs(agent: Asks, pairs: Iterable[Pair]) -> list[Pair]:
    """Those of which the DNS has both records."""
    wanted = [(one, name, text) for one in pairs for name, text in one.records]
    answers = World().with_answers(await _answers(agent, [(name, RecordType.TXT) for _, name, _ in wanted]))
    missing = {
        one
        for one, name, text in wanted
        if answers.asked(name, RecordType.TXT) is not Asked.FOUND
        or len(found := answers.texts(name)) != 1
        or not has_key(found[0], text)
    }
    return [one for one in dict.fromkeys(pair for pair, _, _ in wanted) if one not in missing]


def looked(domain: str, given: Publishing, pairs: Pairs, seen: Seen) -> Looked:
    policies = {one.domain: one for one in seen.rest.policies}
    return Looked(domain, given, seen.world, retired_of(pairs, domain), policies)


async def _answers(agent: Asks, names: Sequence[Name]) -> list[DnsAnswer]:
    found: list[DnsAnswer] = []
    for start in range(0, len(names), OUTSIDE_LIMIT):
        some = tuple(DnsQuestion(name=name, type=kind) for name, kind in names[start : start + OUTSIDE_LIMIT])
        found += (await agent.outside(OutsideQuestions(dns=some))).dns
    return found


def _content(path: Path) -> bytes:
    """Empty where it cannot be read: the doctor says so elsewhere."""
    try:
        return path.read_bytes()
    except OSError:
        return b""

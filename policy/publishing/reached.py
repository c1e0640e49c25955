"""What is wrong with the host's own name, its way out and its clock. Pure, as compared.py is."""

from collections.abc import Iterator, Sequence

from policy.finding import Finding, State
from policy.publishing.records import Publishing, records_of_host
from policy.publishing.world import SIGNED, World, pointer
from policy.queue_contract import Asked, OutsideAnswers, PortAnswer, RecordType
from policy.setting_names import set_as

_CLOCK_WARNING_S, _CLOCK_WRONG_S = 2.0, 60.0
_USAGE = 3  # of the fields of TLSA: 3 1 1 DIGEST


def host_name(given: Publishing, world: World) -> Iterator[Finding]:
    """The name has addresses, and each of them has that name: large providers refuse mail from where it has not."""
    host = given.servers.hostname
    if Asked.FAILED in (world.asked(host, RecordType.A), world.asked(host, RecordType.AAAA)):
        yield Finding("host name", State.UNKNOWN, f"the DNS gave no answer for {host}", "ask again later")
        return
    addresses = world.addresses(host)
    if not addresses:
        yield Finding(
            "host name",
            State.WRONG,
            f"{host} has no address",
            f"publish A and AAAA records, or correct {set_as('HOSTNAME')}",
        )
        return
    yield Finding("host name", State.FINE, f"{host}: {', '.join(addresses)}")
    for address in addresses:
        yield _reverse(host, address, world)


def way_out(given: Publishing, world: World, ports: Sequence[PortAnswer]) -> Iterator[Finding]:
    """Port 25 of somebody who certainly takes mail; one that answers is enough."""
    answered = [one for one in ports if one.is_open]
    if not ports:
        return
    if not answered:
        why = "; ".join(one.problem for one in ports)
        todo = "let Postfix out to port 25: ask your provider, look at the firewall"
        yield Finding("port 25 out", State.WRONG, f"no mail gets out ({why})", todo)
        return
    yield Finding("port 25 out", State.FINE, f"{answered[0].host} answers")
    host, known = given.servers.hostname, given.addresses or world.addresses(given.servers.hostname)
    for seen_as in dict.fromkeys(one.seen_as for one in answered if one.seen_as):
        if known and seen_as not in known:
            says = f"mail leaves from {seen_as}, which is none of the addresses of {host}"
            yield Finding("way out", State.WRONG, says, f"give {host} that address too, and that address that name")


def validation(world: World) -> Iterator[Finding]:
    """Whether the resolver verifies what is signed: without that Postfix has no DANE."""
    if world.asked(*SIGNED) is Asked.FAILED:
        yield Finding("DNSSEC", State.UNKNOWN, "the DNS gave no answer", "ask again later")
    elif world.is_secure(*SIGNED):
        yield Finding(
            "DNSSEC", State.FINE, "the resolver verifies: mail to servers with DANE is safe from forged names"
        )
    else:
        says = "the resolver does not verify, or does not say so: mail leaves without DANE"
        yield Finding("DNSSEC", State.WARNING, says, "give the host a resolver that verifies, for example unbound")


def clock(answers: OutsideAnswers) -> Iterator[Finding]:
    """By a time server. Signatures, certificates and second factors depend on it."""
    ahead = answers.clock_ahead_s
    if ahead is None:
        yield Finding("time", State.UNKNOWN, "no time server answered", "let the queue agent out to UDP port 123")
        return
    says = f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} the time server"
    state = State.WRONG if abs(ahead) > _CLOCK_WRONG_S else State.WARNING
    if abs(ahead) <= _CLOCK_WARNING_S:
        yield Finding("time", State.FINE, says)
    else:
        yield Finding("time", state, says, "run a time service such as chrony")


def dane(given: Publishing, world: World) -> Iterator[Finding]:
    """TLSA records need not be there; but where they are, one must fit, or who looks at them does not talk to us."""
    for record in records_of_host(given):
        wanted = record.data.split()
        found = [one.lower().split() for one in world.data(record.name, RecordType.TLSA)]
        ours = any([*one[:_USAGE], "".join(one[_USAGE:])] == wanted for one in found)
        if found and not ours:
            says = "none of its TLSA records is that of our certificate"
            yield Finding(
                f"DANE {record.name.removesuffix('.')}", State.WRONG, says, "publish what `sallyport dns` prints"
            )
        elif found:
            yield Finding(f"DANE {record.name.removesuffix('.')}", State.FINE, "it is that of our certificate")


def _reverse(host: str, address: str, world: World) -> Finding:
    what, name = "reverse DNS", pointer(address)
    if world.asked(name, RecordType.PTR) is Asked.FAILED:
        return Finding(what, State.UNKNOWN, f"the DNS gave no answer for {address}", "ask again later")
    names = [one.removesuffix(".").lower() for one in world.data(name, RecordType.PTR)]
    if host in names:
        return Finding(what, State.FINE, f"{address} is {host}")
    says = f"{address} is {', '.join(names) or 'without a name'}, and not {host}"
    return Finding(what, State.WRONG, says, "have your provider set the PTR record")

"""What is wrong with the records of a domain, in sentences. Pure: the answers of the DNS are given.

Each check is one row of CHECKS. "WRONG" is what mail is lost or refused for; a warning is what would make it safer.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from policy.dkim.rotation import Pair
from policy.dkim.rotation import State as Stage
from policy.enrolment.dns import records_of as records_of_clients
from policy.finding import Finding, State
from policy.publishing import mta_sts, spf
from policy.publishing.records import Publishing
from policy.publishing.world import World, parents
from policy.queue_contract import Asked, PolicyAnswer, RecordType
from policy.setting_names import set_as

_UNKNOWN_REMEDY = "ask again later; look whether the resolver of the queue agent answers"


@dataclass(frozen=True, slots=True)
class Looked:
    """One domain, and what the world says of it."""

    domain: str
    given: Publishing
    world: World
    retired: tuple[Pair, ...] = ()  # of its pairs those whose records can go
    policies: Mapping[str, PolicyAnswer] = field(default_factory=dict)  # by domain


Check = Callable[[Looked], Iterator[Finding]]


def findings(looked: Looked) -> Iterator[Finding]:
    """Of one domain, in the order of CHECKS."""
    for check in CHECKS:
        yield from check(looked)


def mail_exchange(looked: Looked) -> Iterator[Finding]:
    """Who takes mail for the domain: answers and bounces have to come back somewhere."""
    domain, wanted = looked.domain, looked.given.mx
    what = f"MX of {domain}"
    if _is_unknown(looked, domain, RecordType.MX):
        yield _unknown(what)
        return
    hosts = looked.world.mx_hosts(domain)
    if not hosts:
        todo = _publish(looked, "MX") if wanted else "publish an MX record that names the server which takes your mail"
        yield Finding(what, State.WRONG, "none: answers and bounces to your mail are lost, and many refuse it", todo)
    elif wanted and set(hosts) != set(wanted):
        says = f"{', '.join(hosts)}, and {set_as('MX')} says {', '.join(wanted)}"
        yield Finding(what, State.WRONG, says, "correct one of the two")
    else:
        yield Finding(what, State.FINE, ", ".join(hosts))


def sender_policy(looked: Looked) -> Iterator[Finding]:
    """SPF: one record, which lets our host send, and does not let everybody."""
    domain, world, host = looked.domain, looked.world, looked.given.servers.hostname
    what = f"SPF of {domain}"
    if _is_unknown(looked, domain, RecordType.TXT):
        yield _unknown(what)
        return
    found = spf.records_of(world.texts(domain))
    if len(found) != 1:
        says = "there is none" if not found else f"there are {len(found)} records, and so none of them counts"
        todo = _publish(looked, "SPF") if not found else "make one of them: include what the others allow"
        yield Finding(what, State.WRONG, says, todo)
        return
    ours = looked.given.addresses or world.addresses(host)
    allowed = spf.may_send(domain, ours, world.texts, world.addresses, world.mx_addresses)
    yield _spf_finding(what, found[0], host, allowed)


def signing_keys(looked: Looked) -> Iterator[Finding]:
    """DKIM: each key that is to be published, and those that can go."""
    pairs = [one for one in looked.given.pairs if one.domain == looked.domain]
    if not any(one.state is Stage.ACTIVE for one in pairs):
        says = f"no key signs the mail of {looked.domain}"
        todo = (
            "publish the records below; then they are used by themselves, or at once with "
            f"`sallyport dkim activate {looked.domain}`"
            if pairs
            else f"`sallyport dkim rotate {looked.domain}` makes keys"
        )
        yield Finding(f"DKIM of {looked.domain}", State.WARNING, says, todo)
    for pair in pairs:
        for name, text in pair.records:
            yield _key_finding(looked, pair, name, text)
    for pair in looked.retired:
        for name, _ in pair.records:
            if looked.world.texts(name):
                yield Finding(f"DKIM {name}", State.WARNING, "it is not used any more", "remove the record")


def authors_policy(looked: Looked) -> Iterator[Finding]:
    """DMARC: a record of the domain, or of one above it, which asks for something."""
    what = f"DMARC of {looked.domain}"
    for parent in parents(looked.domain):
        name = f"_dmarc.{parent}"
        if _is_unknown(looked, name, RecordType.TXT):
            yield _unknown(what)
            return
        found = [one for one in looked.world.texts(name) if one.replace(" ", "").lower().startswith("v=dmarc1")]
        if len(found) > 1:
            says = f"{name} has {len(found)} records, and so none of them counts"
            yield Finding(what, State.WRONG, says, "remove all but one")
            return
        if found:
            yield _dmarc_finding(what, name, found[0])
            return
    yield Finding(what, State.WRONG, "there is none: large providers refuse mail without it", _publish(looked, "DMARC"))


def tls_reports(looked: Looked) -> Iterator[Finding]:
    """Where we take mail ourselves: whether others may tell us that TLS with us fails."""
    if looked.given.mx:
        name = f"_smtp._tls.{looked.domain}"
        found = [one for one in looked.world.texts(name) if one.lower().startswith("v=tlsrptv1")]
        what = f"TLS reports of {looked.domain}"
        if _is_unknown(looked, name, RecordType.TXT):
            yield _unknown(what)
        elif len(found) == 1:
            yield Finding(what, State.FINE, found[0])
        else:
            yield Finding(what, State.WARNING, f"{len(found)} records, and one is wanted", _publish(looked, "TLSRPT"))


def strict_transport(looked: Looked) -> Iterator[Finding]:
    """MTA-STS: the record names the file that is served, and that file says what ours does."""
    text = looked.given.policy_text
    if not text:
        return
    domain, what, name = looked.domain, f"MTA-STS of {looked.domain}", f"_mta-sts.{looked.domain}"
    found = [one for one in looked.world.texts(name) if one.replace(" ", "").lower().startswith("v=stsv1;")]
    answer = looked.policies.get(domain, PolicyAnswer(domain=domain, problem="nobody was asked"))
    if _is_unknown(looked, name, RecordType.TXT):
        yield _unknown(what)
    elif len(found) != 1:
        yield Finding(what, State.WRONG, f"{len(found)} records, and one is wanted", _publish(looked, "MTA-STS"))
    elif mta_sts.policy_id(text) not in found[0]:
        says = f"{found[0]}, which is the id of another policy: who knows it will not fetch the new one"
        yield Finding(what, State.WRONG, says, _publish(looked, "MTA-STS"))
    elif not mta_sts.same_policy(answer.text, text):
        says = f"https://mta-sts.{domain}{mta_sts.PATH}: {answer.problem or 'it is another policy'}"
        todo = "lead mta-sts.DOMAIN to the console, on port 443, with a certificate that holds that name"
        yield Finding(what, State.WRONG, says, todo)
    else:
        yield Finding(what, State.FINE, f"{looked.given.mta_sts}, the file is served")


def programs(looked: Looked) -> Iterator[Finding]:
    """What leads mail programs here: SRV, autoconfig, autodiscover. Without them people type it themselves."""
    clients = list(records_of_clients(looked.domain, looked.given.servers, looked.given.console_url))
    missing: list[str] = []
    other: list[str] = []
    for one in clients:
        kind = RecordType(one.type)
        found = [_spaced(data) for data in looked.world.data(one.name, kind)]
        leads_on = kind is RecordType.CNAME and looked.world.addresses(one.name)
        if _spaced(one.data) in found or leads_on:
            continue
        if _is_unknown(looked, one.name, kind):
            yield _unknown(f"mail programs of {looked.domain}")
            return
        (other if found else missing).append(one.name.removesuffix("."))
    what = f"mail programs of {looked.domain}"
    todo = f"see `sallyport dns {looked.domain}`"
    if other:
        yield Finding(what, State.WARNING, f"{', '.join(other)} lead elsewhere", todo)
    if missing:
        yield Finding(what, State.WARNING, f"not there: {', '.join(missing)}", todo)
    if not other and not missing:
        yield Finding(what, State.FINE, f"{len(clients)} records lead here")


CHECKS: tuple[Check, ...] = (
    mail_exchange,
    sender_policy,
    signing_keys,
    authors_policy,
    tls_reports,
    strict_transport,
    programs,
)


def _spf_finding(what: str, record: str, host: str, allowed: spf.Spf) -> Finding:
    if "+all" in record.split() or "all" in record.split():
        return Finding(what, State.WRONG, f"{record}: it lets everybody send", "end it with -all")
    if allowed is spf.Spf.REFUSED:
        return Finding(what, State.WRONG, f"{record}: {host} may not send", f"put a:{host} into it, before `all`")
    if allowed is spf.Spf.UNKNOWN:
        says = f"{record}: whether {host} may send cannot be told"
        return Finding(what, State.WARNING, says, f"look that it names {host} or its addresses")
    if not record.rsplit(maxsplit=1)[-1].lower().startswith(("-all", "~all", "redirect=")):
        return Finding(what, State.WARNING, f"{record}: it refuses nobody", "end it with -all")
    return Finding(what, State.FINE, record)


def _key_finding(looked: Looked, pair: Pair, name: str, text: str) -> Finding:
    what, found = f"DKIM {name}", looked.world.texts(name)
    if _is_unknown(looked, name, RecordType.TXT):
        return _unknown(what)
    if len(found) > 1:
        says = f"there are {len(found)} records, and so none of them counts"
        return Finding(what, State.WRONG, says, "remove all but the one of `sallyport dns`")
    if found and has_key(found[0], text):
        return Finding(what, State.FINE, _OF_STAGE[pair.state])
    todo = _publish(looked, "DKIM")
    if found:
        return Finding(what, State.WRONG, "it holds another key, or rubbish", todo)
    if pair.state is Stage.WAITING:
        return Finding(what, State.WARNING, "it is not there yet; until then it does not sign", todo)
    says = "it is not there: " + ("nobody can verify what we sign" if pair.state is Stage.ACTIVE else _LOST_EARLY)
    return Finding(what, State.WRONG, says, todo)


_LOST_EARLY = "mail that is still on its way cannot be verified"
_OF_STAGE = {
    Stage.ACTIVE: "signs, and can be verified",
    Stage.WAITING: "is published; it can be used",
    Stage.RETIRING: "is published, for mail that is still on its way",
}


def has_key(found: str, wanted: str) -> bool:
    """Whether a record holds the key of another one: blanks and order do not matter, more tags may be there."""
    return _tags(found).items() >= {name: value for name, value in _tags(wanted).items() if name != "v"}.items()


def _tags(record: str) -> dict[str, str]:
    parts = (one.partition("=") for one in record.split(";") if one.strip())
    return {"k": "rsa"} | {name.strip(): "".join(value.split()) for name, _, value in parts}


def _dmarc_finding(what: str, name: str, record: str) -> Finding:
    asked = _tags(record).get("p", "").lower()
    if asked not in ("none", "quarantine", "reject"):
        return Finding(what, State.WRONG, f"{name}: {record}: no p= that counts", "say p=quarantine or p=reject")
    if asked == "none":
        return Finding(what, State.WARNING, f"{name}: {record}: forged mail is let in", "say p=quarantine or p=reject")
    return Finding(what, State.FINE, f"{name}: {record}")


def _is_unknown(looked: Looked, name: str, kind: RecordType) -> bool:
    return looked.world.asked(name, kind) is Asked.FAILED


def _unknown(what: str) -> Finding:
    return Finding(what, State.UNKNOWN, "the DNS gave no answer", _UNKNOWN_REMEDY)


def _publish(looked: Looked, what: str) -> str:
    return f"publish what `sallyport dns {looked.domain}` prints for {what}"


def _spaced(data: str) -> str:
    return " ".join(data.split()).lower()

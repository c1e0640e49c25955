"""What the engine reads, made of a policy file; and written again in the words of one, complete and in one form.

    rulebook_of(file)      a Rulebook with its digest
    tables_of(rulebook)    the tables and keys of the file that says all that it holds
    digest_of(tables)      SHA-256 of these: what is only written otherwise has the same

tables_of is the inverse of rulebook_of: a test holds the two together for every policy there can be.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from policy.engine.rulebook import Containment, Exemption, Gate, Limits, Rulebook, Windows
from policy.engine.sources import Sources
from policy.rulebook import model, words
from service.spans import DAY_S, HOUR_S, MINUTE_S

_DIGITS = 16

Tables = dict[str, Any]  # what TOML can hold


def rulebook_of(file: model.PolicyFile) -> Rulebook:
    """Frozen, with its digest."""
    made = Rulebook(
        digest="",
        limits={name: _limits_of(profile) for name, profile in file.profiles.items()},
        gates={name: Gate(**_fields(gate)) for name, gate in file.gates.items()},
        modes={_key(field): mode for field, mode in _fields(file.modes).items()},
        exemptions=tuple(Exemption(**_fields(one)) for one in file.exemptions),
        domain_recipients_per_user=file.domain.recipients_per_user,
        domain_recipients_least=file.domain.recipients_least,
        host_new_recipients=file.host.new_recipients,
        settled_after_days=file.history.settled_after_days,
        home_after_days=file.history.home_after_days,
        forgotten_after_days=file.history.forgotten_after_days,
        linked_identities=file.signals.linked_identities,
        usual_new_recipients_per_day=file.signals.usual_new_recipients_per_day,
        when_silent=file.scan.when_silent,
        containment=Containment(
            retro_hold_s=file.containment.retro_hold_minutes * MINUTE_S,
            held_s=file.containment.held_days * DAY_S,
            purge_after_s=file.containment.purge_after_hours * HOUR_S,
            sending_delay_s=file.containment.sending_delay_seconds,
        ),
        trap_recipients=file.traps.recipients,
        sources=_sources_of(file.sources),
        members={one: name for name, profile in file.profiles.items() for one in profile.identities},
    )
    return dataclasses.replace(made, digest=digest_of(tables_of(made)))


def tables_of(rulebook: Rulebook) -> Tables:
    """In the order of the shipped file; what has no order is sorted."""
    return {
        "profiles": {
            name: _profile(limits) | _members(rulebook, name) for name, limits in sorted(rulebook.limits.items())
        },
        "gates": {name: _gate(gate) for name, gate in sorted(rulebook.gates.items())},
        "modes": {rule: rulebook.mode(rule).value for rule in model.RULES},
        "domain": {
            "recipients-per-user": rulebook.domain_recipients_per_user,
            "recipients-least": rulebook.domain_recipients_least,
        },
        "host": {"new-recipients": words.spell_limits(rulebook.host_new_recipients)},
        "history": {
            "settled-after-days": rulebook.settled_after_days,
            "home-after-days": rulebook.home_after_days,
            "forgotten-after-days": rulebook.forgotten_after_days,
        },
        "signals": {
            "linked-identities": rulebook.linked_identities,
            "usual-new-recipients-per-day": rulebook.usual_new_recipients_per_day,
        },
        "scan": {"when-silent": rulebook.when_silent.value},
        "containment": {
            "retro-hold-minutes": round(rulebook.containment.retro_hold_s / MINUTE_S),
            "held-days": round(rulebook.containment.held_s / DAY_S),
            "purge-after-hours": round(rulebook.containment.purge_after_s / HOUR_S),
            "sending-delay-seconds": round(rulebook.containment.sending_delay_s),
        },
        "sources": _sources(rulebook.sources),
        "traps": {"recipients": sorted(rulebook.trap_recipients)},
        **({"exemptions": sorted(map(_exemption, rulebook.exemptions), key=str)} if rulebook.exemptions else {}),
    }


def digest_of(tables: Tables) -> str:
    """16 hexadecimal digits."""
    canonical = json.dumps(tables, sort_keys=True, separators=(",", ":"), default=date.isoformat)
    return hashlib.sha256(canonical.encode()).hexdigest()[:_DIGITS]


def _limits_of(profile: model.Profile) -> Limits:
    fields = _fields(profile)
    del fields["like"], fields["identities"]
    return Limits(message_bytes=fields.pop("bytes"), **fields)


def _sources_of(sources: model.Sources) -> Sources:
    pools = [(name, network) for name, networks in sources.pools.items() for network in networks]
    return Sources(**_fields(sources) | {"pools": tuple(sorted(pools, key=str))})


def _profile(limits: Limits) -> Tables:
    """By the fields of the model: what is measured in octets is written in octets."""
    values = {_key(name): value for name, value in _values(limits).items()}
    values["bytes"] = values.pop("message-bytes")
    order = [_key(name) for name in model.Profile.model_fields if name not in ("like", "identities")]
    return {key: _spelled(key, values[key]) for key in order}


def _members(rulebook: Rulebook, profile: str) -> Tables:
    members = sorted(identity for identity, name in rulebook.members.items() if name == profile)
    return {"identities": members} if members else {}


def _spelled(key: str, value: Any) -> Any:  # noqa: ANN401 - a number stays what it is
    if not isinstance(value, tuple):
        return value
    windows: Windows = value
    return words.spell_sizes(windows) if key.endswith("bytes") else words.spell_limits(windows)


def _gate(gate: Gate) -> Tables:
    return {_key(name): _sorted(value) for name, value in _values(gate).items()}


def _sources(sources: Sources) -> Tables:
    pools: dict[str, list[str]] = {}
    for name, network in sources.pools:
        pools.setdefault(name, []).append(str(network))
    lists = {_key(name): _sorted(value) for name, value in _values(sources).items() if name != "pools"}
    return {**lists, "pools": {name: sorted(networks) for name, networks in sorted(pools.items())}}


def _exemption(one: Exemption) -> Tables:
    return {
        "identity": one.identity,
        "countries": sorted(one.countries),
        "asns": sorted(one.asns),
        "until": words.spell_end(one.until),
    }


def _sorted(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else str(value)


def _fields(table: model.Table) -> dict[str, Any]:
    """Not as dictionaries all the way down."""
    return {name: getattr(table, name) for name in type(table).model_fields}


def _values(frozen: Limits | Gate | Sources) -> Mapping[str, Any]:
    return {field.name: getattr(frozen, field.name) for field in dataclasses.fields(frozen)}


def _key(field: str) -> str:
    return field.replace("_", "-")

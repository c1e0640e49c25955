"""Who hears of a signal: the administrator and the owner by a notice; the log, and who counts, when it is on disk."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from policy import log
from policy.alerting.kinds import Kind
from policy.engine.ladder import ALONE, Signal, SignalKind, Standing, Step
from policy.engine.profile import Place
from policy.engine.sources import UNKNOWN_COUNTRY
from policy.store.incident_notes import Opened
from policy.store.notices import NoticeBook, thread_of
from policy.tally import Stage, Tally, What

_MEANS = {
    Step.SLOW: "Answers about mail to new recipients wait five seconds there, for a day.",
    Step.HOLD: "Mail to new recipients is held.",
    Step.RESTRICT: "Mail to new recipients is refused; known ones and those of this server are reached.",
    Step.LOCK: "Logins are refused, except from the owner's own networks.",
}
_AT_HOME = {**_MEANS, Step.LOCK: "Logins are refused there, too."}


# Nothing is held for these, so nobody is asked anything; but whoever keeps below all limits is found by nothing else.
_OWNER_HEARS = frozenset((SignalKind.PROBATION, SignalKind.VOLUME))


@dataclass(frozen=True, slots=True)
class Teller:
    """`notices` are taken in the transaction that writes the signals down."""

    notices: NoticeBook
    tally: Tally

    def note(
        self, opened: Opened | None, identity: str, place: Place, signals: Sequence[Signal], standing: Standing
    ) -> None:
        """Within that transaction; nothing where there is no signal.

        The owner is asked when mail of his is held; that much of it went out is told before that.
        """
        self._note_trusted(identity, place, [one for one in signals if one.kind is SignalKind.TRUSTED_NETWORK])
        signals = [one for one in signals if one.kind is not SignalKind.TRUSTED_NETWORK]
        signals.sort(key=lambda one: ALONE[one.kind])  # the last one, in the subject, is what weighs most
        if not signals:
            return
        kind = _kind_of(opened)
        of_incident = f"incident {opened.number}: " if opened else ""
        self.notices.add(
            kind,
            f"{identity}: {of_incident}{signals[-1].kind.value}, now {standing.step.name.lower()}",
            _lines(opened, identity, place, signals, standing),
            max(one.at for one in signals),
            thread=thread_of(opened.number) if opened else "",
            facts=_facts(opened, identity, place, signals, standing),
            owner=identity if kind is not Kind.SIGNAL or any(one.kind in _OWNER_HEARS for one in signals) else "",
        )

    def _note_trusted(self, identity: str, place: Place, signals: Sequence[Signal]) -> None:
        """Also where somebody is locked out at the moment: it says nothing of an incident."""
        network, area = place.origin.network, place.origin.area
        for one in signals:
            self.notices.add(
                Kind.NETWORK_TRUSTED,
                f"{identity}: {network} now counts as the owner's",
                [
                    f"Whose: {identity}.",
                    _from(place),
                    f"What happened: {one.evidence}.",
                    "Done already: the owner was told, too.",
                    f"If it was not the owner: sallyport network distrust {identity} {network}",
                ],
                one.at,
                thread=f"{Kind.NETWORK_TRUSTED.value}:{identity}",
                facts={"identity": identity, "network": network, "area": area},
                owner=identity,
            )

    def note_listed(self, identity: str, submission: str, servers: Sequence[str], now: float) -> None:
        """These servers refuse mail of this one because it is on a blocklist."""
        self.notices.add(
            Kind.BLOCKLISTED,
            f"On a blocklist, says {servers[0] or 'a server'}",
            [f"Refused by: {', '.join(servers)}.", f"Whose message: {identity}'s ({submission})."],
            now,
            facts={"servers": list(servers), "identity": identity, "submission": submission},
        )

    def tell(self, identity: str, place: Place, signals: Sequence[Signal], before: Standing, after: Standing) -> None:
        """The log, afterwards."""
        for one in signals:
            self.tally.note(What(Stage.SIGNAL, one.kind, after.step.name.lower()), one.at)
            log.signal_raised(identity, one.kind, place.origin.network, place.origin.area, one.evidence)
        if signals and after.step > before.step:
            log.step_reached(identity, after.step.name.lower(), after.home.name.lower())

    def tell_not_raised(self, identity: str, place: Place, signals: Sequence[Signal]) -> None:
        """What would have been, had its rule not only observed."""
        self.count_observed([one.kind for one in signals], max((one.at for one in signals), default=0.0))
        for one in signals:
            log.signal_not_raised(identity, one.kind, place.origin.network, place.origin.area, one.evidence)

    def count_observed(self, rules: Iterable[str], now: float, recipients: int = 0) -> None:
        """What these would have stopped, did they not only observe."""
        for rule in rules:
            self.tally.note(What(Stage.OBSERVED, rule), now, recipients)


def _kind_of(opened: Opened | None) -> Kind:
    if not opened or not opened.is_graver:
        return Kind.SIGNAL
    return Kind.INCIDENT_OPENED if opened.is_new else Kind.INCIDENT_ESCALATED


def _lines(
    opened: Opened | None, identity: str, place: Place, signals: Sequence[Signal], standing: Standing
) -> list[str]:
    at_home = _AT_HOME.get(standing.home, "the owner notices nothing of it.")
    return [
        f"Whose: {identity}.",
        _from(place),
        *[f"What happened: {one.kind.value}: {one.evidence}." for one in signals],
        f"Done already: {_MEANS.get(standing.step, 'nothing is held or refused.')} At home: {at_home}",
        *([] if opened else [f"If it was the owner: sallyport standing clear {identity}"]),
    ]


def _from(place: Place) -> str:
    """The network and its area, which repeats the network where no provider is known."""
    network = place.origin.network
    area = place.origin.area.removeprefix(f"{network} ")
    return f"From: {network} ({'no database knows it' if area == UNKNOWN_COUNTRY else area})."


def _facts(
    opened: Opened | None, identity: str, place: Place, signals: Sequence[Signal], standing: Standing
) -> dict[str, object]:
    return {
        "incident": opened.number if opened else None,
        "identity": identity,
        "step": standing.step.name.lower(),
        "home_step": standing.home.name.lower(),
        "network": place.origin.network,
        "area": place.origin.area,
        "signals": [{"kind": one.kind.value, "evidence": one.evidence} for one in signals],
    }

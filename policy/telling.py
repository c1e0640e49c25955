"""Who hears of a signal: the log at once, and the administrator by mail when an identity goes up the ladder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from policy import log
from policy.alerts import AlertKind
from policy.engine.ladder import Signal, Standing, Step
from policy.engine.profile import Place

Tell = Callable[[AlertKind, str, Sequence[str]], None]

_MEANS = {
    Step.SLOW: "Answers about mail to new recipients wait five seconds there, for a day.",
    Step.HOLD: "Mail to new recipients is held.",
    Step.RESTRICT: "Mail to new recipients is refused; known ones and those of this server are reached.",
    Step.LOCK: "Logins are refused, except from the owner's own networks.",
}


@dataclass(frozen=True, slots=True)
class Teller:
    """`tell_administrator` is Alerts.tell."""

    tell_administrator: Tell

    def tell(self, identity: str, place: Place, signals: Sequence[Signal], before: Standing, after: Standing) -> None:
        """What is new; nothing where there is no signal."""
        for one in signals:
            log.signal_raised(identity, one.kind, place.origin.network, place.origin.area, one.evidence)
        if not signals:
            return
        if after.step > before.step:
            log.step_reached(identity, after.step.name.lower(), after.home.name.lower())
        at_home = _MEANS.get(after.home, "the owner notices nothing of it.")
        self.tell_administrator(
            AlertKind.SIGNAL,
            f"{identity}: {signals[-1].kind.value}, now {after.step.name.lower()}",
            [
                f"Whose: {identity}.",
                f"From: {place.origin.network} ({place.origin.area}).",
                *[f"What: {one.kind.value}: {one.evidence}." for one in signals],
                f"Now: {_MEANS.get(after.step, 'Nothing is held or refused.')} At home: {at_home}",
                f"More: sallyport standing show {identity}",
                f"If it was the owner: sallyport standing clear {identity}",
            ],
        )

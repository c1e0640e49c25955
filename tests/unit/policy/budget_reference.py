"""The budgets' promises in the simplest words: lists of all that was charged, counted anew each time."""

from dataclasses import dataclass, field

from policy.engine.budget import MEMBERS_KEPT, RESERVATION_LIFE_S, Charge, Distinct, Sum, Take, Taken

CLOCK_STEP_S = 60.0


@dataclass
class Entry:
    """A charge on a counter, or a member of a set; `by` is the reservation that can give it back."""

    at: float
    by: str
    cost: int = 1
    mark: int = 0


@dataclass
class Reference:
    """One list for each key."""

    entries: dict[str, list[Entry]] = field(default_factory=dict)
    made: dict[str, float] = field(default_factory=dict)  # open reservations

    def peek(self, charges: tuple[Charge, ...], now: float) -> Taken:
        looks = [self.look(charge, now) for charge in charges]
        fits = all(has_room(charge, after) for charge, (_, after) in zip(charges, looks, strict=True))
        return Taken(fits, tuple(before for before, _ in looks), tuple(after for _, after in looks))

    def reserve(self, reservation: str, take: Take, now: float) -> Taken:
        taken = self.peek(take.charges, now)
        if taken.fits:
            self.take(take.charges, reservation, now)
        else:
            self.take(tuple(one for one in take.otherwise if has_room(one, self.look(one, now)[1])), "", now)
        return taken

    def commit(self, reservation: str, now: float) -> bool:
        at = self.made.pop(reservation, None)
        return at is not None and now - at <= RESERVATION_LIFE_S and self.is_left(reservation)

    def release(self, reservation: str, now: float) -> bool:
        if not self.commit(reservation, now):
            return False
        for key, entries in self.entries.items():
            self.entries[key] = [one for one in entries if one.by != reservation]
        return True

    def is_left(self, reservation: str) -> bool:
        """Whether anything of it is on a counter."""
        return any(one.by == reservation and not one.mark for entries in self.entries.values() for one in entries)

    def look(self, charge: Charge, now: float) -> tuple[tuple[int, ...], tuple[int, ...]]:
        at = self.moment(charge.key, now)
        before, after = [], []
        for window in charge.windows:
            held = [one for one in self.entries.get(charge.key, []) if one.at > at - window.seconds]
            before.append(sum(one.cost for one in held))
            if isinstance(charge, Sum):
                after.append(before[-1] + charge.cost)
            else:
                after.append(len({one.mark for one in held} | set(charge.members)))
        return tuple(before), tuple(after)

    def moment(self, key: str, now: float) -> float:
        newest_at = max((one.at for one in self.entries.get(key, [])), default=now)
        return newest_at if now < newest_at <= now + CLOCK_STEP_S else now

    def take(self, charges: tuple[Charge, ...], reservation: str, now: float) -> None:
        counters = [one for one in charges if isinstance(one, Sum) and one.cost]
        for counter in counters:
            at, entries = self.tidied(counter, now)
            entries.append(Entry(at, reservation, counter.cost))
            if reservation:
                self.made[reservation] = max(self.made.get(reservation, at), at)
        for charge in charges:
            if isinstance(charge, Distinct) and charge.members:
                self.see(charge, reservation if counters else "", now)

    def see(self, charge: Distinct, reservation: str, now: float) -> None:
        at, entries = self.tidied(charge, now)
        edge = at - longest(charge)
        for mark in set(charge.members):
            is_held = any(one.mark == mark and one.at > edge for one in entries)
            entries[:] = [one for one in entries if one.mark != mark]
            entries.append(Entry(at, "" if is_held else reservation, mark=mark))
        entries.sort(key=lambda one: (one.at, one.mark))
        kept = max(MEMBERS_KEPT, *(window.limit for window in charge.windows))
        del entries[: max(len(entries) - kept, 0)]

    def tidied(self, charge: Charge, now: float) -> tuple[float, list[Entry]]:
        """When the charge counts as made, and what its key still has."""
        at = self.moment(charge.key, now)
        entries = self.entries.setdefault(charge.key, [])
        for one in entries:
            one.at = min(one.at, at)
        if min((one.at for one in entries), default=at) <= at - longest(charge) * 17 / 16:
            entries[:] = [one for one in entries if one.at > at - longest(charge)]
        return at, entries


def has_room(charge: Charge, after: tuple[int, ...]) -> bool:
    limits = [window.limit for window in charge.windows]
    return not charge.is_enforced or all(held <= limit for held, limit in zip(after, limits, strict=True))


def longest(charge: Charge) -> float:
    return max(window.seconds for window in charge.windows)

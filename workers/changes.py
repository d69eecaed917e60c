"""The modifies of each order, of which the newest must win whatever way each one takes. Pure.

Invariants:
1. A modify is never sent again once a newer one of its order names all that it names: it would undo
   that one.
2. While a modify of an order is under way by REST, a newer one waits: a frame on the socket, or
   another thread's call, could overtake it, and the older terms would come last.
3. A modify waits for an unfinished older one that names what it leaves out: some venues want all
   terms repeated, and those from before the older one would undo that.
"""

from collections import defaultdict, deque

from workers.flights import Flight
from workers.venue import Modify

OrderKey = tuple[str, str]


class Changes:
    """The unfinished modifies of one account."""

    def __init__(self) -> None:
        self._unfinished: dict[OrderKey, list[Flight]] = defaultdict(list)
        self._by_rest: dict[OrderKey, Flight] = {}
        self._behind: dict[OrderKey, deque[Flight]] = defaultdict(deque)

    def __repr__(self) -> str:
        return f"Changes({len(self._unfinished)} orders, {len(self._by_rest)} by REST now)"

    def taken(self, flight: Flight) -> None:
        """Note a modify that was just taken; those before it that name no more are superseded.

        From now on trades of the amount that the order has had need not be all of it.
        """
        if isinstance(flight.command, Modify) and flight.command.amount is not None:
            flight.record.asked = max(flight.record.asked, flight.command.amount)
        mine = self._unfinished[_key(flight)]
        for older in mine:
            older.superseded |= _terms(older) <= _terms(flight)
        mine.append(flight)

    def finished(self, flight: Flight) -> list[Flight]:
        """Forget a modify that has its outcome; return those that waited, in their order."""
        mine = self._unfinished.get(_key(flight), [])
        if flight in mine:
            mine.remove(flight)
        if not mine:
            self._unfinished.pop(_key(flight), None)
        if self._by_rest.get(_key(flight)) is not None:
            return []
        return list(self._behind.pop(_key(flight), ()))

    def must_wait(self, flight: Flight) -> bool:
        """Whether another modify of the order goes first; then this one is kept until it did."""
        key = _key(flight)
        by_rest = self._by_rest.get(key)
        if by_rest is flight or not (by_rest is not None or self._follows_one(flight)):
            return False
        self._behind[key].append(flight)
        return True

    def _follows_one(self, flight: Flight) -> bool:
        """Whether an older one waits itself, or names what this one leaves out.

        Never a newer one: this may be asked again, as often as the older one is put back.
        """
        waiting = self._behind.get(_key(flight), ())
        for older in self._unfinished.get(_key(flight), ()):
            if older is flight:
                return False
            if older in waiting or not _terms(older) <= _terms(flight):
                return True
        return False

    def left_by_rest(self, flight: Flight) -> None:
        """Note that a modify is under way by REST."""
        self._by_rest[_key(flight)] = flight

    def back_from_rest(self, flight: Flight) -> list[Flight]:
        """Return the modifies that waited for this call to end, in their order."""
        if self._by_rest.get(_key(flight)) is not flight:
            return []
        del self._by_rest[_key(flight)]
        return list(self._behind.pop(_key(flight), ()))


def _terms(flight: Flight) -> set[str]:
    """Return what a modify names."""
    wish = flight.command
    if not isinstance(wish, Modify):
        return set()
    return {name for name in ("price", "amount") if getattr(wish, name) is not None}


def _key(flight: Flight) -> OrderKey:
    return flight.record.strategy, flight.record.oid

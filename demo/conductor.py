"""Carries out the schedule of faults while the demo runs, and remembers what happened."""

import logging
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from demo.faults import (
    Act,
    ActByHand,
    Announce,
    Arm,
    CloseSockets,
    ExpireStreams,
    HalfOpen,
    Hits,
    Step,
    VenueAct,
)
from demo.venues import DemoVenue
from simulator.client import ControlClient, ControlError, OrderRow

log = logging.getLogger(__name__)

_OPEN = ("live", "partially_filled")
_MOST_BY_HAND = 50
#: A handshake names no account, and the clock is everybody's.
_OF_ALL_VENUES = ("refuse_connections", "clock_skew")


class Conductor:
    """Takes the steps when their time has come."""

    def __init__(
        self,
        steps: Sequence[Step],
        control: ControlClient,
        venues: Sequence[DemoVenue],
        on_processes: Callable[[Act], str],
        seed: int,
    ) -> None:
        self._waiting = list(steps)
        self._control = control
        self._venues = venues
        self._on_processes = on_processes
        self._random = random.Random(seed)
        self.taken: list[tuple[float, str]] = []
        """When and what, with what came of it."""

    def __repr__(self) -> str:
        return f"Conductor({len(self.taken)} taken, {len(self._waiting)} waiting)"

    def play(self, elapsed_s: float) -> None:
        """Take every step that is due."""
        while self._waiting and self._waiting[0].at_s <= elapsed_s:
            step = self._waiting.pop(0)
            notes = [note for act in step.acts if (note := self._do(act))]
            self.taken.append((elapsed_s, "; ".join((step.what, *notes))))

    def hits(self) -> Hits:
        """Return how often each kind of fault really hit a message."""
        counted: Hits = {}
        for row in self._control.faults():
            at = counted.setdefault(row["fault"], Counter())
            at[row["match"].get("account", "")] += int(row["hits"])
        return counted

    @property
    def waiting(self) -> int:
        """How many steps are still to come."""
        return len(self._waiting)

    def end(self) -> None:
        """Disarm everything and stop the markets, so that what is true can settle."""
        self._waiting.clear()
        self._control.disarm()
        for venue, symbols in self._control.health()["markets"].items():
            for symbol in symbols:
                self._control.market(symbol, venue=venue, freeze=True)

    def _do(self, act: Act) -> str:
        """Return what came of it, "" for nothing worth a word."""
        return self._at_venue(act) if isinstance(act, VenueAct) else self._on_processes(act)

    def _at_venue(self, act: VenueAct) -> str:
        control = self._control
        match act:
            case Arm():
                for match in self._matches(act):
                    control.arm(
                        act.fault,
                        count=act.count,
                        duration_ms=act.duration_ms,
                        match=match,
                        **act.params,
                    )
                return ""
            case CloseSockets(role):
                control.close_sockets(role)
                return ""
            case HalfOpen(role):
                control.half_open(role)
                return ""
            case Announce(after_ms):
                control.notice(after_ms=after_ms)
                return ""
            case ExpireStreams():
                control.expire_streams()
                return ""
            case ActByHand(fills, cancels):
                return "; ".join(self._by_hand(at, fills, cancels) for at in self._venues)

    def _matches(self, act: Arm) -> list[dict[str, Any]]:
        """Return what a fault is armed for: one venue's messages each, where they can be told."""
        if len(self._venues) == 1 or act.fault in _OF_ALL_VENUES:
            return [act.match]
        return [{**act.match, "account": one.venue_account} for one in self._venues]

    def _by_hand(self, at: DemoVenue, fills: int, cancels: int) -> str:
        account = at.venue_account
        resting = [row for row in self._control.ledger(account).orders if row["state"] in _OPEN]
        rows = [row for row in resting if not row["external"]]
        chosen = self._random.sample(rows, min(len(rows), fills + cancels))
        self._cancel_oldest([row for row in resting if row["external"]])
        filled = sum(self._fill(row) for row in chosen[:fills])
        cancelled = sum(self._cancel(row) for row in chosen[fills:])
        self._control.place_order(
            account, at.symbol_by_hand, "buy", "0.02", price="2900", venue=at.name
        )
        where = f"{at.name}: " if len(self._venues) > 1 else ""
        return f"{where}{filled} filled, {cancelled} cancelled, 1 external order"

    def _cancel_oldest(self, by_hand: list[OrderRow]) -> None:
        """Cancel what was placed by hand long ago: a venue lets only so many orders rest."""
        by_hand.sort(key=lambda row: row["created_ms"])
        for row in by_hand[:-_MOST_BY_HAND]:
            self._cancel(row)

    def _fill(self, row: OrderRow) -> bool:
        try:
            self._control.fill_order(venue_id=row["venue_id"])
        except ControlError as problem:  # the market was faster
            log.info("%s was not filled by hand: %s", row["venue_id"], problem)
            return False
        return True

    def _cancel(self, row: OrderRow) -> bool:
        try:
            self._control.cancel_order(venue_id=row["venue_id"])
        except ControlError as problem:
            log.info("%s was not cancelled by hand: %s", row["venue_id"], problem)
            return False
        return True

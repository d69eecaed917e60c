"""Builds broken on purpose: what the simulation must notice.

Each is one promise of the product taken out, in place, for the length of a run.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from router.state import UNSEEN
from simulation import standins
from simulation.store import Store
from strategy_sdk.gateway import Gateway
from strategy_sdk.reader import Place, Reader
from workers.desk import Desk
from workers.doubt import Doubts
from workers.flights import Flight
from workers.resync import Resync
from workers.spool import Kept, Unwritten
from workers.venue import Command
from workers.venue import Place as PlaceOrder

Places = list[tuple[Any, str, Any]]


@dataclass(frozen=True)
class Mutant:
    """One broken build: names that mean something else, and Lua that is cut."""

    name: str
    places: Callable[[], Places] = list
    cuts: tuple[tuple[str, str], ...] = ()
    """(text of the functions, what stands there instead)"""

    @contextlib.contextmanager
    def built(self, store: Store) -> Iterator[None]:
        """Let the product be broken in this way."""
        store.broken = self._broken
        try:
            with standins.in_place(self.places()):
                yield
        finally:
            store.broken = lambda text: text

    def _broken(self, text: str) -> str:
        for old, new in self.cuts:
            if old not in text:
                raise ValueError(f"{self.name}: the functions no longer say {old!r}")
            text = text.replace(old, new)
        return text


def _resend() -> Places:
    def begin(self: Doubts, flight: Flight, why: str) -> None:
        record = flight.record
        shown = record.acked_ms or record.state not in UNSEEN
        if flight.kind != "create" or shown or flight.sends > 3:
            return ladder(self, flight, why)
        flight.doubted = False
        return self._desk.again_by_rest(flight)

    ladder = Doubts.begin
    return [(Doubts, "begin", begin)]


def _apart() -> Places:
    def admit_all(self: Gateway, account: Any, intents: Any) -> Any:
        answers = admit(self, account, intents)
        for (fields, _, _), answer in zip(intents, answers, strict=True):
            if answer == ["admitted", fields["oid"]]:
                flat = [part for pair in fields.items() for part in pair]
                self.fetch("XADD", account.keys.intents(self.strategy), "*", *flat)
        return answers

    admit = Gateway.admit_all
    return [(Gateway, "admit_all", admit_all)]


def _unexpiring() -> Places:
    def command(self: Desk, flight: Flight) -> Command:
        one = ordinary(self, flight)
        if isinstance(one, PlaceOrder):
            return replace(one, expires_ms=self._on.clock.venue_ms() + 3_600_000)
        return one

    ordinary = Desk.command
    return [(Desk, "command", command)]


def _cursor_first() -> Places:
    def tell(self: Reader, place: Place, entry_id: str, fields: dict[str, str]) -> None:
        self._gateway.store_cursor(place.account, entry_id)
        ordinary(self, place, entry_id, fields)

    ordinary = Reader._tell_result
    return [(Reader, "_tell_result", tell)]


def _unaudited() -> Places:
    async def audit(self: Resync) -> None:
        return None

    return [(Resync, "_audit", audit)]


def _spool_of_anybody() -> Places:
    def after(self: Unwritten, epoch: int, batch: int) -> tuple[Kept, ...]:
        return self.batches

    return [(Unwritten, "after", after)]


MUTANTS = {
    one.name: one
    for one in (
        Mutant(
            "no-epoch-check",
            cuts=(
                (
                    "if current ~= args[1] then\n    return {'fenced', current}",
                    "if current == 'never' then\n    return {'fenced', current}",
                ),
                # Counting batches keeps most older epochs out, too.
                ("if done ~= number - 1 then", "if last[1] == args[1] and done ~= number - 1 then"),
            ),
        ),
        Mutant("resend-instead-of-ladder", _resend),
        Mutant(
            "set-and-xadd-apart",
            _apart,
            (
                (
                    "  redis.call('XADD', keys[2], '*', 'created_ms', now, 'expires_ms', "
                    "expires_ms, unpack(order, 5))\n",
                    "",
                ),
            ),
        ),
        Mutant("no-expiry", _unexpiring),
        Mutant("cursor-before-callback", _cursor_first),
        Mutant("no-audit", _unaudited),
        Mutant("spool-written-whatever-happened", _spool_of_anybody),
    )
}

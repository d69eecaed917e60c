"""The strategies of a seed: they fire signals drawn beforehand, some of them in two processes."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from simulation.diary import Diary
from simulation.loop import VirtualLoop
from simulation.standins import running
from simulation.venue import SYMBOL, Venue
from strategy_sdk import Strategy
from strategy_sdk.constants import OrderSide, OrderType, TimeInForce
from strategy_sdk.errors import BatchIncomplete, RedisUnavailable, RouterError
from strategy_sdk.schema import BatchOrder, Order

INSTANCES = ("alpha@main", "alpha@second", "beta@main")
_TICK = Decimal("0.1")
_LOT = Decimal("0.0001")
_RETRIES = 3
_LIMIT, _MARKET, _POST = OrderType.LIMIT, OrderType.MARKET, OrderType.POST_ONLY
_GTC, _IOC, _FOK = TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK
#: (share, type, time in force, least and most distance from the middle in bps; below 0 crosses it)
_KINDS = (
    (30, _LIMIT, _GTC, 20, 200),
    (22, _LIMIT, _GTC, 0, 4),
    (16, _MARKET, _GTC, 0, 0),
    (8, _LIMIT, _IOC, -5, 1),
    (6, _LIMIT, _FOK, -5, 1),
    (8, _POST, _GTC, -1, 6),
    (7, _LIMIT, _GTC, -10, -1),
    (3, _LIMIT, _GTC, 900, 1_200),  # outside of the venue's price band
)


@dataclass(frozen=True)
class Signal:
    """One reason to trade, and what is done about its order later."""

    at_s: float
    key: str
    by: tuple[str, ...]
    side: OrderSide
    type: OrderType
    tif: TimeInForce
    away_bps: float
    amount: Decimal
    rest: bool = False
    fallback: bool = True
    scope: str = "strategy"
    batch: bool = False
    cancel_after_s: float | None = None
    cancel_by_rest: bool = False
    modify_after_s: float | None = None
    grows: bool = False
    """Whether a second modify follows at once, with other terms than the first."""


def plan(luck: random.Random, orders: int, busy_s: float) -> list[Signal]:
    """Return the signals of a seed, in order of time; they come in bursts."""
    found: list[Signal] = []
    while len(found) < orders:
        at_s = luck.random() * busy_s
        home = luck.choice(INSTANCES)
        batch = luck.random() < 0.3
        for _ in range(min(luck.choice((1, 2, 3, 5, 8)), orders - len(found))):
            found.append(_signal(luck, at_s, f"k{len(found)}", home, batch))
            at_s += 0.0 if batch else luck.random() * 0.02
    return sorted(found, key=lambda one: one.at_s)


def _signal(luck: random.Random, at_s: float, key: str, home: str, batch: bool) -> Signal:
    [(_, kind, tif, least, most)] = luck.choices(_KINDS, [row[0] for row in _KINDS])
    by: tuple[str, ...] = (home,)
    scope = "strategy"
    if not batch and luck.random() < 0.25:
        by = ("alpha@main", "alpha@second")
    elif not batch and luck.random() < 0.06:
        by, scope = ("alpha@main", "beta@main"), "account"
    return Signal(
        at_s=at_s,
        key=key,
        by=by,
        side=luck.choice((OrderSide.BUY, OrderSide.SELL)),
        type=kind,
        tif=tif,
        away_bps=luck.uniform(least, most),
        amount=_LOT * luck.choice((1, 10, 100, 1_000, 5_000)),
        rest=not batch and luck.random() < 0.1,
        fallback=batch or luck.random() > 0.15,
        scope=scope,
        batch=batch,
        cancel_after_s=luck.expovariate(1.0) if luck.random() < 0.45 else None,
        cancel_by_rest=luck.random() < 0.15,
        modify_after_s=luck.expovariate(1.0) if luck.random() < 0.12 else None,
        grows=luck.random() < 0.5,
    )


@dataclass(order=True)
class _Change:
    at_s: float
    oid: str
    signal: Signal = field(compare=False)
    modify: bool = field(compare=False, default=False)


class Trader(Strategy):
    """One life of one instance: fires what no earlier life has fired, and the last one again."""

    def __init__(
        self,
        loop: VirtualLoop,
        venue: Venue,
        diary: Diary,
        name: str,
        signals: Sequence[Signal],
    ) -> None:
        super().__init__()
        self._loop = loop
        self._venue = venue
        self._diary = diary
        self._me = name
        self._strategy = name.partition("@")[0]
        self._signals = signals
        self._changes: list[_Change] = []

    @property
    def is_idle(self) -> bool:
        """Whether it has nothing more in mind for its orders."""
        return not self._changes

    def on_start(self) -> None:
        self._loop.start_strand(self._loop.current, self._trade)

    def on_filled_order(self, order: Order) -> None:
        # Some fills are hedged, whichever instance is told first.
        if order.oid.endswith("0") and not order.reduce_only:
            side = OrderSide.SELL if order.side is OrderSide.BUY else OrderSide.BUY
            key = f"hedge:{order.oid}"
            try:
                oid = self.create_order_ws(SYMBOL, side, _MARKET, _LOT, idempotency_key=key)
            except RouterError as error:
                self._diary.refused.append(f"{key}: {error}")
            else:
                self._note(oid, key, "strategy")

    # --- the signals' thread ---------------------------------------------------------------------

    def _trade(self) -> None:
        for burst in self._bursts():
            self._follow_until(burst[0].at_s)
            if len(burst) > 1:
                self._fire_batch(burst)
            else:
                self._fire(burst[0])
        self._follow_until(None)

    def _bursts(self) -> Iterator[list[Signal]]:
        """Yield what is fired together; what is long past only if it was never tried."""
        tried = {one.key for one in self._diary.submitted.get(self._strategy, ())}
        now_s = self._loop.now_s
        group: list[Signal] = []
        for one in self._signals:
            if one.at_s < now_s - 0.3 and one.key in tried:
                continue
            if group and not (one.batch and group[0].batch and one.at_s == group[0].at_s):
                yield group
                group = []
            group.append(one)
        if group:
            yield group

    def _follow_until(self, at_s: float | None) -> None:
        """Cancel and modify what is due until then, or until nothing is left."""
        strand = running(self._loop)
        while self._changes and (at_s is None or min(self._changes).at_s < at_s):
            change = min(self._changes)
            if change.at_s > self._loop.now_s:
                strand.wait(change.at_s - self._loop.now_s)
            self._change(change)
            self._changes.remove(change)
        if at_s is not None and at_s > self._loop.now_s:
            strand.wait(at_s - self._loop.now_s)

    def _fire(self, signal: Signal) -> None:
        create: Any = self.create_order if signal.rest else self.create_order_ws
        for _ in range(_RETRIES):
            try:
                oid = create(
                    *(SYMBOL, signal.side, signal.type, signal.amount, self._price(signal)),
                    signal.tif,
                    idempotency_key=signal.key,
                    idempotency_scope=signal.scope,
                    ws_fallback=signal.fallback,
                )
            except RedisUnavailable:
                running(self._loop).wait(0.2)  # the same key: trying again is safe
            except RouterError as error:
                self._diary.refused.append(f"{signal.key}: {error}")
                return
            else:
                self._fired(signal, oid)
                return

    def _fire_batch(self, burst: list[Signal]) -> None:
        orders = [
            BatchOrder(
                *(SYMBOL, one.side, one.type, one.amount, self._price(one), one.tif),
                idempotency_key=one.key,
            )
            for one in burst
        ]
        for _ in range(_RETRIES):
            try:
                oids: list[str | None] = list(self.create_batch_orders(orders))
            except BatchIncomplete as error:
                oids = error.oids
                if any(isinstance(one, RedisUnavailable) for one in error.errors):
                    running(self._loop).wait(0.2)
                    continue
            except RedisUnavailable:  # even its instruments could not be read
                running(self._loop).wait(0.2)
                continue
            for one, oid in zip(burst, oids, strict=True):
                if oid is not None:
                    self._fired(one, oid)
            return

    def _fired(self, signal: Signal, oid: str) -> None:
        self._note(oid, signal.key, signal.scope)
        now_s = self._loop.now_s
        if signal.by[0] != self._me:
            return
        if signal.cancel_after_s is not None:
            self._changes.append(_Change(now_s + signal.cancel_after_s, oid, signal))
        if signal.modify_after_s is not None:
            self._changes.append(_Change(now_s + signal.modify_after_s, oid, signal, modify=True))

    def _note(self, oid: str, key: str, scope: str) -> None:
        self._diary.note_order(self._strategy, self._loop.now_s, oid, key, scope)

    def _change(self, change: _Change) -> None:
        signal, oid = change.signal, change.oid
        try:
            if change.modify and signal.type is _LIMIT:
                self.modify_order_ws(SYMBOL, oid, price=self._price(signal))
                if signal.grows:
                    self.modify_order_ws(SYMBOL, oid, amount=signal.amount + _LOT)
            elif not change.modify:
                cancel = self.cancel_order if signal.cancel_by_rest else self.cancel_order_ws
                cancel(SYMBOL, oid)
                self._diary.note_cancel(self._strategy, oid)
        except RouterError as error:
            self._diary.refused.append(f"{signal.key}: {error}")

    def _price(self, signal: Signal) -> Decimal | None:
        if signal.type is _MARKET:
            return None
        away = Decimal(f"{signal.away_bps:.3f}") / 10_000
        middle = self._venue.price()
        price = middle * (1 - away if signal.side is OrderSide.BUY else 1 + away)
        return Decimal(price).quantize(_TICK)

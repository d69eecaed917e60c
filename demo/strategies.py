"""The demo's strategies: a maker that quotes around the book, a taker that crosses it."""

import random
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from demo.plan import SIGNAL_KEY, Hours, Market, Plan, read_hours, read_plan
from demo.recording import RecordedStrategy, recorded
from strategy_sdk.constants import OrderSide, OrderType, TimeInForce
from strategy_sdk.errors import RouterError
from strategy_sdk.schema import BookL1, Order

SIGNAL_SYMBOL = "ETHUSDT-PERP.OKX"
_MOST_A_TURN = 4
_ENDING_S = 2.0
#: A venue lets only so many orders rest (OKX: 500 of an instrument).
_MOST_LEFT = 200
#: So many of its last signals does a strategy fire once more when it is started again.
_ONCE_MORE = 5
_KEY = "order:"


class Trader(RecordedStrategy, ABC):
    """Places its share of orders evenly over the plan's time, on the books' rhythm."""

    def __init__(self) -> None:
        super().__init__()
        self._plan: Plan = read_plan()
        self._hours: Hours | None = None
        self._markets = {one.symbol: one for one in self._plan.markets}
        self._random = random.Random(self._plan.seed)
        self._placed = 0
        self._books: dict[str, BookL1] = {}
        self._cancel_at_s: dict[str, tuple[float, str]] = {}
        self._ended = False

    def on_start(self) -> None:
        self._placed = max(0, _last_placed(self._plan.record) - _ONCE_MORE)
        self.record_to(str(self._plan.record))
        # Trading goes on when books do not come, for example in an outage.
        self.schedule(self._turn, "interval", seconds=0.25)
        self.subscribe_bookl1(list(self._markets))
        self.note("started", planned=self._plan.orders)

    def on_bookl1(self, bookl1: BookL1) -> None:
        self._books[bookl1.symbol] = bookl1
        self._turn()

    @abstractmethod
    def trade(self, market: Market, book: BookL1) -> None:
        """Place one order."""

    def _turn(self) -> None:
        now_s = time.time()
        hours = self._hours or self._learn_hours()
        if hours is None:
            return
        last_ms = hours.end_ms - _ENDING_S * 1000
        if now_s * 1000 >= last_ms:
            self._end()
            return
        for oid, (at_s, symbol) in list(self._cancel_at_s.items()):
            if now_s >= at_s:
                del self._cancel_at_s[oid]
                self.cancel(symbol, oid)
        if len(self._books) < len(self._markets) or now_s * 1000 < hours.begin_ms:
            return
        share = (now_s * 1000 - hours.begin_ms) / (last_ms - hours.begin_ms)
        due = int(self._plan.orders * min(1.0, share)) - self._placed
        for _ in range(min(due, _MOST_A_TURN)):
            self._placed += 1
            # So that a run that was begun anew fires the same signal for the same order.
            self._random.seed(f"{self._plan.seed}/{self._placed}")
            market = self._random.choice(self._plan.markets)
            self.trade(market, self._books[market.symbol])

    def _learn_hours(self) -> Hours | None:
        """Return when to trade, once that is known; the signals are scheduled then."""
        self._hours = hours = read_hours(self._plan.hours)
        for at_ms in hours.signals_ms if hours is not None else ():
            when = datetime.fromtimestamp(at_ms / 1000, UTC)
            self.schedule(self._fire, "date", run_date=when, args=(at_ms,))
        return hours

    def _end(self) -> None:
        """Cancel what rests in half the markets; the rest is left open to be compared as well."""
        if self._ended:
            return
        self._ended = True
        for symbol in list(self._markets)[: max(2, len(self._markets) // 2)]:
            for oid in sorted(self.cache.get_open_orders(symbol)):
                self.cancel(symbol, oid)
        self.note("done", placed=self._placed)

    def _fire(self, at_ms: int) -> None:
        """Fire the signal that every strategy of the demo sees: one order comes of it."""
        self.place(
            self.create_order_ws,
            SIGNAL_SYMBOL,
            OrderSide.BUY,
            OrderType.MARKET,
            self._markets[SIGNAL_SYMBOL].amount,
            account_type=self._markets[SIGNAL_SYMBOL].account,
            idempotency_key=f"{SIGNAL_KEY}{at_ms}",
            idempotency_scope="account",
        )

    def place(self, create: Callable[..., str], *args: Any, **kwargs: Any) -> str | None:
        """Return the oid of a new order, written down; None if it was refused at once."""
        # The strategy's own n-th order; a repeated call with this key is no second order.
        key = kwargs.setdefault("idempotency_key", f"{_KEY}{self._placed}")
        scope = kwargs.get("idempotency_scope", "strategy")
        t_ms = time.time_ns() / 1_000_000
        try:
            oid = create(*args, **kwargs)
            self.note("submit", oid=oid, key=key, scope=scope, submit_ms=t_ms)
            if self._random.random() < 0.3:  # the signal fires again before the first answer
                self.note("repeat", first=oid, oid=create(*args, **kwargs), key=key)
        except RouterError as error:
            self.note("refused", key=key, error=str(error))
            return None
        return oid

    def cancel(self, symbol: str, oid: str) -> None:
        """Ask to cancel, by WebSocket or REST."""
        by = self.cancel_order if self._random.random() < 0.2 else self.cancel_order_ws
        try:
            by(symbol, oid, self._markets[symbol].account)
            self.note("cancel", oid=oid)
        except RouterError as error:
            self.note("refused", oid=oid, error=str(error))

    def cancel_later(self, symbol: str, oid: str | None, after_s: float) -> None:
        """Cancel in a while."""
        if oid is not None:
            self._cancel_at_s[oid] = (time.time() + after_s, symbol)

    def side(self) -> OrderSide:
        return self._random.choice([OrderSide.BUY, OrderSide.SELL])

    def price(self, symbol: str, book: BookL1, side: OrderSide, away_bps: float) -> Decimal:
        """Return a price this far from the touch; negative crosses it."""
        share = away_bps / 10_000
        raw = book.bid * (1 - share) if side.is_buy else book.ask * (1 + share)
        return self.price_to_precision(symbol, raw)


def _last_placed(record: Path) -> int:
    """Return the number of the last order that earlier runs wrote down; 0 without one."""
    keys = (str(line.get("key", "")) for line in recorded(record))
    numbers = (int(key.removeprefix(_KEY)) for key in keys if key.startswith(_KEY))
    return max(numbers, default=0)


class Maker(Trader):
    """Quotes near the book; cancels, moves or leaves its orders, and lets some fill."""

    def __init__(self) -> None:
        super().__init__()
        self._left: deque[tuple[str, str]] = deque()

    def trade(self, market: Market, book: BookL1) -> None:
        draw, symbol = self._random.random(), market.symbol
        side = self.side()
        away_bps = 150.0 if draw < 0.15 else self._random.uniform(0.2, 4.0)
        create = self.create_order if draw > 0.88 else self.create_order_ws
        options: dict[str, Any] = {"account_type": market.account}
        if self._placed % 10 == 9:
            # The demo can lose all that the venue says of these; each run has some.
            options["client_oid"] = f"quiet{self._plan.seed}x{self._placed}"
            away_bps = 120.0
        oid = self.place(
            create,
            symbol,
            side,
            OrderType.POST_ONLY if 0.20 <= draw < 0.30 else OrderType.LIMIT,
            market.amount,
            self.price(symbol, book, side, away_bps),
            **options,
        )
        if 0.30 <= draw < 0.80:
            self.cancel_later(symbol, oid, self._random.uniform(0.0, 2.5))
            return
        self._leave(symbol, oid)
        if draw >= 0.80 and oid is not None and market.modifies:
            self._move(market, oid, self.price(symbol, book, side, away_bps + 1))

    def _leave(self, symbol: str, oid: str | None) -> None:
        """Leave an order on the book; of very many, the oldest goes."""
        if oid is not None:
            self._left.append((symbol, oid))
        if len(self._left) > _MOST_LEFT:
            symbol, oid = self._left.popleft()
            if oid in self.cache.get_open_orders(symbol):
                self.cancel(symbol, oid)

    def _move(self, market: Market, oid: str, price: Decimal) -> None:
        try:
            self.modify_order_ws(market.symbol, oid, price=price, account_type=market.account)
            self.note("modify", oid=oid)
        except RouterError as error:
            self.note("refused", oid=oid, error=str(error))


class Taker(Trader):
    """Takes by market, IOC and FOK orders and by limit orders through the book."""

    def trade(self, market: Market, book: BookL1) -> None:
        draw, side = self._random.random(), self.side()
        symbol, amount, at = market.symbol, market.amount, {"account_type": market.account}
        create = self.create_order if self._random.random() < 0.15 else self.create_order_ws
        if draw < 0.45:
            name = f"market{self._plan.seed}x{self._placed}" if draw < 0.15 else None
            self.place(create, symbol, side, OrderType.MARKET, amount, client_oid=name, **at)
            return
        if draw < 0.48:  # far outside of the venue's price limits: a rejection
            price = self.price(symbol, book, OrderSide.BUY, -3_000)
            self.place(create, symbol, OrderSide.BUY, OrderType.LIMIT, amount, price, **at)
            return
        away_bps = self._random.choice([-2.0, -1.0, 0.5])
        rule = self._random.choice([TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK])
        price = self.price(symbol, book, side, away_bps)
        oid = self.place(create, symbol, side, OrderType.LIMIT, amount, price, rule, **at)
        if rule is TimeInForce.GTC:
            self.cancel_later(symbol, oid, self._random.uniform(0.5, 3.0))

    def on_filled_order(self, order: Order) -> None:
        super().on_filled_order(order)
        # A real strategy looks at what it holds; the cache answers without a round trip.
        self.cache.get_position(order.symbol)

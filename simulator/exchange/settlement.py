"""Money: what an order ties up, and what a fill moves."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from simulator.exchange.accounts import Account
from simulator.exchange.clock import Clock
from simulator.exchange.events import Listeners
from simulator.exchange.instruments import ZERO, money
from simulator.exchange.naming import NameOf
from simulator.exchange.orders import Fill, Order
from simulator.exchange.positions import Position


@dataclass(frozen=True, slots=True)
class Fees:
    """Rates paid on the value traded."""

    spot_maker: Decimal
    spot_taker: Decimal
    swap_maker: Decimal
    swap_taker: Decimal

    def rate(self, is_spot: bool, role: Literal["maker", "taker"]) -> Decimal:
        """Return the rate of one kind of trade."""
        if is_spot:
            return self.spot_maker if role == "maker" else self.spot_taker
        return self.swap_maker if role == "maker" else self.swap_taker


class Settlement:
    """Freezes and moves balances; writes every fill to one list, which is never trimmed here."""

    def __init__(
        self, fees: Fees, clock: Clock, events: Listeners, fill_name: NameOf | None = None
    ) -> None:
        self._fees = fees
        self._fill_name = fill_name
        self._clock = clock
        self._events = events
        self.fills: deque[Fill] = deque()
        self._bill_id = clock.true_ms() * 1_000_000

    def requirement(self, order: Order, size: Decimal, price: Decimal) -> Decimal:
        """Return what ``size`` of ``order`` at ``price`` ties up in its frozen currency."""
        instrument = order.instrument
        if instrument.kind == "spot":
            return size * price if order.side == "buy" else size
        if order.reduce_only:
            return ZERO
        held = order.account.held(instrument)
        closing = -held if order.side == "buy" else held
        opening = size - closing if closing > 0 else size
        if opening <= 0:
            return ZERO
        return money(instrument.cost(opening, price) / order.account.leverage)

    def freeze(self, order: Order, amount: Decimal) -> None:
        """Set what ``order`` ties up to ``amount``."""
        if amount == order.frozen:
            return
        currency = order.frozen_currency
        balance = order.account.balance(currency)
        balance.frozen += amount - order.frozen
        balance.updated_ms = order.updated_ms
        order.frozen = amount
        self._events.balance_changed(order.account, currency)

    def release(self, order: Order) -> None:
        """Give back all that an ended order still ties up."""
        self.freeze(order, ZERO)

    def fill(
        self,
        order: Order,
        size: Decimal,
        price: Decimal,
        *,
        role: Literal["maker", "taker"],
        trade_id: int,
    ) -> tuple[Fill, Position | None]:
        """Book one fill on ``order`` and its account; return it and the position it changed."""
        now_ms = self._clock.now_ms()
        instrument = order.instrument
        self._unfreeze_share(order, size)
        order.filled += size
        order.turnover += size / price if instrument.kind == "inverse" else size * price
        order.updated_ms = now_ms
        rate = self._fees.rate(instrument.kind == "spot", role)
        self._bill_id += 1
        fill = Fill(trade_id, self._bill_id, order, price, size, ZERO, ZERO, role, now_ms)
        fill.leaves = order.leaves
        if self._fill_name is not None:
            fill.name = self._fill_name(self._bill_id, instrument)
        position = None
        if instrument.kind == "spot":
            self._settle_spot(fill, rate)
        else:
            position = self._settle_contract(fill, rate)
        order.fee += fill.fee
        order.profit += fill.profit
        order.last_fill = fill
        self.fills.append(fill)
        order.account.fills.append(fill)
        return fill, position

    def adjust_margin(self, account: Account, position: Position) -> None:
        """Tie up the margin that ``position`` needs now, at its entry price."""
        instrument = position.instrument
        need = ZERO
        if position.size:
            need = money(instrument.cost(abs(position.size), position.entry) / account.leverage)
        account.balance(instrument.settle).margin += need - position.margin
        position.margin = need

    def _unfreeze_share(self, order: Order, size: Decimal) -> None:
        if not order.frozen:
            return
        left = order.size - order.filled
        share = order.frozen if size >= left else money(order.frozen * size / left)
        order.account.balance(order.frozen_currency).frozen -= share
        order.frozen -= share

    def _settle_spot(self, fill: Fill, rate: Decimal) -> None:
        order = fill.order
        instrument = order.instrument
        base = order.account.balance(instrument.base)
        quote = order.account.balance(instrument.quote)
        value = fill.size * fill.price
        if order.side == "buy":
            fill.fee = fill.size * rate
            base.total += fill.size - fill.fee
            quote.total -= value
        else:
            fill.fee = value * rate
            base.total -= fill.size
            quote.total += value - fill.fee
        base.updated_ms = quote.updated_ms = fill.ts_ms
        self._events.balance_changed(order.account, instrument.base)
        self._events.balance_changed(order.account, instrument.quote)

    def _settle_contract(self, fill: Fill, rate: Decimal) -> Position:
        order = fill.order
        account, instrument = order.account, order.instrument
        position = account.position(instrument)
        fill.fee = instrument.cost(fill.size, fill.price) * rate
        signed = fill.size if order.side == "buy" else -fill.size
        fill.profit = position.trade(signed, fill.price)
        position.fee += fill.fee
        position.trade_id = fill.trade_id
        position.margin_word = order.margin_word
        position.stamp(fill.ts_ms)
        balance = account.balance(instrument.settle)
        balance.total += fill.profit - fill.fee
        balance.updated_ms = fill.ts_ms
        self.adjust_margin(account, position)
        self._events.balance_changed(account, instrument.settle)
        return position

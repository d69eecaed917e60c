"""User events of futures, in the order of live captures: the sheet, A5.2 to A5.5.

1. A fill tells TRADE_LITE, ACCOUNT_UPDATE, ORDER_TRADE_UPDATE, in this order, one set a match.
2. The first TRADE_LITE of an order that trades at once comes before its NEW.
3. Orders that rest or end unfilled move no balance and tell no ACCOUNT_UPDATE.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from simulator.binance.order_words import (
    STP_WORDS,
    execution_of_end,
    notional,
    side,
    status,
)
from simulator.binance.quotes import decimals, padded, price_digits
from simulator.binance.usdm.order_frames import order_type, time_in_force
from simulator.binance.user_streams import UserStream, UserStreams
from simulator.exchange.accounts import Account
from simulator.exchange.exchange import Exchange
from simulator.exchange.faults import FaultBook
from simulator.exchange.instruments import ZERO, plain
from simulator.exchange.orders import AmendNote, Fill, Order
from simulator.exchange.positions import Position
from simulator.pushes import Push
from simulator.sockets import Socket

_MONEY = Decimal("0.00000001")
# ``er``, why an order expired: the sheet, A5.3.
_STP, _IOC, _REDUCE_ONLY, _MARKET = "1", "2", "4", "9"


def money(value: Decimal) -> str:
    """Return an amount to eight places, without trailing zeros."""
    return plain(value.quantize(_MONEY))


class _Resting:
    """What rests on both sides of each account's symbols, in quote currency."""

    def __init__(self) -> None:
        self._totals: dict[tuple[str, str, str], Decimal] = {}
        self._counted: dict[str, Decimal] = {}

    def note(self, order: Order) -> None:
        """Count what rests of an order now."""
        now = notional(order) if order.is_open else ZERO
        before = self._counted.pop(order.venue_id, ZERO)
        if now:
            self._counted[order.venue_id] = now
        place = order.account.name, order.instrument.symbol, order.side
        self._totals[place] = self._totals.get(place, ZERO) + now - before

    def beside(self, order: Order) -> tuple[Decimal, Decimal]:
        """Return the bids and the asks of the order's account and symbol, the order included."""
        name, symbol = order.account.name, order.instrument.symbol
        totals = self._totals
        return totals.get((name, symbol, "buy"), ZERO), totals.get((name, symbol, "sell"), ZERO)


class FuturesEvents(UserStreams):
    """Listens to the exchange and tells what the venue tells."""

    def __init__(self, exchange: Exchange, faults: FaultBook) -> None:
        super().__init__(faults, exchange.clock)
        self._exchange = exchange
        self._resting = _Resting()
        self._told: dict[tuple[str, str], Decimal] = {}
        self._balances: dict[str, tuple[Account, dict[str, None]]] = {}
        self._positions: dict[str, tuple[Account, dict[str, Position]]] = {}
        # The last NEW told and to whom: what a TRADE_LITE of the same turn comes before.
        self._newest: tuple[Order | None, Mapping[Socket, Push]] = (None, {})

    def add(self, stream: UserStream) -> None:
        """Tell ``stream`` all later events; what the account holds now is no news to it."""
        super().add(stream)
        account = stream.account
        for currency, balance in account.balances.items():
            self._told[account.name, currency] = balance.total
        for symbol, position in account.positions.items():
            self._told[account.name, symbol] = position.size

    def order_changed(self, order: Order, fill: Fill | None, note: AmendNote | None) -> None:
        """Tell one order update, with the account's if the order traded."""
        account = order.account
        self._resting.note(order)
        if not self.has(account):
            return
        if fill is None:
            told = self.tell(account, self._update(order, None, note), order)
            is_new = note is None and order.state == "live"
            self._newest = (order, told) if is_new else (None, {})
            return
        newest, pushes = self._newest
        self.tell(account, self._trade_lite(fill), order, pushes if newest is order else None)
        self._newest = (None, {})
        self.tell(account, self._traded(order), order)
        self.tell(account, self._update(order, fill, note), order)

    def balance_changed(self, account: Account, currency: str) -> None:
        """Note that a balance may have changed by something else than a trade."""
        if self.has(account):
            self._balances.setdefault(account.name, (account, {}))[1][currency] = None
            self.pushes.wake()

    def position_changed(self, account: Account, position: Position) -> None:
        """Note that a position may have changed by something else than a trade."""
        if self.has(account):
            held = self._positions.setdefault(account.name, (account, {}))[1]
            held[position.instrument.symbol] = position
            self.pushes.wake()

    def gathered(self) -> None:
        """Tell the balances and positions of this turn that no trade's event has told."""
        self._newest = (None, {})
        balances, self._balances = self._balances, {}
        positions, self._positions = self._positions, {}
        for name in {**balances, **positions}:
            account = (balances.get(name) or positions[name])[0]
            changed = [
                currency
                for currency in balances.get(name, (account, {}))[1]
                if self._is_news(account, currency, account.balance(currency).total)
            ]
            held = [
                position
                for symbol, position in positions.get(name, (account, {}))[1].items()
                if self._is_news(account, symbol, position.size)
            ]
            if changed or held:
                self.tell(account, self._account(account, changed, held, "ADJUSTMENT"))

    def _is_news(self, account: Account, what: str, now: Decimal) -> bool:
        """Return whether ``now`` differs from what was last told."""
        before = self._told.get((account.name, what), ZERO)
        self._told[account.name, what] = now
        return before != now

    def _update(self, order: Order, fill: Fill | None, note: AmendNote | None) -> dict[str, Any]:
        state, kind, instrument = status(order), order_type(order), order.instrument
        bids, asks = self._resting.beside(order)
        shown: dict[str, Any] = {
            "s": instrument.symbol,
            "c": order.client_id,
            "S": side(order),
            "o": kind,
            "f": time_in_force(order),
            "q": plain(order.size),
            "p": plain(order.price or ZERO),
            "ap": plain(order.average),
            "sp": "0",
            "x": _execution(order, fill, note),
            "X": state,
            "i": int(order.venue_id),
            "l": plain(fill.size) if fill is not None else "0",
            "z": plain(order.filled),
            "L": plain(fill.price) if fill is not None else "0",
            "n": money(fill.fee) if fill is not None else "0",
            "N": instrument.settle,
            "T": order.updated_ms,
            "t": fill.trade_id if fill is not None else 0,
            "b": plain(bids),
            "a": plain(asks),
            "m": fill is not None and fill.role == "maker",
            "R": order.reduce_only,
            "wt": "CONTRACT_PRICE",
            "ot": kind,
            "ps": "BOTH",
            "cp": False,
            "rp": money(fill.profit) if fill is not None else "0",
            "pP": False,
            "si": 0,
            "ss": 0,
            "V": STP_WORDS[order.stp],
            "pm": order.target_word or "NONE",
            "gtd": order.expires_ms,
            "er": _expiry_reason(order),
        }
        if note is not None and note.request_id:
            shown["M"] = note.request_id
        return {"e": "ORDER_TRADE_UPDATE", **self._times(order.updated_ms), "o": shown}

    def _trade_lite(self, fill: Fill) -> dict[str, Any]:
        order = fill.order
        tick, lot = price_digits(order.instrument), decimals(order.instrument.lot)
        return {
            "e": "TRADE_LITE",
            "E": self.clock.now_ms(),
            "T": fill.ts_ms,
            "s": order.instrument.symbol,
            "q": padded(order.size, lot),
            "p": padded(order.price or ZERO, tick),
            "m": fill.role == "maker",
            "c": order.client_id,
            "S": side(order),
            "L": padded(fill.price, tick),
            "l": padded(fill.size, lot),
            "t": fill.trade_id,
            "i": int(order.venue_id),
        }

    def _traded(self, order: Order) -> dict[str, Any]:
        account, instrument = order.account, order.instrument
        position = account.position(instrument)
        self._is_news(account, instrument.settle, account.balance(instrument.settle).total)
        self._is_news(account, instrument.symbol, position.size)
        return self._account(account, [instrument.settle], [position], "ORDER")

    def _account(
        self, account: Account, currencies: list[str], positions: list[Position], reason: str
    ) -> dict[str, Any]:
        wallets = [(name, money(account.balance(name).total)) for name in currencies]
        shown = {
            "B": [{"a": name, "wb": total, "cw": total, "bc": "0"} for name, total in wallets],
            "P": [self._position(position) for position in positions],
            "m": reason,
        }
        return {"e": "ACCOUNT_UPDATE", **self._times(self.clock.now_ms()), "a": shown}

    def _position(self, position: Position) -> dict[str, str]:
        instrument = position.instrument
        mark = self._exchange.books[instrument.symbol].mid
        open_profit = ZERO
        if position.size:
            open_profit = instrument.profit(position.size, position.entry, mark)
        entry = money(position.entry)
        return {
            "s": instrument.symbol,
            "pa": plain(position.size),
            "ep": entry,
            "cr": money(position.realized),
            "up": money(open_profit),
            "mt": "cross",
            "iw": "0",
            "ps": "BOTH",
            "ma": instrument.settle,
            "bep": entry,
        }

    def _times(self, transaction_ms: int) -> dict[str, int]:
        return {"T": transaction_ms, "E": self.clock.now_ms()}


def _execution(order: Order, fill: Fill | None, note: AmendNote | None) -> str:
    if fill is not None:
        return "TRADE"
    if not order.is_open:
        return execution_of_end(order)
    return "AMENDMENT" if note is not None else "NEW"


def _expiry_reason(order: Order) -> str:
    if order.cancel_source == "self_trade":
        return _STP
    if order.cancel_source == "reduce_only":
        return _REDUCE_ONLY
    if order.cancel_source == "ioc":
        return _MARKET if order.kind == "market" else _IOC
    return "0"

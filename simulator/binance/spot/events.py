"""User events of spot: executionReport, outboundAccountPosition, balanceUpdate.

1. A cancel's report bears the cancel's id in ``c`` and the order's own in ``C``.
2. Balances that changed within one turn of the loop are told once, after the reports.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from simulator.binance.limits import Limits
from simulator.binance.order_words import STP_WORDS, fresh_client_id, side
from simulator.binance.spot.order_frames import (
    amount,
    expiry_reason,
    order_type,
    quote_quantity,
    status,
    time_in_force,
)
from simulator.binance.user_streams import UserStreams
from simulator.exchange.accounts import Account
from simulator.exchange.exchange import Exchange
from simulator.exchange.faults import FaultBook
from simulator.exchange.instruments import ZERO
from simulator.exchange.orders import AmendNote, Fill, Order
from simulator.exchange.positions import Position

_NO_TRADE = -1
_NOTHING = amount(ZERO)


class SpotEvents(UserStreams):
    """Listens to the exchange and tells what the venue tells."""

    def __init__(self, exchange: Exchange, faults: FaultBook, limits: Limits) -> None:
        super().__init__(faults, exchange.clock)
        self._limits = limits
        self._balances: dict[str, tuple[Account, dict[str, None]]] = {}
        self._execution = exchange.clock.true_ms()

    def order_changed(self, order: Order, fill: Fill | None, note: AmendNote | None) -> None:
        """Tell one order update."""
        if fill is not None and order.filled == fill.size:
            # The first fill gives the order's place in the count back: the sheet, part B.
            self._limits.give_back(order.account.name, self.clock.now_ms())
        if self.has(order.account):
            self.tell(order.account, self._report(order, fill), order)

    def balance_changed(self, account: Account, currency: str) -> None:
        """Note that a balance is to be told."""
        if self.has(account):
            self._balances.setdefault(account.name, (account, {}))[1][currency] = None
            self.pushes.wake()

    def position_changed(self, account: Account, position: Position) -> None:
        """Do nothing: spot has no positions."""

    def gathered(self) -> None:
        """Tell the balances that changed within this turn."""
        balances, self._balances = self._balances, {}
        for account, currencies in balances.values():
            self.tell(account, self._position(account, list(currencies)))

    def _report(self, order: Order, fill: Fill | None) -> dict[str, Any]:
        client_id, original, state = order.client_id, "", status(order)
        if state == "CANCELED":
            client_id, original = self.cancel_id or fresh_client_id(), order.client_id
        self._execution += 1
        report: dict[str, Any] = {
            "e": "executionReport",
            "E": self.clock.now_ms(),
            "s": order.instrument.symbol,
            "c": client_id,
            "S": side(order),
            "o": order_type(order),
            "f": time_in_force(order),
            "q": amount(order.size),
            "p": amount(order.price or ZERO),
            "P": _NOTHING,
            "F": _NOTHING,
            "g": -1,
            "C": original,
            "x": _execution(state, fill),
            "X": state,
            "r": "NONE",
            "i": int(order.venue_id),
            "l": amount(fill.size) if fill is not None else _NOTHING,
            "z": amount(order.filled),
            "L": amount(fill.price) if fill is not None else _NOTHING,
            "n": amount(fill.fee) if fill is not None else "0",
            "N": order.fee_currency if fill is not None else None,
            "T": order.updated_ms,
            "t": fill.trade_id if fill is not None else _NO_TRADE,
            "I": self._execution,
            "w": order.is_open and order.kind in ("limit", "post_only"),
            "m": fill is not None and fill.role == "maker",
            "M": False,
            "O": order.created_ms,
            "Z": amount(order.turnover),
            "Y": amount(fill.size * fill.price) if fill is not None else _NOTHING,
            "Q": amount(quote_quantity(order)) if order.target_word else _NOTHING,
            "W": order.created_ms,
            "V": STP_WORDS[order.stp],
        }
        if state == "EXPIRED":
            report["eR"] = expiry_reason(order)
        return report

    def _position(self, account: Account, currencies: list[str]) -> dict[str, Any]:
        rows = []
        for asset in currencies:
            balance = account.balance(asset)
            free: Decimal = balance.available
            rows.append({"a": asset, "f": amount(free), "l": amount(balance.frozen)})
        now_ms = self.clock.now_ms()
        return {"e": "outboundAccountPosition", "E": now_ms, "u": now_ms, "B": rows}


def _execution(state: str, fill: Fill | None) -> str:
    if fill is not None:
        return "TRADE"
    return "TRADE_PREVENTION" if state == "EXPIRED_IN_MATCH" else state

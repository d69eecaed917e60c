"""Positions and the wallet as queries and pushes show them: the sheet, 4.5 and 4.6."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from simulator.bybit.listing import name_of
from simulator.bybit.order_frames import money
from simulator.exchange.accounts import Account
from simulator.exchange.exchange import Exchange
from simulator.exchange.instruments import ONE, ZERO, Instrument, plain
from simulator.exchange.positions import Position, PositionState

# One unified account has one currency of account.
_DOLLARS = frozenset(("USDT", "USD", "USDC"))


class AccountFrames:
    """Makes the rows; prices come from the exchange's books."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def position(self, account: Account, position: Position, now: PositionState) -> dict[str, Any]:
        """Return a position as position/list shows it, as it is or as it was."""
        instrument, size = position.instrument, now.size
        mark = self._mark(instrument)
        margin = instrument.cost(abs(size), mark) / account.leverage if size else ZERO
        gain = instrument.profit(size, now.entry, mark) if size else ZERO
        return {
            "positionIdx": 0,
            "riskId": 1,
            "riskLimitValue": "2000000",
            "symbol": name_of(instrument),
            "side": "Buy" if size > 0 else "Sell" if size < 0 else "",
            "size": plain(abs(size)),
            "avgPrice": money(now.entry),
            "positionValue": money(instrument.cost(abs(size), now.entry)) if size else "",
            "tradeMode": 0,
            "positionStatus": "Normal",
            "autoAddMargin": 0,
            "adlRankIndicator": 2 if size else 0,
            "leverage": plain(account.leverage),
            "positionBalance": money(margin),
            "markPrice": plain(mark),
            "liqPrice": "",
            "bustPrice": "",
            "breakEvenPrice": money(now.entry) if size else "",
            "positionIM": money(margin) if size else "",
            "positionMM": money(margin / 10) if size else "",
            "tpslMode": "Full",
            "takeProfit": "",
            "stopLoss": "",
            "trailingStop": "0",
            "unrealisedPnl": money(gain) if size else "",
            "curRealisedPnl": money(now.realized - position.fee),
            "cumRealisedPnl": money(now.realized - position.fee),
            "isReduceOnly": False,
            "mmrSysUpdatedTime": "",
            "leverageSysUpdatedTime": "",
            "seq": position.trade_id,
            "createdTime": str(position.created_ms),
            "updatedTime": str(now.ts_ms),
        }

    def position_pushed(self, account: Account, position: Position) -> dict[str, Any]:
        """Return a position as the topic shows it: its entry has another name there."""
        row = self.position(account, position, current(position))
        row["entryPrice"] = row.pop("avgPrice")
        return {"category": position.instrument.kind, **row}

    def wallet(self, account: Account, currencies: Iterable[str]) -> dict[str, Any]:
        """Return the account with its totals and these currencies."""
        gains = self._gains(account)
        totals = {"wallet": ZERO, "equity": ZERO, "free": ZERO, "orders": ZERO, "margin": ZERO}
        for name, balance in account.balances.items():
            worth = self._dollars(name)
            totals["wallet"] += balance.total * worth
            totals["equity"] += (balance.total + gains.get(name, ZERO)) * worth
            totals["free"] += balance.available * worth
            totals["orders"] += balance.frozen * worth
            totals["margin"] += balance.margin * worth
        initial = totals["orders"] + totals["margin"]
        rate = initial / totals["equity"] if totals["equity"] else ZERO
        return {
            "accountType": "UNIFIED",
            "accountLTV": "0",
            "accountIMRate": money(rate),
            "accountMMRate": money(rate / 10),
            "totalEquity": money(totals["equity"]),
            "totalWalletBalance": money(totals["wallet"]),
            "totalMarginBalance": money(totals["equity"]),
            "totalAvailableBalance": money(totals["free"]),
            "totalPerpUPL": money(totals["equity"] - totals["wallet"]),
            "totalInitialMargin": money(initial),
            "totalMaintenanceMargin": money(totals["margin"] / 10),
            "coin": [self._coin(account, name, gains.get(name, ZERO)) for name in currencies],
        }

    def _coin(self, account: Account, name: str, gain: Decimal) -> dict[str, Any]:
        balance = account.balance(name)
        spot = self._locked(account, name)
        return {
            "coin": name,
            "equity": money(balance.total + gain),
            "usdValue": money((balance.total + gain) * self._dollars(name)),
            "walletBalance": money(balance.total),
            # What spot orders tie up is locked; what contracts tie up is margin of orders.
            "locked": money(spot),
            "spotHedgingQty": "0",
            "borrowAmount": "0",
            "spotBorrow": "0",
            "availableToWithdraw": "",
            "accruedInterest": "0",
            "totalOrderIM": money(balance.frozen - spot),
            "totalPositionIM": money(balance.margin),
            "totalPositionMM": money(balance.margin / 10),
            "unrealisedPnl": money(gain),
            "cumRealisedPnl": "0",
            "bonus": "0",
            "collateralSwitch": True,
            "marginCollateral": True,
        }

    def _locked(self, account: Account, name: str) -> Decimal:
        """Return what spot orders tie up of a currency."""
        books = self._exchange.books
        kinds = {books[symbol].instrument.is_spot for symbol, n in account.open_count.items() if n}
        if len(kinds) < 2:
            return account.balance(name).frozen if True in kinds else ZERO
        ties = (
            order.frozen
            for order in account.open.values()
            if order.instrument.is_spot and order.frozen_currency == name
        )
        return sum(ties, ZERO)

    def _gains(self, account: Account) -> dict[str, Decimal]:
        gains: dict[str, Decimal] = {}
        for position in account.positions.values():
            instrument = position.instrument
            if position.size:
                gain = instrument.profit(position.size, position.entry, self._mark(instrument))
                gains[instrument.settle] = gains.get(instrument.settle, ZERO) + gain
        return gains

    def _mark(self, instrument: Instrument) -> Decimal:
        return self._exchange.books[instrument.symbol].mid

    def _dollars(self, currency: str) -> Decimal:
        if currency in _DOLLARS:
            return ONE
        for book in self._exchange.books.values():
            if book.instrument.base == currency:
                return book.mid
        return ZERO


def current(position: Position) -> PositionState:
    """Return the position's present state."""
    return PositionState(position.updated_ms, position.size, position.entry, position.realized)

"""Balances and positions as Bitget shows them: in pushes, and in replies to queries.

Source: pushes and replies recorded in 2025-09 (roq).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from simulator.bitget.listing import Listing, category, wire_symbol
from simulator.bitget.order_frames import ONE_WAY, margin_mode
from simulator.exchange.accounts import Account
from simulator.exchange.instruments import ZERO, plain
from simulator.exchange.positions import Position, PositionState

_RATE = Decimal("0.00000001")


def pushed_account(account: Account, listing: Listing) -> dict[str, Any]:
    """Return the one item of the account channel: the whole account."""
    coins = [
        _coin(account, name, listing) | {"borrow": "0", "debts": "0"} for name in account.balances
    ]
    total = sum((Decimal(coin["usdValue"]) for coin in coins), ZERO)
    return {
        "totalEquity": plain(total),
        "effEquity": plain(total),
        "mmr": "0",
        "imr": plain(_margin(account, listing)),
        "mgnRatio": "0",
        "positionMgnRatio": "0",
        "unrealisedPnL": plain(_open_profit(account, listing)),
        "coin": coins,
    }


def shown_assets(account: Account, listing: Listing) -> dict[str, Any]:
    """Return the account as account/assets shows it; only what is not zero is in the list."""
    coins = [
        _coin(account, name, listing) | {"debt": "0"}
        for name, balance in account.balances.items()
        if balance.total or balance.frozen
    ]
    total = sum((Decimal(coin["usdValue"]) for coin in coins), ZERO)
    in_btc = total / (listing.usd("BTC") or Decimal(1))
    profit = plain(_open_profit(account, listing))
    return {
        "accountEquity": plain(total),
        "usdtEquity": plain(total),
        "btcEquity": plain(in_btc.quantize(_RATE)),
        "unrealisedPnl": profit,
        "usdtUnrealisedPnl": profit,
        "btcUnrealizedPnl": "0",
        "effEquity": plain(total),
        "mmr": "0",
        "imr": plain(_margin(account, listing)),
        "mgnRatio": "0",
        "positionMgnRatio": "0",
        "assets": coins,
    }


def pushed_position(account: Account, position: Position, listing: Listing) -> dict[str, Any]:
    """Return an item of the position channel; a flat position is shown once, as ended."""
    size = position.size
    state = PositionState(position.updated_ms, size, position.entry, position.realized)
    return _held(account, position, state, listing) | {
        "marginSize": plain(position.margin),
        "size": plain(abs(size)),
        "liqPrice": "",
        "totalFundingFee": "0",
        "positionStatus": "opening" if size else "ended",
    }


def shown_position(
    account: Account, position: Position, state: PositionState, listing: Listing
) -> dict[str, Any]:
    """Return a position, as it was in ``state``, as position/current-position shows it."""
    return _held(account, position, state, listing) | {
        "category": category(position.instrument).upper(),
        "positionBalance": plain(position.margin),
        "total": plain(abs(state.size)),
        "liquidationPrice": "0",
        "totalFunding": "0",
        "positionStatus": "normal",
    }


def _held(
    account: Account, position: Position, state: PositionState, listing: Listing
) -> dict[str, Any]:
    instrument, mark = position.instrument, listing.mark(position.instrument)
    profit = instrument.profit(state.size, state.entry, mark) if state.size else ZERO
    rate = profit / position.margin if position.margin else ZERO
    size = plain(abs(state.size))
    return {
        "symbol": wire_symbol(instrument),
        "marginCoin": instrument.settle,
        "marginMode": margin_mode(position.margin_word),
        "holdMode": ONE_WAY,
        "posSide": "short" if state.size < 0 else "long",
        "available": size,
        "frozen": "0",
        "avgPrice": plain(state.entry),
        "leverage": plain(account.leverage),
        "curRealisedPnl": plain(state.realized),
        "unrealisedPnl": plain(profit),
        "mmr": "0.004",
        "markPrice": plain(mark),
        "breakEvenPrice": plain(state.entry),
        "profitRate": plain(rate.quantize(_RATE)),
        "openFeeTotal": plain(-position.fee),
        "closeFeeTotal": "0",
        "createdTime": str(position.created_ms),
        "updatedTime": str(state.ts_ms),
    }


def _coin(account: Account, name: str, listing: Listing) -> dict[str, Any]:
    balance = account.balances[name]
    equity = balance.total + _open_profit(account, listing, name)
    return {
        "coin": name,
        "balance": plain(balance.total),
        "locked": plain(balance.frozen),
        "equity": plain(equity),
        "usdValue": plain(equity * listing.usd(name)),
        "available": plain(balance.available),
    }


def _open_profit(account: Account, listing: Listing, currency: str = "") -> Decimal:
    """Return what the open positions that settle in ``currency`` ("" = any) have gained."""
    return sum(
        (
            one.instrument.profit(one.size, one.entry, listing.mark(one.instrument))
            for one in account.positions.values()
            if one.size and currency in ("", one.instrument.settle)
        ),
        ZERO,
    )


def _margin(account: Account, listing: Listing) -> Decimal:
    return sum(
        (balance.margin * listing.usd(name) for name, balance in account.balances.items()), ZERO
    )

"""Balances and positions in OKX's words, for REST and for the channels alike.

Key sets: OKX v5 documents, "Account channel" and "Positions channel", read 2026-07.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from simulator.exchange.accounts import Account
from simulator.exchange.instruments import ZERO, Instrument, plain
from simulator.exchange.positions import Position, PositionState

Price = Callable[[str], Decimal]

_DETAIL_ZEROS = (
    "uplLiab isoEq isoLiab isoUpl liab crossLiab interest maxLoan borrowFroz fixedBal rewardBal "
    "smtSyncEq spotCopyTradingEq spotIsoBal stgyEq twap frpType colRes colBorrAutoConversion"
)
_DETAIL_EMPTY = (
    "imr mmr mgnRatio notionalLever spotInUseAmt clSpotInUseAmt maxSpotInUseAmt spotBal openAvgPx "
    "accAvgPx spotUpl spotUplRatio totalPnl totalPnlRatio"
)
_ACCOUNT_ZEROS = (
    "borrowFroz delta deltaLever deltaNeutralStatus imr isoEq mmr notionalUsdForBorrow "
    "notionalUsdForFutures notionalUsdForOption notionalUsdForSwap notionalUsd upl"
)
_POSITION_ZEROS = "fundingFee interest liqPenalty pendingCloseOrdLiabVal"
_POSITION_EMPTY = (
    "baseBorrowed baseInterest bizRefId bizRefType clSpotInUseAmt deltaBS deltaPA gammaBS gammaPA "
    "hedgedPos liab liabCcy liqPx margin maxSpotInUseAmt mgnRatio nonSettleAvgPx optVal posCcy "
    "quoteBorrowed quoteInterest settledPnl spotInUseAmt spotInUseCcy thetaBS thetaPA usdPx vegaBS "
    "vegaPA"
)
_DETAIL = {
    **dict.fromkeys(_DETAIL_ZEROS.split(), "0"),
    **dict.fromkeys(_DETAIL_EMPTY.split(), ""),
    "collateralEnabled": False,
    "collateralRestrict": False,
}
_ACCOUNT = dict.fromkeys(_ACCOUNT_ZEROS.split(), "0")
_POSITION = {
    **dict.fromkeys(_POSITION_EMPTY.split(), ""),
    **dict.fromkeys(_POSITION_ZEROS.split(), "0"),
    "adl": "1",
    "closeOrderAlgo": [],
}


def profit_open(position: Position, state: PositionState, mark: Decimal) -> Decimal:
    """Return the unrealized profit of a position at ``mark``."""
    if not state.size:
        return ZERO
    return position.instrument.profit(state.size, state.entry, mark)


def current(position: Position) -> PositionState:
    """Return the position's present state."""
    return PositionState(position.updated_ms, position.size, position.entry, position.realized)


def detail_item(account: Account, currency: str, usd: Decimal, upl: Decimal) -> dict[str, Any]:
    """Return one currency of an account."""
    balance = account.balance(currency)
    equity = balance.total + upl
    tied = balance.frozen + balance.margin
    value = plain(equity * usd)
    return {
        **_DETAIL,
        "ccy": currency,
        "eq": plain(equity),
        "cashBal": plain(balance.total),
        "availBal": plain(balance.available),
        "availEq": plain(balance.available),
        "frozenBal": plain(tied),
        "ordFrozen": plain(balance.frozen),
        "eqUsd": value,
        "disEq": value,
        "coinUsdPrice": plain(usd),
        "upl": plain(upl),
        "uTime": str(balance.updated_ms),
    }


def account_item(
    account: Account, currencies: Iterable[str], price: Price, now_ms: int, mark: Price
) -> dict[str, Any]:
    """Return the account with the details of ``currencies``.

    ``price`` gives a currency in USD, ``mark`` an instrument's mark price.
    """
    upl: dict[str, Decimal] = {}
    for position in account.positions.values():
        settle = position.instrument.settle
        gain = profit_open(position, current(position), mark(position.instrument.symbol))
        upl[settle] = upl.get(settle, ZERO) + gain
    details = [detail_item(account, name, price(name), upl.get(name, ZERO)) for name in currencies]
    total = sum(
        (
            (balance.total + upl.get(name, ZERO)) * price(name)
            for name, balance in account.balances.items()
        ),
        ZERO,
    )
    return {
        **_ACCOUNT,
        "adjEq": plain(total),
        "availEq": plain(total),
        "mgnRatio": "",
        "ordFroz": "0",
        "totalEq": plain(total),
        "uTime": str(now_ms),
        "details": details,
    }


def shown_currencies(account: Account) -> list[str]:
    """Return the currencies that a snapshot names: those not zero."""
    return [name for name, balance in account.balances.items() if balance.total or balance.frozen]


def position_item(
    account: Account, position: Position, mark: Decimal, now_ms: int, state: PositionState
) -> dict[str, Any]:
    """Return a position in net mode: ``pos`` is signed."""
    instrument = position.instrument
    size = state.size
    upl = profit_open(position, state, mark)
    margin = instrument.cost(abs(size), mark) / account.leverage if size else ZERO
    ratio = plain((upl / margin).quantize(Decimal("0.000001"))) if margin else ""
    return {
        **_POSITION,
        "availPos": plain(size),
        "avgPx": plain(state.entry) if size else "",
        "bePx": plain(state.entry) if size else "",
        "cTime": str(position.created_ms),
        "ccy": instrument.settle,
        "fee": plain(-position.fee),
        "idxPx": plain(mark),
        "imr": plain(margin),
        "instId": instrument.symbol,
        "instType": "SWAP",
        "last": plain(mark),
        "lever": plain(account.leverage),
        "markPx": plain(mark),
        "mgnMode": position.margin_word,
        "mmr": plain(margin / 10),
        "notionalUsd": plain(_notional(instrument, size, mark)),
        "pTime": str(now_ms),
        "pnl": plain(state.realized),
        "pos": plain(size),
        "posId": position.position_id,
        "posSide": "net",
        "realizedPnl": plain(state.realized - position.fee),
        "tradeId": str(position.trade_id) if position.trade_id else "",
        "uTime": str(state.ts_ms),
        "upl": plain(upl),
        "uplLastPx": plain(upl),
        "uplRatio": ratio,
        "uplRatioLastPx": ratio,
    }


def _notional(instrument: Instrument, size: Decimal, mark: Decimal) -> Decimal:
    contracts = abs(size) * instrument.contract_size
    return contracts * mark if instrument.kind == "linear" else contracts


def brief_position(position: Position) -> dict[str, Any]:
    """Return a position as balance_and_position shows it."""
    return {
        "posId": position.position_id,
        "tradeId": str(position.trade_id) if position.trade_id else "",
        "instId": position.instrument.symbol,
        "instType": "SWAP",
        "mgnMode": position.margin_word,
        "posSide": "net",
        "pos": plain(position.size),
        "ccy": position.instrument.settle,
        "posCcy": "",
        "avgPx": plain(position.entry) if position.size else "",
        "nonSettleAvgPx": "",
        "settledPnl": "",
        "uTime": str(position.updated_ms),
    }


def brief_balance(account: Account, currency: str) -> dict[str, Any]:
    """Return a balance as balance_and_position shows it."""
    balance = account.balance(currency)
    return {
        "ccy": currency,
        "cashBal": plain(balance.total),
        "uTime": str(balance.updated_ms),
    }

"""Balances, positions and settings of a futures account: the sheet, A6.3."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from simulator.binance.codes import Problem
from simulator.binance.listen_keys import ListenKey
from simulator.binance.lookups import stale_ms
from simulator.binance.params import flag, integer, required
from simulator.binance.quotes import padded
from simulator.binance.venue import Call
from simulator.exchange.accounts import Account
from simulator.exchange.instruments import ZERO, Instrument
from simulator.exchange.positions import Position, PositionState

_DIGITS = 8
_MAINTENANCE = Decimal("0.1")
_CLOSED = 1000


def balances(call: Call) -> list[dict[str, Any]]:
    """Return each asset's balance."""
    account = call.owner
    rows = []
    for asset, balance in account.balances.items():
        free = padded(balance.available, _DIGITS)
        rows.append(
            {
                "accountAlias": account.uid[-6:],
                "asset": asset,
                "balance": padded(balance.total, _DIGITS),
                "crossWalletBalance": padded(balance.total, _DIGITS),
                "crossUnPnl": padded(_open_profit(call, asset), _DIGITS),
                "availableBalance": free,
                "maxWithdrawAmount": free,
                "marginAvailable": True,
                "updateTime": balance.updated_ms,
            }
        )
    return rows


def positions(call: Call) -> list[dict[str, Any]]:
    """Return the symbols with a position or an open order, as of now or of a stale past."""
    then_ms = stale_ms(call)
    symbol = call.given.get("symbol", "")
    rows = []
    for book in call.venue.exchange.books.values():
        instrument = book.instrument
        if symbol not in ("", instrument.symbol):
            continue
        state, position = _state(call.owner, instrument, then_ms)
        if state.size or call.owner.open_count.get(instrument.symbol):
            rows.append(_position(call, instrument, state, position))
    return rows


def status(call: Call) -> dict[str, Any]:
    """Return the whole account."""
    account = call.owner
    assets = [_asset(call, asset) for asset in account.balances]
    held = [row for row in positions(call) if Decimal(row["positionAmt"])]
    # Totals speak of USDT alone while an account is in single-asset mode.
    own = next((row for row in assets if row["asset"] == "USDT"), {})
    shown = {total: own.get(name, padded(ZERO, _DIGITS)) for total, name in _TOTALS}
    return shown | {"assets": assets, "positions": [_brief(row) for row in held]}


def position_mode(call: Call) -> dict[str, Any]:
    """Return that positions are one-way."""
    return {"dualSidePosition": False}


def set_position_mode(call: Call) -> dict[str, Any]:
    """Accept the mode that is set already; the hedge mode is not served here."""
    required(call.given, "dualSidePosition")
    if flag(call.given, "dualSidePosition"):
        raise Problem(-4531)
    return {"code": 200, "msg": "success"}


def symbol_config(call: Call) -> list[dict[str, Any]]:
    """Return leverage and margin type of each symbol."""
    symbol = call.given.get("symbol", "")
    return [
        {
            "symbol": name,
            "marginType": "CROSSED",
            "isAutoAddMargin": False,
            "leverage": int(call.owner.leverage),
            "maxNotionalValue": "1000000",
        }
        for name in call.venue.exchange.books
        if symbol in ("", name)
    ]


def leverage_brackets(call: Call) -> list[dict[str, Any]]:
    """Return one bracket for each symbol."""
    bracket = {
        "bracket": 1,
        "initialLeverage": 125,
        "notionalCap": 100_000_000,
        "notionalFloor": 0,
        "maintMarginRatio": 0.004,
        "cum": 0.0,
    }
    return [{"symbol": name, "brackets": [bracket]} for name in call.venue.exchange.books]


def order_limits(call: Call) -> list[dict[str, Any]]:
    """Return the limits of orders."""
    return [one.as_json() for one in call.venue.limits.orders]


def start_stream(call: Call) -> dict[str, Any]:
    """Return the account's listen key, good for its full time again."""
    return {"listenKey": call.venue.keys.start(call.owner).key}


def keep_stream(call: Call) -> dict[str, Any]:
    """Renew the listen key."""
    return {"listenKey": call.venue.keys.keep(call.owner).key}


def stop_stream(call: Call) -> dict[str, Any]:
    """Kill the listen key and close what listens to it, whoever it is."""
    stopped = call.venue.keys.stop(call.owner)
    if stopped is not None:
        _close(call, stopped)
    return {}


def count_down(call: Call) -> dict[str, Any]:
    """Start, renew or (0) stop the countdown that cancels a symbol's orders."""
    countdown_ms = integer(call.given, "countdownTime")
    if countdown_ms is None:
        raise Problem(-1102, "countdownTime")
    symbol = call.instrument.symbol
    call.venue.countdown.set(call.owner, symbol, countdown_ms)
    return {"symbol": symbol, "countdownTime": str(countdown_ms)}


def _close(call: Call, key: ListenKey) -> None:
    users = call.venue.users
    for stream in users.of(key.account.name):
        users.remove(stream)
        stream.socket.hang_up(_CLOSED)


def _state(
    account: Account, instrument: Instrument, then_ms: int | None
) -> tuple[PositionState, Position | None]:
    position = account.positions.get(instrument.symbol)
    if position is None:
        return PositionState(0, ZERO, ZERO, ZERO), None
    if then_ms is not None:
        return position.as_of(then_ms), position
    now = PositionState(position.updated_ms, position.size, position.entry, position.realized)
    return now, position


def _position(
    call: Call, instrument: Instrument, state: PositionState, position: Position | None
) -> dict[str, Any]:
    mark = call.venue.exchange.books[instrument.symbol].mid
    gain = instrument.profit(state.size, state.entry, mark) if state.size else ZERO
    margin = position.margin if position is not None and state.size else ZERO
    resting = _resting(call.owner, instrument)
    entry = padded(state.entry, _DIGITS)
    return {
        "symbol": instrument.symbol,
        "positionSide": "BOTH",
        "positionAmt": f"{state.size.normalize():f}" if state.size else "0",
        "entryPrice": entry,
        "breakEvenPrice": entry,
        "markPrice": padded(mark, _DIGITS),
        "unRealizedProfit": padded(gain, _DIGITS),
        "liquidationPrice": "0",
        "isolatedMargin": "0",
        "notional": padded(state.size * mark, _DIGITS),
        "marginAsset": instrument.settle,
        "isolatedWallet": "0",
        "initialMargin": padded(margin + resting, _DIGITS),
        "maintMargin": padded(margin * _MAINTENANCE, _DIGITS),
        "positionInitialMargin": padded(margin, _DIGITS),
        "openOrderInitialMargin": padded(resting, _DIGITS),
        "adl": 1,
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": state.ts_ms,
    }


def _resting(account: Account, instrument: Instrument) -> Decimal:
    """Return what the open orders of one symbol tie up."""
    return sum(
        (order.frozen for order in account.open.values() if order.instrument is instrument), ZERO
    )


_TOTALS = (
    ("totalInitialMargin", "initialMargin"),
    ("totalMaintMargin", "maintMargin"),
    ("totalWalletBalance", "walletBalance"),
    ("totalUnrealizedProfit", "unrealizedProfit"),
    ("totalMarginBalance", "marginBalance"),
    ("totalPositionInitialMargin", "positionInitialMargin"),
    ("totalOpenOrderInitialMargin", "openOrderInitialMargin"),
    ("totalCrossWalletBalance", "crossWalletBalance"),
    ("totalCrossUnPnl", "crossUnPnl"),
    ("availableBalance", "availableBalance"),
    ("maxWithdrawAmount", "maxWithdrawAmount"),
)


def _asset(call: Call, asset: str) -> dict[str, Any]:
    balance, gain = call.owner.balances[asset], _open_profit(call, asset)
    values = {
        "walletBalance": balance.total,
        "unrealizedProfit": gain,
        "marginBalance": balance.total + gain,
        "maintMargin": balance.margin * _MAINTENANCE,
        "initialMargin": balance.margin + balance.frozen,
        "positionInitialMargin": balance.margin,
        "openOrderInitialMargin": balance.frozen,
        "crossWalletBalance": balance.total,
        "crossUnPnl": gain,
        "availableBalance": balance.available,
        "maxWithdrawAmount": balance.available,
    }
    shown = {name: padded(value, _DIGITS) for name, value in values.items()}
    return {"asset": asset, **shown, "updateTime": balance.updated_ms}


def _open_profit(call: Call, asset: str) -> Decimal:
    total = ZERO
    for position in call.owner.positions.values():
        instrument = position.instrument
        if position.size and instrument.settle == asset:
            mark = call.venue.exchange.books[instrument.symbol].mid
            total += instrument.profit(position.size, position.entry, mark)
    return total


def _brief(row: dict[str, Any]) -> dict[str, Any]:
    """Return a position as the account shows it."""
    names = ("symbol", "positionSide", "positionAmt", "isolatedMargin", "notional")
    more = ("isolatedWallet", "initialMargin", "maintMargin", "updateTime")
    shown = {name: row[name] for name in (*names, *more)}
    return shown | {"unrealizedProfit": row["unRealizedProfit"]}

"""Queries of spot, and user data on the trading socket: the sheet, part B."""

from __future__ import annotations

from typing import Any

from simulator.binance import lookups
from simulator.binance.api_session import ApiSession
from simulator.binance.codes import Problem
from simulator.binance.params import integer
from simulator.binance.spot.order_frames import amount, queried, trade
from simulator.binance.user_streams import UserStream
from simulator.binance.venue import Call
from simulator.exchange.accounts import Account

_ARCHIVED = -2026


def one(call: Call) -> dict[str, Any]:
    """Return an order; -2026 if it ended without a fill too long ago."""
    return queried(lookups.order(call, _ARCHIVED))


def all_open(call: Call) -> list[dict[str, Any]]:
    """Return the open orders, of one symbol or of all."""
    return [queried(order, filled) for order, filled in lookups.pending(call)]


def history(call: Call) -> list[dict[str, Any]]:
    """Return a symbol's orders, ended or not, oldest first; a window is a day at most."""
    _ = call.instrument
    return [queried(order) for order in lookups.history(call, lookups.DAY_MS, always=False)]


def trades(call: Call) -> list[dict[str, Any]]:
    """Return a symbol's fills, oldest first; a window is a day at most."""
    _ = call.instrument
    return [trade(fill) for fill in lookups.trades(call, lookups.DAY_MS, always=False)]


def status(call: Call) -> dict[str, Any]:
    """Return the account with its balances."""
    account, fees = call.owner, call.venue.exchange.fees
    maker, taker = amount(fees.spot_maker), amount(fees.spot_taker)
    return {
        "makerCommission": int(fees.spot_maker * 10_000),
        "takerCommission": int(fees.spot_taker * 10_000),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {"maker": maker, "taker": taker, "buyer": "0", "seller": "0"},
        "canTrade": True,
        "canWithdraw": True,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": max((one.updated_ms for one in account.balances.values()), default=0),
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": amount(one.available), "locked": amount(one.frozen)}
            for asset, one in account.balances.items()
        ],
        "permissions": ["SPOT"],
        "uid": int(account.uid),
    }


def order_limits(call: Call) -> list[dict[str, Any]]:
    """Return the limits of orders with what is used of them."""
    now_ms, owner = call.venue.now_ms(), call.owner.name
    return call.venue.limits.told(call.address, owner, now_ms, orders=True)[1:]


def subscribe_signed(call: Call) -> dict[str, Any]:
    """Send user data to this connection; good for keys of every kind, without a logon."""
    return _subscribe(_session(call), call.owner, on_logon=False)


def subscribe(call: Call) -> dict[str, Any]:
    """Send user data of the account that is logged on to this connection."""
    session = _session(call)
    if session.account is None:
        raise Problem(-2015)
    return _subscribe(session, session.account, on_logon=True)


def unsubscribe(call: Call) -> dict[str, Any]:
    """Stop one subscription of this connection, or all of them."""
    session, number = _session(call), integer(call.given, "subscriptionId")
    if number is not None and number not in session.streams:
        raise Problem(-1130, "subscriptionId")
    for one_number in [number] if number is not None else list(session.streams):
        session.venue.users.remove(session.streams.pop(one_number))
    session.set_role()
    return {}


def subscriptions(call: Call) -> list[dict[str, Any]]:
    """Return the subscriptions of this connection."""
    return [{"subscriptionId": number} for number in _session(call).streams]


def _session(call: Call) -> ApiSession:
    if call.session is None:
        raise Problem(-2015)
    return call.session


def _subscribe(session: ApiSession, account: Account, *, on_logon: bool) -> dict[str, Any]:
    session.set_role()
    if any(stream.account is account for stream in session.streams.values()):
        raise Problem(-2035)
    session.last_subscription += 1
    number = session.last_subscription
    head = b'{"subscriptionId":%d,"event":' % number
    stream = UserStream(session.socket, account, head, b"}", rests_on_logon=on_logon)
    session.streams[number] = stream
    session.venue.users.add(stream)
    session.socket.account = session.socket.row.account = account.name
    session.set_role()
    return {"subscriptionId": number}

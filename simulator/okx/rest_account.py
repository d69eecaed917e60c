"""Queries of the account: balances, positions, settings, fees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.exchange.instruments import plain
from simulator.exchange.positions import Position, PositionState
from simulator.okx.account_frames import account_item, current, position_item, shown_currencies
from simulator.okx.codes import envelope
from simulator.okx.public import instrument_item
from simulator.okx.rest_query import Query

Handler = Callable[[Query], dict[str, Any]]


def _balance(query: Query) -> dict[str, Any]:
    prices, wanted = query.venue.prices, query.get("ccy")
    names = [
        name for name in shown_currencies(query.owner) if not wanted or name in wanted.split(",")
    ]
    item = account_item(query.owner, names, prices.usd, query.now_ms, prices.mark)
    return envelope("0", data=[item])


def _positions(query: Query) -> dict[str, Any]:
    then_ms = query.stale_ms("positions")

    def state(position: Position) -> PositionState:
        return current(position) if then_ms is None else position.as_of(then_ms)

    items = [
        position_item(
            query.owner,
            position,
            query.venue.prices.mark(position.instrument.symbol),
            query.now_ms,
            state(position),
        )
        for position in query.owner.positions.values()
        if state(position).size and _wants(query, position)
    ]
    return envelope("0", data=items)


def _config(query: Query) -> dict[str, Any]:
    account = query.owner
    item = {
        "acctLv": "2",
        "acctStpMode": "cancel_maker",
        "autoLoan": False,
        "ctIsoMode": "automatic",
        "enableSpotBorrow": False,
        "greeksType": "PA",
        "ip": "",
        "kycLv": "3",
        "label": account.name,
        "level": "Lv1",
        "levelTmp": "",
        "liquidationGear": "-1",
        "mainUid": account.uid,
        "mgnIsoMode": "automatic",
        "opAuth": "0",
        "perm": "read_only,trade",
        "posMode": "net_mode",
        "roleType": "0",
        "settleCcy": "",
        "settleCcyList": [],
        "spotBorrowAutoRepay": False,
        "spotOffsetType": "",
        "spotRoleType": "0",
        "spotTraderInsts": [],
        "traderInsts": [],
        "type": "0",
        "uid": account.uid,
    }
    return envelope("0", data=[item])


def _instruments(query: Query) -> dict[str, Any]:
    kind, wanted = query.required("instType"), query.get("instId")
    items = [instrument_item(one) for one in query.venue.listing.by_id.values()]
    data = [item for item in items if item["instType"] == kind and wanted in ("", item["instId"])]
    return envelope("0", data=data)


def _trade_fee(query: Query) -> dict[str, Any]:
    kind, fees = query.required("instType"), query.venue.exchange.fees
    spot = kind == "SPOT"
    maker = plain(-(fees.spot_maker if spot else fees.swap_maker))
    taker = plain(-(fees.spot_taker if spot else fees.swap_taker))
    item = {
        "category": "1",
        "delivery": "",
        "exercise": "",
        "feeGroup": [{"groupId": "1", "maker": maker, "taker": taker}],
        "fiat": [],
        "instType": kind,
        "level": "Lv1",
        "maker": maker,
        "makerU": "" if spot else maker,
        "makerUSDC": maker,
        "ruleType": "normal",
        "settle": "",
        "taker": taker,
        "takerU": "" if spot else taker,
        "takerUSDC": taker,
        "ts": str(query.now_ms),
    }
    return envelope("0", data=[item])


def _rate_limit(query: Query) -> dict[str, Any]:
    limit = str(query.venue.config.limits.account_orders_per_2s)
    item = {
        "accRateLimit": limit,
        "fillRatio": "0.1",
        "mainFillRatio": "0.1",
        "nextAccRateLimit": limit,
        "ts": str(query.now_ms),
    }
    return envelope("0", data=[item])


def _currencies(query: Query) -> dict[str, Any]:
    names: dict[str, None] = {}
    for instrument in query.venue.listing.by_id.values():
        names[instrument.base] = names[instrument.settle] = None
    data = [
        {
            "canDep": True,
            "canInternal": True,
            "canWd": True,
            "ccy": name,
            "chain": f"{name}-Simulated",
            "ctAddr": "",
            "depQuotaFixed": "",
            "fee": "0",
            "logoLink": "",
            "mainNet": True,
            "maxFee": "0",
            "maxWd": "1000000",
            "minDep": "0",
            "minDepArrivalConfirm": "1",
            "minFee": "0",
            "minWd": "0",
            "minWdUnlockConfirm": "1",
            "name": name,
            "needTag": False,
            "usedWdQuota": "0",
            "wdQuota": "1000000",
            "wdTickSz": "8",
        }
        for name in names
    ]
    return envelope("0", data=data)


def _wants(query: Query, position: Position) -> bool:
    return (
        query.get("instType") in ("", "SWAP")
        and (
            not query.get("instId") or position.instrument.symbol in query.get("instId").split(",")
        )
        and query.get("posId") in ("", position.position_id)
    )


HANDLERS: dict[str, tuple[str, Handler]] = {
    "account/balance": ("balance", _balance),
    "account/positions": ("positions", _positions),
    "account/config": ("account-config", _config),
    "account/instruments": ("account-instruments", _instruments),
    "account/trade-fee": ("trade-fee", _trade_fee),
    "trade/account-rate-limit": ("account-rate-limit", _rate_limit),
    "asset/currencies": ("currencies", _currencies),
}

"""Order frames, built as text: these are on the path of every order.

Key sets: OKX v5 documents, "Order channel" and "Place order", read 2026-07; samples in the sheet.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from simulator.exchange.instruments import plain
from simulator.exchange.orders import AmendNote, Fill, Order, Refusal
from simulator.okx.codes import CANCEL_SOURCES, refused


class Verdict(NamedTuple):
    """What became of one item of an order operation."""

    code: str
    text: str
    client_id: str
    venue_id: str
    tag: str
    ts_ms: int
    request_id: str = ""


class FillPart(NamedTuple):
    """The fields of an update that speak of this update's fill only."""

    fee: str = "0"
    fee_ccy: str = ""
    notional: str = ""
    price: str = ""
    size: str = "0"
    time: str = ""
    profit: str = "0"
    trade_id: str = ""
    role: str = ""


class AmendPart(NamedTuple):
    """The fields of an update that speak of an amendment only."""

    result: str = ""
    source: str = ""
    request_id: str = ""
    code: str = "0"
    message: str = ""


NO_FILL = FillPart()
NO_AMEND = AmendPart()
_AMEND_RESULTS = {"done": "0", "failed": "-1", "canceled": "1"}
_EMPTY_KEYS = (
    "algoClOrdId algoId attachAlgoClOrdId cancelSourceReason outcome pxType pxUsd pxVol "
    "quickMgnType slOrdPx slTriggerPx slTriggerPxType source stpId tpOrdPx tpTriggerPx "
    "tpTriggerPxType"
)
# What is the same for every order here.
_ALWAYS = {
    **dict.fromkeys(_EMPTY_KEYS.split(), ""),
    "attachAlgoOrds": [],
    "category": "normal",
    "isTpLimit": "false",
    "linkedAlgoOrd": {"algoId": ""},
    "rebate": "0",
}


@lru_cache(maxsize=1024)
def quoted(value: str) -> str:
    """Return ``value`` as JSON text."""
    return orjson.dumps(value).decode()


def signed(value: Decimal) -> str:
    """Return the negative of ``value``: OKX shows paid fees as negative numbers."""
    return plain(-value) if value else "0"


def inst_type(order: Order) -> str:
    """Return OKX's instrument type of ``order``."""
    return "SPOT" if order.instrument.kind == "spot" else "SWAP"


def fill_part(fill: Fill) -> FillPart:
    """Return the fields that ``fill`` puts into its update."""
    order = fill.order
    return FillPart(
        signed(fill.fee),
        order.fee_currency,
        _fill_notional(fill),
        plain(fill.price),
        plain(fill.size),
        str(fill.ts_ms),
        plain(fill.profit),
        str(fill.trade_id),
        "M" if fill.role == "maker" else "T",
    )


def _fill_notional(fill: Fill) -> str:
    instrument = fill.order.instrument
    if instrument.kind == "inverse":
        return plain(fill.size * instrument.contract_size)
    return plain(instrument.cost(fill.size, fill.price))


def amend_part(note: AmendNote) -> AmendPart:
    """Return the fields that ``note`` puts into its update."""
    code, message = "0", ""
    if note.reason is not None:
        problem = refused(Refusal(note.reason), amending=True)
        code, message = problem.code, problem.text
    return AmendPart(_AMEND_RESULTS[note.result], "1", note.request_id, code, message)


def rebate_currency(order: Order) -> str:
    """Return what a rebate would be paid in: for spot the other currency of the pair."""
    instrument = order.instrument
    if instrument.kind != "spot":
        return instrument.settle
    return instrument.quote if order.side == "buy" else instrument.base


def notional(order: Order) -> str:
    """Return what the order is worth, as text."""
    if order.quote_sized:
        return plain(order.size)
    instrument = order.instrument
    if instrument.kind == "inverse":
        return plain(order.size * instrument.contract_size)
    price = order.price or order.average
    return plain(order.size * instrument.contract_size * price) if price else ""


def order_update(order: Order, state: str, part: FillPart, note: AmendNote | None) -> str:
    """Return one item of the orders channel."""
    filled = order.filled
    acc, avg, fee = ("0", "0", "0")
    if filled:
        acc, avg, fee = plain(filled), plain(order.average), signed(order.fee)
    change = NO_AMEND if note is None else amend_part(note)
    instrument = order.instrument
    spot = instrument.kind == "spot"
    return (
        f'{{"accFillSz":"{acc}","algoClOrdId":"","algoId":"","amendResult":"{change.result}",'
        f'"amendSource":"{change.source}","attachAlgoClOrdId":"","attachAlgoOrds":[],'
        f'"avgPx":"{avg}","cTime":"{order.created_ms}",'
        f'"cancelSource":"{CANCEL_SOURCES[order.cancel_source]}","category":"normal",'
        f'"ccy":"{order.margin_ccy}","clOrdId":"{order.client_id}","code":"{change.code}",'
        f'"execType":"{part.role}","fee":"{fee}","feeCcy":"{order.fee_currency}",'
        f'"fillFee":"{part.fee}","fillFeeCcy":"{part.fee_ccy}","fillFwdPx":"","fillIdxPx":"",'
        f'"fillMarkPx":"","fillMarkVol":"","fillNotionalUsd":"{part.notional}",'
        f'"fillPnl":"{part.profit}","fillPx":"{part.price}","fillPxUsd":"","fillPxVol":"",'
        f'"fillSz":"{part.size}","fillTime":"{part.time}","instId":"{instrument.symbol}",'
        f'"instType":"{"SPOT" if spot else "SWAP"}","isTpLimit":"false",'
        f'"lastPx":"{part.price}","lever":"{"0" if spot else order.account.leverage}",'
        f'"linkedAlgoOrd":{{"algoId":""}},"msg":"{change.message}","notionalUsd":"{notional(order)}",'
        f'"ordId":"{order.venue_id}","ordType":"{order.kind_word}","outcome":"",'
        f'"pnl":"{plain(order.profit)}","posSide":"{order.position_word}",'
        f'"px":"{plain(order.price) if order.price is not None else ""}","pxType":"",'
        f'"pxUsd":"","pxVol":"","quickMgnType":"","rebate":"0",'
        f'"rebateCcy":"{rebate_currency(order)}",'
        f'"reduceOnly":"{"true" if order.reduce_only else "false"}","reqId":"{change.request_id}",'
        f'"side":"{order.side}","slOrdPx":"","slTriggerPx":"","slTriggerPxType":"","source":"",'
        f'"state":"{state}","stpId":"","stpMode":"{order.stp}","sz":"{plain(order.size)}",'
        f'"tag":"{order.tag}","tdMode":"{order.margin_word}","tgtCcy":"{order.target_word}",'
        f'"tpOrdPx":"","tpTriggerPx":"","tpTriggerPxType":"","tradeId":"{part.trade_id}",'
        f'"tradeQuoteCcy":"{instrument.quote if spot else ""}","uTime":"{order.updated_ms}"}}'
    )


def order_updates(order: Order, fill: Fill | None, note: AmendNote | None) -> list[str]:
    """Return the items that one change of ``order`` causes, in order.

    A spot market order ends in two: the last fill still reads ``partially_filled``, then comes
    ``filled`` without trade id and with ``fillSz`` 0 (captured frames of 2023 in the sheet, 5.2).
    """
    if fill is None:
        return [order_update(order, order.state, NO_FILL, note)]
    part = fill_part(fill)
    if order.state == "filled" and order.kind == "market" and order.instrument.kind == "spot":
        return [
            order_update(order, "partially_filled", part, note),
            order_update(order, "filled", NO_FILL, None),
        ]
    return [order_update(order, order.state, part, note)]


def order_item(order: Order, filled: Decimal | None = None) -> dict[str, Any]:
    """Return an order as REST queries show it: fill fields are of the *last* fill.

    ``filled`` overrides what is filled: for an answer from the past.
    """
    done = order.filled if filled is None else filled
    spot = order.instrument.is_spot
    state: str = order.state
    if filled is not None:
        state = "partially_filled" if done else "live"
    return {
        **_ALWAYS,
        **_last_fill(order, done),
        "cTime": str(order.created_ms),
        "cancelSource": CANCEL_SOURCES[order.cancel_source] if state == "canceled" else "",
        "ccy": order.margin_ccy,
        "clOrdId": order.client_id,
        "feeCcy": order.fee_currency,
        "instId": order.instrument.symbol,
        "instType": inst_type(order),
        "lever": "" if spot else str(order.account.leverage),
        "ordId": order.venue_id,
        "ordType": order.kind_word,
        "pnl": plain(order.profit),
        # "net" for spot on REST, "" on WebSocket: captured frames in the sheet, 5.2.
        "posSide": "net",
        "px": plain(order.price) if order.price is not None else "",
        "rebateCcy": rebate_currency(order),
        "reduceOnly": "true" if order.reduce_only else "false",
        "side": order.side,
        "state": state,
        "stpMode": order.stp,
        "sz": plain(order.size),
        "tag": order.tag,
        "tdMode": order.margin_word,
        "tgtCcy": order.target_word,
        "tradeQuoteCcy": order.instrument.quote if spot else "",
        "uTime": str(order.updated_ms),
    }


def _last_fill(order: Order, done: Decimal) -> dict[str, str]:
    last = order.last_fill if done else None
    return {
        "accFillSz": plain(done),
        "avgPx": plain(order.average) if done else "",
        "fee": signed(order.fee) if done else "0",
        "fillPx": plain(last.price) if last else "",
        "fillSz": plain(last.size) if last else "0",
        "fillTime": str(last.ts_ms) if last else "",
        "tradeId": str(last.trade_id) if last else "",
    }


def fill_item(fill: Fill) -> dict[str, Any]:
    """Return a fill as REST queries show it."""
    order = fill.order
    value = order.instrument.cost(fill.size, fill.price)
    in_base = order.instrument.is_spot and order.side == "buy"
    paid_on = fill.size if in_base else value
    return {
        "side": order.side,
        "fillSz": plain(fill.size),
        "fillPx": plain(fill.price),
        "fillPxVol": "",
        "fillFwdPx": "",
        "fee": signed(fill.fee),
        "fillPnl": plain(fill.profit),
        "ordId": order.venue_id,
        "feeRate": signed((fill.fee / paid_on).quantize(Decimal("0.000001"))) if paid_on else "0",
        "instType": inst_type(order),
        "fillPxUsd": "",
        "instId": order.instrument.symbol,
        "clOrdId": order.client_id,
        "posSide": "net",
        "billId": str(fill.bill_id),
        "subType": "1" if order.side == "buy" else "2",
        "fillMarkVol": "",
        "tag": order.tag,
        "fillTime": str(fill.ts_ms),
        "execType": "M" if fill.role == "maker" else "T",
        "fillIdxPx": "",
        "tradeId": str(fill.trade_id),
        "fillMarkPx": "",
        "feeCcy": order.fee_currency,
        "ts": str(fill.ts_ms),
    }


def verdict_json(op_group: str, verdict: Verdict) -> str:
    """Return one item of the reply to an order operation."""
    text = verdict.text
    message = "" if not text else quoted(text)[1:-1]
    if op_group == "place":
        return (
            f'{{"clOrdId":"{verdict.client_id}","ordId":"{verdict.venue_id}",'
            f'"tag":"{verdict.tag}","ts":"{verdict.ts_ms}","sCode":"{verdict.code}",'
            f'"sMsg":"{message}","subCode":""}}'
        )
    request = f'"reqId":"{verdict.request_id}",' if op_group == "amend" else ""
    sub = ',"subCode":""' if op_group == "amend" else ""
    return (
        f'{{"clOrdId":"{verdict.client_id}","ordId":"{verdict.venue_id}",{request}'
        f'"ts":"{verdict.ts_ms}","sCode":"{verdict.code}","sMsg":"{message}"{sub}}}'
    )


def overall_code(verdicts: list[Verdict]) -> str:
    """Return the reply's own code: "0" all done, "1" all refused, "2" some."""
    if len(verdicts) == 1:
        return "0" if verdicts[0].code == "0" else "1"
    refusals = sum(1 for verdict in verdicts if verdict.code != "0")
    if not refusals:
        return "0"
    return "1" if refusals == len(verdicts) else "2"

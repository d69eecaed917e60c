"""Order operations over REST: the same trading, in REST's envelope."""

from __future__ import annotations

from typing import Any

from simulator.bitget.codes import Problem
from simulator.bitget.listing import CATEGORIES, category, wire_symbol
from simulator.bitget.query import rest_category
from simulator.bitget.trading import MAX_BATCH, OPS, Call, Op, Trading, Verdict
from simulator.bitget.venue import Venue
from simulator.exchange.accounts import Account
from simulator.exchange.ledger import RequestRow

Item = dict[str, Any]

CANCEL_SYMBOL = Op("cancel-symbol-order", "cancel", "cancel-symbol-order")
PATHS = {
    "v3/trade/place-order": OPS["place-order"],
    "v3/trade/place-batch": OPS["batch-place"],
    "v3/trade/cancel-order": OPS["cancel-order"],
    "v3/trade/cancel-batch": OPS["batch-cancel"],
    "v3/trade/modify-order": OPS["modify-order"],
    "v3/trade/batch-modify-order": OPS["batch-modify"],
    "v3/trade/cancel-symbol-order": CANCEL_SYMBOL,
}


class RestTrading:
    """Executes order operations that came by REST."""

    def __init__(self, venue: Venue, trading: Trading) -> None:
        self._venue = venue
        self._trading = trading

    def call(self, op: Op, account: Account, payload: Any) -> Call:
        """Return a request just received, written in the ledger as far as it can be read."""
        try:
            items = read_items(op, payload)
        except Problem:
            items = [{}]
        categories = [rest_category(item.get("category")) for item in items]
        time = items[0].get("requestTime")
        rows = self._trading.write_down(op, items, categories, account, "rest", request_time=time)
        return Call(op, items, categories, account, "rest", time, rows)

    def write_down_refused(self, op: Op, payload: Any, code: str) -> None:
        """Write down an order operation that failed its authentication."""
        rows: list[RequestRow] = self._trading.write_down(op, *_readable(op, payload), None, "rest")
        for row in rows:
            row.code, row.replied = code, True

    def execute(self, call: Call, payload: Any) -> Any:
        """Execute one request; return the reply's data.

        Raises:
            Problem: If it is refused as a whole.
        """
        read_items(call.op, payload)
        if call.op is CANCEL_SYMBOL:
            return self._cancel_symbol(call)
        return self.data(call, self._trading.process(call))

    def data(self, call: Call, verdicts: list[Verdict]) -> Any:
        """Return the reply's data for ``verdicts``.

        Raises:
            Problem: If the only item is refused.
        """
        if call.op.batch:
            return [_result(verdict) for verdict in verdicts]
        (verdict,) = verdicts
        if verdict.code != "0":
            problem = Problem(verdict.code)
            problem.text = verdict.message
            raise problem
        return _result(verdict)

    def refuse(self, call: Call, problem: Problem) -> Any:
        """Return the data of a reply that refuses every item alike; nothing is processed."""
        for row in call.rows:
            row.code = problem.code
        return self.data(call, [self._trading.refuse(item, problem) for item in call.items])

    def _cancel_symbol(self, call: Call) -> Any:
        """Cancel the open orders of one category, or of one symbol there."""
        (item,), (kind,), (row,) = call.items, call.categories, call.rows
        row.processed = True
        if kind not in CATEGORIES:
            raise Problem("40020", "category")
        ended = [
            order
            for order in list(call.account.open.values())
            if category(order.instrument) == kind
            and item.get("symbol") in (None, "", wire_symbol(order.instrument))
        ]
        for order in ended:
            self._venue.exchange.cancel(order)
        row.code = "0"
        return {"list": [{"orderId": one.venue_id, "clientOid": one.client_id} for one in ended]}


def read_items(op: Op, payload: Any) -> list[Item]:
    """Return the items of a body: a list for a batch, one object for all else."""
    items = payload if op.batch else [payload]
    if not isinstance(items, list) or not items or not all(isinstance(i, dict) for i in items):
        raise Problem("40020", "body")
    if len(items) > MAX_BATCH:
        raise Problem("40306")
    return items


def _readable(op: Op, payload: Any) -> tuple[list[Item], list[str]]:
    try:
        items = read_items(op, payload)
    except Problem:
        items = [{}]
    return items, [rest_category(item.get("category")) for item in items]


def _result(verdict: Verdict) -> Item:
    ids = {"orderId": verdict.venue_id, "clientOid": verdict.client_id}
    if verdict.code == "0":
        return ids
    return ids | {"code": verdict.code, "msg": verdict.message}

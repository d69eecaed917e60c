"""The way of every call, by WebSocket or REST: written down, checked, executed."""

from __future__ import annotations

from typing import Any

import orjson

from simulator.binance.codes import FACES, Problem
from simulator.binance.signing import recv_window_ms
from simulator.binance.venue import Call, Venue
from simulator.exchange.accounts import Account
from simulator.exchange.faults import Context, Fault
from simulator.exchange.ledger import RequestRow

_NOT_PROCESSED = frozenset((-1003, -1008, -1015, -1021, -1022, -2014, -2015, -5028))
_ORDERS = frozenset(("place", "cancel", "amend"))
_SUCCESS = "0"


def account_of(venue: Venue, api_key: str) -> Account:
    """Return the account that an API key opens; -2014 or -2015 if it opens none."""
    if not api_key:
        raise Problem(-2014)
    account = venue.floor.by_key(api_key)
    if account is None:
        raise Problem(-2015)
    return account


def write_down(call: Call, connection: str = "") -> None:
    """Put a call that just came in into the ledger; a batch has a row for each item."""
    group = call.operation.group
    if group not in _ORDERS and (group != "query" or call.account is None):
        return
    call.rows = [_row(call, item, connection, query=group == "query") for item in items(call)]


def items(call: Call) -> list[dict[str, str]]:
    """Return what a call is about: its parameters, or each order of a batch."""
    if not call.operation.op.startswith("batch-"):
        return [call.given]
    try:
        if "batchOrders" in call.given:
            listed = orjson.loads(call.given["batchOrders"])
            return [{name: _text(value) for name, value in item.items()} for item in listed]
        symbol = {"symbol": call.given.get("symbol", "")}
        for name, one in (
            ("orderIdList", "orderId"),
            ("origClientOrderIdList", "origClientOrderId"),
        ):
            if name in call.given:
                listed = orjson.loads(call.given[name])
                return [symbol | {one: _text(value)} for value in listed]
    except (orjson.JSONDecodeError, AttributeError, TypeError):
        pass
    return [call.given]


def execute(call: Call) -> Any:
    """Return the result of a call, and complete its rows in the ledger.

    Raises:
        Problem: What the venue answers instead.
    """
    try:
        _check_engine_window(call)
        if call.operation.orders:
            name = call.owner.name
            call.venue.limits.order(name, call.operation.orders, call.venue.now_ms())
        result = call.operation.handler(call)
    except Problem as problem:
        if problem.code in (-1003, -1015):
            call.venue.floor.ledger.throttled += 1
        if call.operation.weight_of_refusal:
            venue, weight = call.venue, call.operation.weight_of_refusal
            venue.limits.count(call.address, weight, venue.now_ms())
        refuse(call, problem)
        raise
    for row in call.rows:
        row.processed, row.code = True, row.code or _SUCCESS
    return result


def refuse(call: Call, problem: Problem) -> None:
    """Note in the ledger that a call was refused."""
    for row in call.rows:
        row.code = str(problem.code)
        row.processed = problem.code not in _NOT_PROCESSED


def context(call: Call, *, socket: str = "", path: str = "") -> Context:
    """Return what faults are matched against."""
    orders = call.venue.exchange.orders
    clients = [row.client_id for row in call.rows if row.client_id]
    clients += [orders[row.venue_id].client_id for row in call.rows if row.venue_id in orders]
    return Context(
        op=call.operation.op,
        group=call.operation.group,
        transport=call.transport,
        socket=socket,
        account=call.account.name if call.account is not None else "",
        path=path,
        symbols=tuple({row.symbol for row in call.rows if row.symbol}),
        client_ids=tuple(clients),
        word=call.operation.word,
    )


def check_login(call: Call, *, socket: str = "", path: str = "") -> None:
    """Refuse what opens a session or a user stream if the fault ``refuse_login`` says so."""
    if call.operation.group != "login":
        return
    floor = call.venue.floor
    at = context(call, socket=socket, path=path)
    fault = floor.faults.take(("refuse_login",), at, floor.clock.true_ms())
    if fault is not None:
        raise problem_of(fault, -2015)


def ordered(call: Call, fault: Fault) -> Problem:
    """Return the refusal that ``reject`` or ``throttle`` orders, and note it in the ledger."""
    if fault.name == "throttle":
        call.venue.floor.ledger.throttled += 1
        problem = problem_of(fault, -1003)
        problem.retry_after_s = int(fault.number("retry_after_s", 1))
    else:
        problem = problem_of(fault, -2011 if call.operation.group == "cancel" else -2010)
    for row in call.rows:
        row.code = str(problem.code)
    return problem


def problem_of(fault: Fault, default: int) -> Problem:
    """Return the problem that a fault's ``code``, ``msg``, ``status`` or ``face`` describe."""
    status = int(fault.number("status", 0))
    face = FACES.get(fault.text("face"))
    if face is not None:
        return Problem(face[0], message=fault.text("msg") or face[1], status=status or 503)
    code = int(fault.number("code", default))
    return Problem(code, message=fault.text("msg") or "", status=status)


def rate_limits(call: Call) -> list[Any]:
    """Return ``rateLimits`` of the reply."""
    return call.venue.limits.told(
        call.address,
        call.account.name if call.account is not None else "",
        call.venue.now_ms(),
        orders=bool(call.operation.orders),
    )


def _row(call: Call, given: dict[str, str], connection: str, *, query: bool) -> RequestRow:
    client_id = given.get("origClientOrderId", "")
    if call.operation.group == "place":
        client_id = given.get("newClientOrderId", "")
    row = call.venue.floor.ledger.request(
        call.account.name if call.account is not None else "",
        call.transport,
        call.operation.op,
        client_id,
        given.get("orderId", ""),
        given.get("symbol", ""),
        connection,
        query=query,
    )
    row.address = call.address
    return row


def _check_engine_window(call: Call) -> None:
    """Refuse a place or modify that took too long from the gateway to the engine (-5028)."""
    if call.operation.group not in ("place", "amend"):
        return
    stamp = call.given.get("timestamp", "")
    if stamp.isdigit() and call.venue.now_ms() - int(stamp) > recv_window_ms(call.given):
        raise Problem(-5028)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)

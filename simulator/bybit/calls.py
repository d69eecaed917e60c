"""The way of every call, by WebSocket or REST: written down, checked, executed."""

from __future__ import annotations

from typing import Any

from simulator.bybit import order_form
from simulator.bybit.codes import NOT_PROCESSED, Problem
from simulator.bybit.venue import Call
from simulator.exchange.faults import Context, Fault
from simulator.exchange.orders import Order

ORDERS = frozenset(("place", "cancel", "amend"))
_SUCCESS = "0"


def write_down(call: Call, address: str, connection: str = "", request_id: str = "") -> None:
    """Put a call that just came in into the ledger; a batch has a row for each item."""
    group = call.operation.group
    if group not in ORDERS and (group != "query" or call.account is None):
        return
    for item in call.items:
        instrument = call.venue.listing.get(call.given.get("category"), item.get("symbol"))
        row = call.venue.floor.ledger.request(
            call.account.name if call.account is not None else "",
            call.transport,
            call.op,
            _text(item.get("orderLinkId")),
            _text(item.get("orderId")),
            instrument.symbol if instrument is not None else "",
            connection,
            request_id,
            query=group == "query",
        )
        if group in ORDERS:
            row.expires_ms = call.stamp.good_until_ms
        row.address = address
        call.rows.append(row)


def execute(call: Call) -> Any:
    """Return the result of a call, and complete its rows in the ledger.

    Raises:
        Problem: What the venue answers instead.
    """
    try:
        if call.operation.private:
            call.stamp.check(call.venue.now_ms())
            _spend(call)
        orders = call.operation.group in ORDERS
        result = _held(call) if orders else call.operation.handler(call)
    except Problem as problem:
        refuse(call, problem)
        raise
    for row in call.rows:
        if not row.code:
            row.processed, row.code = True, _SUCCESS
    return result


def refuse(call: Call, problem: Problem) -> None:
    """Note in the ledger that a call was refused."""
    if problem.code in (10006, 10403):
        call.venue.floor.ledger.throttled += 1
    for row in call.rows:
        row.code = str(problem.code)
        row.processed = problem.code not in NOT_PROCESSED


def context(call: Call, *, socket: str = "", path: str = "") -> Context:
    """Return what faults are matched against."""
    orders = call.venue.exchange.orders
    clients = [row.client_id for row in call.rows if row.client_id]
    clients += [orders[row.venue_id].client_id for row in call.rows if row.venue_id in orders]
    return Context(
        op=call.op,
        group=call.operation.group,
        transport=call.transport,
        socket=socket,
        account=call.account.name if call.account is not None else "",
        path=path,
        symbols=tuple({row.symbol for row in call.rows if row.symbol}),
        client_ids=tuple(clients),
        word=call.operation.word,
    )


def ordered(call: Call, fault: Fault) -> Problem:
    """Return the refusal that ``reject`` or ``throttle`` orders, and note it in the ledger."""
    if fault.name == "throttle":
        call.venue.floor.ledger.throttled += 1
        default = 10006
    elif call.operation.group == "cancel":
        default = 170213 if call.spot else 110001
    else:
        default = 170131 if call.spot else 110007
    problem = problem_of(fault, default, "cancel")
    for row in call.rows:
        row.code = str(problem.code)
    return problem


def is_late(call: Call, fault: Fault) -> bool:
    """Return whether a refusal comes after the acknowledgement, and doom the call if so."""
    late = fault.name == "reject" and fault.flag("late", False)
    if late:
        call.doom = fault.text("reason", "EC_Others")
    return late


def problem_of(fault: Fault, default: int, *detail: str) -> Problem:
    """Return the problem that a fault's ``code``, ``msg`` and ``status`` describe."""
    code = int(fault.number("code", default))
    return Problem(code, *detail, message=fault.text("msg"), status=int(fault.number("status", 0)))


def find(call: Call) -> Order | None:
    """Return the order that orderId or else orderLinkId names; None if there is none."""
    venue_id, client_id = _text(call.given.get("orderId")), order_form.link_id(call.given)
    if not venue_id and not client_id:
        raise Problem(10001, "orderId and orderLinkId can't be both empty")
    exchange, account = call.venue.exchange, call.owner
    order = exchange.find(account, venue_id=venue_id, client_id=client_id)
    if order is None and not venue_id and call.spot and client_id.isdigit():
        # The id that the venue gave to a spot order without one: the sheet, 6.
        order = exchange.find(account, venue_id=str(int(client_id) - 1))
        return order if order is not None and not order.client_id else None
    return order


def fits(call: Call, order: Order) -> bool:
    """Return whether an order is of the category, symbol and coins asked for."""
    given, instrument = call.given, order.instrument
    if instrument.kind != given.get("category"):
        return False
    if given.get("symbol"):
        return instrument is order_form.instrument_of(call, given)
    base, settle = given.get("baseCoin"), given.get("settleCoin")
    return (not base or base == instrument.base) and (not settle or settle == instrument.settle)


def name_in_ledger(call: Call, order: Order) -> None:
    """Complete the call's row in the ledger with the order's ids, unless it has several rows."""
    if len(call.rows) == 1:
        call.rows[0].venue_id, call.rows[0].client_id = order.venue_id, order.client_id


def visible_ms(call: Call) -> int:
    """Return from when on queries show a new order; 0 means at once."""
    floor = call.venue.floor
    if not floor.faults:
        return 0
    lag = floor.faults.take(("visibility_lag",), context(call), floor.clock.true_ms())
    return 0 if lag is None else floor.clock.now_ms() + int(lag.number("delay_ms", 500))


def _held(call: Call) -> Any:
    """Execute an order operation; what it does is told at its end."""
    private = call.venue.private
    private.hold()
    try:
        return call.operation.handler(call)
    finally:
        private.release(together=call.operation.op == "cancel-all")


def _spend(call: Call) -> None:
    venue, operation, now_ms = call.venue, call.operation, call.venue.now_ms()
    name = call.owner.name
    if operation.group not in ORDERS:
        call.spent = venue.limits.query(name, operation.word, now_ms)
    else:
        group = operation.op if operation.op == "cancel-all" else operation.group
        call.spent = venue.limits.orders(
            name,
            group,
            spot=call.spot,
            batch=operation.batch,
            count=len(call.items) if operation.batch else 1,
            now_ms=now_ms,
        )
    if not call.spent.granted:
        raise Problem(10006)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""

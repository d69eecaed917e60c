"""Order operations, the same for WebSocket and REST: items in, verdicts out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from simulator.bitget.codes import Problem, refused
from simulator.bitget.listing import CATEGORIES, wire_symbol
from simulator.bitget.order_form import expiry_ms, read_amendment, read_ids, read_order
from simulator.bitget.venue import Venue
from simulator.exchange.accounts import Account
from simulator.exchange.faults import Context
from simulator.exchange.ledger import RequestRow
from simulator.exchange.orders import Order, Refusal, Transport

Item = dict[str, Any]

MAX_BATCH = 20
NOT_PROCESSED = frozenset(("429", "40008"))
_PERCENT = Decimal(100)


class Op(NamedTuple):
    """One order operation: its name in words all venues share, its group, the venue's topic."""

    name: str
    group: str
    topic: str
    batch: bool = False


OPS = {
    op.topic: op
    for op in (
        Op("order", "place", "place-order"),
        Op("batch-orders", "place", "batch-place", batch=True),
        Op("cancel-order", "cancel", "cancel-order"),
        Op("batch-cancel-orders", "cancel", "batch-cancel", batch=True),
        Op("amend-order", "amend", "modify-order"),
        Op("batch-amend-orders", "amend", "batch-modify", batch=True),
    )
}


class Verdict(NamedTuple):
    """What became of one item; ``code`` is "0" if all went well."""

    code: str
    message: str
    venue_id: str = ""
    client_id: str = ""
    symbol: str = ""
    created_ms: int = 0


@dataclass(slots=True, eq=False)
class Call:
    """One request of order operations, on its way.

    ``categories`` are those of its items, as WebSocket spells them; ``request_time`` is what the
    request says of itself.
    """

    op: Op
    items: list[Item]
    categories: list[str]
    account: Account
    transport: Transport
    request_time: object = None
    rows: list[RequestRow] = field(default_factory=list)

    def left(self) -> None:
        """Note that the answer left the server."""
        for row in self.rows:
            row.replied = True


class Trading:
    """Executes order operations."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._exchange = venue.exchange
        self._handlers: dict[str, Callable[[Item, str, Call, RequestRow], Verdict]] = {
            "place": self._place,
            "cancel": self._cancel,
            "amend": self._amend,
        }

    def write_down(
        self,
        op: Op,
        items: list[Item],
        categories: list[str],
        account: Account | None,
        transport: Transport,
        *,
        request_time: object = None,
        connection: str = "",
        request_id: str = "",
    ) -> list[RequestRow]:
        """Return the ledger's rows of a request just received, one for each item."""
        rows = []
        for item, category in zip(items, categories, strict=True):
            client_id, venue_id = _text(item, "clientOid"), _text(item, "orderId")
            row = self._venue.ledger.request(
                account.name if account is not None else "",
                transport,
                op.name,
                client_id=client_id,
                venue_id=venue_id,
                connection=connection,
                request_id=request_id,
            )
            if op.group == "place":
                row.symbol = self._symbol(category, item)
                row.expires_ms = None if op.batch else _expiry(request_time, item)
            elif account is not None:
                self._name(row, account)
            rows.append(row)
        return rows

    def context(self, call: Call, *, socket: str = "", path: str = "") -> Context:
        """Return what faults are matched against."""
        return Context(
            op=call.op.name,
            group=call.op.group,
            transport=call.transport,
            socket=socket,
            account=call.account.name,
            path=path,
            symbols=tuple({row.symbol for row in call.rows}),
            client_ids=tuple(row.client_id for row in call.rows),
            word=call.op.topic,
        )

    def process(self, call: Call) -> list[Verdict]:
        """Execute ``call`` and return a verdict for each of its items, in order.

        Raises:
            Problem: If a rate limit refuses the whole request.
        """
        self._check_limits(call)
        handler = self._handlers[call.op.group]
        verdicts = []
        for item, category, row in zip(call.items, call.categories, call.rows, strict=True):
            try:
                verdict = handler(item, category, call, row)
            except Problem as problem:
                verdict = self.refuse(item, problem)
            row.code = verdict.code
            row.processed = verdict.code not in NOT_PROCESSED
            verdicts.append(verdict)
        return verdicts

    def refuse(self, item: Item, problem: Problem) -> Verdict:
        """Return a refusal of ``item``, with the ids that it gave."""
        return Verdict(
            problem.code,
            problem.text,
            _text(item, "orderId"),
            _text(item, "clientOid"),
            _text(item, "symbol"),
        )

    def _place(self, item: Item, category: str, call: Call, row: RequestRow) -> Verdict:
        if not call.op.batch:
            # Batches know neither requestTime nor receiveWindow.
            self._check_expiry(item, call)
        if category not in CATEGORIES:
            raise Problem("41101", f"category={item.get('category')}")
        instrument = self._venue.listing.find(category, item.get("symbol"))
        order = read_order(item, instrument, call.account, call.transport)
        order.client_id = order.client_id or str(next(self._venue.client_ids))
        if self._venue.faults:
            order.visible_ms = self._visible_ms(call)
        refusal = self._exchange.place(order)
        if refusal is not None:
            raise self._refused(order, refusal)
        row.venue_id, row.client_id = order.venue_id, order.client_id
        return self._done(order)

    def _cancel(self, item: Item, category: str, call: Call, row: RequestRow) -> Verdict:
        order = self._find(item, call, row)
        refusal = self._exchange.cancel(order)
        if refusal is not None:
            raise self._refused(order, refusal)
        return self._done(order)

    def _amend(self, item: Item, category: str, call: Call, row: RequestRow) -> Verdict:
        change = read_amendment(item)
        order = self._find(item, call, row)
        if order.kind == "post_only" and order.is_open and self._takes(order, change.price):
            # It is taken as a new post-only order would be: accepted, then canceled.
            self._exchange.cancel(order, "post_only")
            return self._done(order)
        refusal = self._exchange.amend(order, change)
        if refusal is None:
            return self._done(order)
        if change.cancel_on_fail and order.is_open:
            self._exchange.cancel(order, "system")
        raise self._refused(order, refusal)

    def _takes(self, order: Order, price: Decimal | None) -> bool:
        return price is not None and self._exchange.would_take(order, price)

    def _find(self, item: Item, call: Call, row: RequestRow) -> Order:
        order = self._venue.find(call.account, *read_ids(item))
        row.venue_id, row.client_id = order.venue_id, order.client_id
        return order

    def _done(self, order: Order) -> Verdict:
        symbol = wire_symbol(order.instrument)
        return Verdict("0", "Success", order.venue_id, order.client_id, symbol, order.created_ms)

    def _refused(self, order: Order, refusal: Refusal) -> Problem:
        instrument = order.instrument
        band = f"{self._exchange.rules.price_band * _PERCENT:f}".rstrip("0").rstrip(".")
        pair = f"{instrument.base}/{instrument.quote}"
        return refused(refusal, spot=instrument.is_spot, pair=pair, band_percent=band)

    def _visible_ms(self, call: Call) -> int:
        clock = self._exchange.clock
        lag = self._venue.faults.take(("visibility_lag",), self.context(call), clock.true_ms())
        return 0 if lag is None else clock.now_ms() + int(lag.number("delay_ms", 500))

    def _check_expiry(self, item: Item, call: Call) -> None:
        until_ms = expiry_ms(call.request_time, item)
        if until_ms is not None and self._venue.now_ms() > until_ms:
            # That it is this code is an inference: the documents name none.
            raise Problem("40008")

    def _check_limits(self, call: Call) -> None:
        # By UID and operation, WebSocket and REST together: the sheet, "v2", and "Modify Order".
        own = self._venue.own
        limit = own.batches_per_s if call.op.batch else own.orders_per_s
        if self._venue.throttles(("order", call.account.name, call.op.name), limit):
            for row in call.rows:
                row.code = "429"
            raise Problem("429")

    def _symbol(self, category: str, item: Item) -> str:
        try:
            return self._venue.listing.find(category, item.get("symbol")).symbol
        except Problem:
            return _text(item, "symbol")

    def _name(self, row: RequestRow, account: Account) -> None:
        """Complete the row of a request that names an order by one id only."""
        order = self._exchange.find(account, venue_id=row.venue_id, client_id=row.client_id)
        if order is not None:
            row.symbol = order.instrument.symbol
            row.client_id = row.client_id or order.client_id


def _expiry(request_time: object, item: Item) -> int | None:
    """Return the item's expiry for the ledger; None if it has none that can be read."""
    try:
        return expiry_ms(request_time, item)
    except Problem:
        return None


def _text(item: Item, name: str) -> str:
    value = item.get(name)
    return value if isinstance(value, str) else ""

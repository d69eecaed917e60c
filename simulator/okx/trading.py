"""Order operations, the same for WebSocket and REST: items in, verdicts out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from simulator.exchange.accounts import Account
from simulator.exchange.faults import Context
from simulator.exchange.instruments import Instrument
from simulator.exchange.ledger import RequestRow
from simulator.exchange.orders import Order, Transport
from simulator.okx.codes import Problem, refused, text
from simulator.okx.frames import Verdict
from simulator.okx.requests import CLIENT_ID, read_amendment, read_ids, read_order
from simulator.okx.venue import Venue

MAX_BATCH = 20
_WINDOW_MS = 2000
NOT_PROCESSED = frozenset(("50011", "50036", "50037", "50061"))


class Op(NamedTuple):
    """One order operation; ``group`` is place, cancel or amend."""

    name: str
    group: str
    batch: bool


OPS = {
    op.name: op
    for op in (
        Op("order", "place", False),
        Op("batch-orders", "place", True),
        Op("cancel-order", "cancel", False),
        Op("batch-cancel-orders", "cancel", True),
        Op("amend-order", "amend", False),
        Op("batch-amend-orders", "amend", True),
    )
}


@dataclass(slots=True, eq=False)
class Call:
    """One request of order operations, checked in form and written in the ledger."""

    op: Op
    items: list[dict[str, Any]]
    account: Account
    transport: Transport
    received_ms: int
    expires_ms: int | None
    rows: list[RequestRow]

    def left(self) -> None:
        """Note that the reply left the server."""
        for row in self.rows:
            row.replied = True


class Trading:
    """Executes calls on the exchange."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._exchange = venue.exchange
        self._limited = venue.config.limits.enabled
        self._handlers: dict[str, Callable[[dict[str, Any], Call, RequestRow], Verdict]] = {
            "place": self._place,
            "cancel": self._cancel,
            "amend": self._amend,
        }

    def write_down(
        self,
        op: Op,
        items: list[dict[str, Any]],
        account: str,
        transport: Transport,
        connection: str = "",
        request_id: str = "",
        *,
        expires: object = None,
    ) -> list[RequestRow]:
        """Return the ledger's rows of a request just received, one for each item."""
        venue, rows = self._venue, []
        expires_ms = int(str(expires)) if str(expires).isdigit() else None
        for item in items:
            instrument = venue.listing.peek(item)
            symbol = instrument.symbol if instrument is not None else ""
            client_id, venue_id = item.get("clOrdId"), item.get("ordId")
            row = venue.ledger.request(
                account,
                transport,
                op.name,
                client_id if isinstance(client_id, str) else "",
                venue_id if isinstance(venue_id, str) else "",
                symbol,
                connection,
                request_id,
            )
            row.expires_ms = expires_ms
            rows.append(row)
        return rows

    def context(self, call: Call, *, socket: str = "", path: str = "") -> Context:
        """Return what faults are matched against."""
        clients = [row.client_id or self._client_of(row.venue_id) for row in call.rows]
        return Context(
            op=call.op.name,
            group=call.op.group,
            transport=call.transport,
            socket=socket,
            account=call.account.name,
            path=path,
            symbols=tuple({row.symbol for row in call.rows}),
            client_ids=tuple(clients),
        )

    def process(self, call: Call) -> list[Verdict]:
        """Execute ``call`` and return a verdict for each of its items, in order."""
        handler = self._handlers[call.op.group]
        verdicts = []
        doubled = call.op.name == "batch-amend-orders" and self._names_one_twice(call)
        for item, row in zip(call.items, call.rows, strict=True):
            try:
                if call.expires_ms is not None:
                    self._check_expiry(call, call.expires_ms)
                if self._limited:
                    self._check_limits(call, row.symbol)
                if doubled:
                    raise Problem("51512")
                verdict = handler(item, call, row)
            except Problem as problem:
                verdict = self.refuse(item, problem.code, problem.text)
            row.code = verdict.code
            row.processed = verdict.code not in NOT_PROCESSED
            verdicts.append(verdict)
        return verdicts

    def _names_one_twice(self, call: Call) -> bool:
        """Return whether two items name the same order, in whichever way: the sheet, 4.6."""
        named = [
            self._exchange.find(call.account, venue_id=row.venue_id, client_id=row.client_id)
            for row in call.rows
        ]
        known = [order for order in named if order is not None]
        return len({order.venue_id for order in known}) < len(known)

    def throttled(self) -> None:
        """Count a refusal for a rate limit."""
        self._venue.ledger.throttled += 1

    def now_us(self) -> int:
        """Return the venue's time in microseconds."""
        return self._exchange.clock.now_us()

    def refuse(self, item: dict[str, Any], code: str, message: str) -> Verdict:
        """Return a refusal of ``item``, with the ids that it gave."""
        now_ms = self._exchange.clock.now_ms()
        client_id = _plain_text(item.get("clOrdId"))
        if client_id and not CLIENT_ID.fullmatch(client_id):
            client_id = ""
        venue_id = _plain_text(item.get("ordId"))
        if not venue_id.isdigit():
            venue_id = ""
        return Verdict(code, message, client_id, venue_id, "", now_ms)

    def _place(self, item: dict[str, Any], call: Call, row: RequestRow) -> Verdict:
        venue = self._venue
        order = read_order(item, venue.listing, call.account, call.transport)
        if item.get("pxAmendType") == "1":
            self._clamp(order)
        if venue.faults:
            order.visible_ms = self._visible_ms(call)
        refusal = self._exchange.place(order)
        if refusal is not None:
            raise refused(refusal)
        row.venue_id = order.venue_id
        word = "Order successfully placed." if call.transport == "ws" else "Order placed"
        return Verdict("0", word, order.client_id, order.venue_id, order.tag, order.created_ms)

    def _cancel(self, item: dict[str, Any], call: Call, row: RequestRow) -> Verdict:
        order = self._find(item, call, "51400")
        row.venue_id, row.client_id = order.venue_id, order.client_id
        refusal = self._exchange.cancel(order)
        if refusal is not None:
            raise refused(refusal)
        return Verdict("0", "", order.client_id, order.venue_id, "", self._reply_ms(order, call))

    def _amend(self, item: dict[str, Any], call: Call, row: RequestRow) -> Verdict:
        change = read_amendment(item)
        order = self._find(item, call, "51603")
        row.venue_id, row.client_id = order.venue_id, order.client_id
        refusal = self._exchange.amend(order, change)
        if refusal is not None:
            raise refused(refusal, amending=True)
        ts_ms = self._reply_ms(order, call)
        return Verdict("0", "", order.client_id, order.venue_id, "", ts_ms, change.request_id)

    def _find(self, item: dict[str, Any], call: Call, missing: str) -> Order:
        instrument: Instrument = self._venue.listing.resolve(item, call.transport)
        venue_id, client_id = read_ids(item)
        order = self._exchange.find(call.account, venue_id=venue_id, client_id=client_id)
        if order is None or order.instrument is not instrument:
            raise Problem(missing)
        return order

    def _reply_ms(self, order: Order, call: Call) -> int:
        # On WebSocket, ts of a cancel or amend reply is the order's creation time; on REST it is
        # the time of processing: OKX v5 documents, "Cancel order (WS)", read 2026-07.
        return order.created_ms if call.transport == "ws" else self._exchange.clock.now_ms()

    def _clamp(self, order: Order) -> None:
        if order.price is None:
            return
        book = self._exchange.books[order.instrument.symbol]
        high = book.mid * (1 + self._exchange.rules.price_band)
        low = book.mid * (1 - self._exchange.rules.price_band)
        edge = min(order.price, high) if order.side == "buy" else max(order.price, low)
        if edge != order.price:
            ticks = order.instrument.ticks(edge) + (1 if order.side == "sell" else 0)
            order.price = order.instrument.price(ticks)

    def _visible_ms(self, call: Call) -> int:
        clock = self._exchange.clock
        lag = self._venue.faults.take(("visibility_lag",), self.context(call), clock.true_ms())
        return 0 if lag is None else clock.now_ms() + int(lag.number("delay_ms", 500))

    def _check_expiry(self, call: Call, expires_ms: int) -> None:
        if expires_ms < call.received_ms:
            raise Problem("50036")
        if expires_ms < self._exchange.clock.now_ms():
            raise Problem("50037")

    def _check_limits(self, call: Call, symbol: str) -> None:
        limits, name, group = self._venue.config.limits, call.account.name, call.op.group
        if len(call.items) == 1:
            # A batch of one spends the bucket of single orders: the sheet, 4.4.
            key, limit = ("single", name, symbol, group), limits.orders_per_2s
        else:
            key, limit = ("batch", name, symbol, group), limits.batch_orders_per_2s
        if self._venue.throttles(key, limit, _WINDOW_MS):
            raise Problem("50011")
        # Spot is exempt from the account's own limit, and so are cancels: the sheet, 4.8.
        if group == "cancel" or symbol not in self._venue.listing.by_id:
            return
        if self._venue.listing.by_id[symbol].is_spot:
            return
        if self._venue.throttles(("account", name), limits.account_orders_per_2s, _WINDOW_MS):
            raise Problem("50061")

    def _client_of(self, venue_id: str) -> str:
        order = self._exchange.orders.get(venue_id)
        return order.client_id if order is not None else ""


def expiry_ms(value: object) -> int | None:
    """Return an expTime in milliseconds; None if none is given.

    Raises:
        Problem: If it is no number.
    """
    if value is None or value == "":
        return None
    digits = str(value)
    if not digits.isdigit():
        raise Problem("51000", "expTime")
    return int(digits)


def fault_verdict(code: str, message: str) -> tuple[str, str]:
    """Return code and text of a refusal that a fault orders; a known code has its own text."""
    return code, message or text(code)


def _plain_text(value: object) -> str:
    return value if isinstance(value, str) else ""

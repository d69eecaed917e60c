"""The ledger: every request, order, fill and connection, as the exchange itself saw them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from simulator.exchange.clock import Clock
from simulator.exchange.instruments import plain
from simulator.exchange.orders import Fill, Order


@dataclass(slots=True, eq=False)
class RequestRow:
    """One request received; a batch gives one row for each of its items.

    ``expires_ms``: when the request's own expiry passes, by the venue's clock; None if it has none.
    ``address``: the host that it came from.
    """

    n: int
    ts_ms: int
    account: str
    transport: str
    op: str
    client_id: str
    venue_id: str
    symbol: str
    connection: str
    request_id: str
    processed: bool = False
    code: str = ""
    replied: bool = False
    expires_ms: int | None = None
    address: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the row as the control API shows it."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True, eq=False)
class ConnectionRow:
    """One WebSocket connection; ``closed_ms`` is None while it is open."""

    connection: str
    path: str
    opened_ms: int
    role: str = ""
    account: str = ""
    closed_ms: int | None = None
    close_code: int | None = None
    venue: str = ""
    address: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the row as the control API shows it."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Ledger:
    """Rows as they came. ``requests`` change orders; ``queries`` only ask."""

    clock: Clock
    keep_requests: bool = True
    requests: list[RequestRow] = field(default_factory=list)
    queries: list[RequestRow] = field(default_factory=list)
    connections: list[ConnectionRow] = field(default_factory=list)
    throttled: int = 0
    received: int = 0

    def request(
        self,
        account: str,
        transport: str,
        op: str,
        client_id: str = "",
        venue_id: str = "",
        symbol: str = "",
        connection: str = "",
        request_id: str = "",
        *,
        query: bool = False,
    ) -> RequestRow:
        """Write down a request that just came in; the row is completed later."""
        self.received += 1
        row = RequestRow(
            self.received,
            self.clock.true_ms(),
            account,
            transport,
            op,
            client_id,
            venue_id,
            symbol,
            connection,
            request_id,
        )
        if self.keep_requests:
            (self.queries if query else self.requests).append(row)
        return row

    def as_json(
        self, orders: Iterable[Order], fills: Iterable[Fill], *, account: str, since_ms: int
    ) -> dict[str, Any]:
        """Return everything about ``account`` ("" = all) that changed since ``since_ms``."""

        def wanted(row: RequestRow) -> bool:
            return row.ts_ms >= since_ms and account in ("", row.account)

        return {
            "requests": [row.as_json() for row in self.requests if wanted(row)],
            "queries": [row.as_json() for row in self.queries if wanted(row)],
            "orders": [
                order_json(order)
                for order in orders
                if order.updated_ms >= since_ms and account in ("", order.account.name)
            ],
            "fills": [
                fill_json(fill)
                for fill in fills
                if fill.ts_ms >= since_ms and account in ("", fill.order.account.name)
            ],
            "connections": [
                row.as_json() for row in self.connections if account in ("", row.account)
            ],
            "throttled": self.throttled,
        }


def order_json(order: Order) -> dict[str, Any]:
    """Return an order as the control API shows it: ``size`` in venue units, the rest in base."""
    instrument = order.instrument
    price = order.average or order.price or Decimal(0)
    amount = order.size
    if order.quote_sized:
        amount = order.filled
    return {
        "venue_id": order.venue_id,
        "client_id": order.client_id,
        "account": order.account.name,
        "symbol": instrument.symbol,
        "inst_type": "SPOT" if instrument.is_spot else "SWAP",
        "side": order.side,
        "type": order.kind_word,
        "size": plain(order.size),
        "amount": plain(instrument.base_amount(amount, order.price or price)),
        "price": plain(order.price) if order.price is not None else None,
        "filled": plain(instrument.base_amount(order.filled, price)),
        "avg_price": plain(order.average) if order.filled else None,
        "fee": plain(order.fee),
        "fee_currency": order.fee_currency,
        "state": order.state,
        "cancel_source": order.cancel_source,
        "created_ms": order.created_ms,
        "updated_ms": order.updated_ms,
        "transport": order.transport,
        "external": order.external,
        "reduce_only": order.reduce_only,
    }


def fill_json(fill: Fill) -> dict[str, Any]:
    """Return a fill as the control API shows it; ``fee`` is positive when paid."""
    order = fill.order
    return {
        "trade_id": str(fill.trade_id),
        "venue_id": order.venue_id,
        "client_id": order.client_id,
        "account": order.account.name,
        "symbol": order.instrument.symbol,
        "side": order.side,
        "size": plain(fill.size),
        "amount": plain(order.instrument.base_amount(fill.size, fill.price)),
        "price": plain(fill.price),
        "fee": plain(fill.fee),
        "fee_currency": order.fee_currency,
        "role": fill.role,
        "ts_ms": fill.ts_ms,
    }

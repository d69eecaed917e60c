"""A typed client of the control API, for tests and demos."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypedDict

import requests

Number = Decimal | int | str

_TIMEOUT_S = 60.0


class RequestRow(TypedDict):
    """One request as the simulator received it; a batch has one row for each item.

    ``expires_ms``: when its own expiry passes, by the venue's clock; None if it has none.
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
    processed: bool
    code: str
    replied: bool
    expires_ms: int | None
    address: str


class OrderRow(TypedDict):
    """One order: ``size`` in the venue's units, ``amount`` and ``filled`` in base units."""

    venue_id: str
    client_id: str
    account: str
    symbol: str
    inst_type: str
    side: str
    type: str
    size: str
    amount: str
    price: str | None
    filled: str
    avg_price: str | None
    fee: str
    fee_currency: str
    state: str
    cancel_source: str
    created_ms: int
    updated_ms: int
    transport: str
    external: bool
    reduce_only: bool


class FillRow(TypedDict):
    """One fill; ``amount`` in base units, ``fee`` positive when paid."""

    trade_id: str
    venue_id: str
    client_id: str
    account: str
    symbol: str
    side: str
    size: str
    amount: str
    price: str
    fee: str
    fee_currency: str
    role: str
    ts_ms: int


class ConnectionRow(TypedDict):
    """One WebSocket connection; ``closed_ms`` is None while it is open."""

    connection: str
    path: str
    opened_ms: int
    role: str
    account: str
    closed_ms: int | None
    close_code: int | None
    venue: str
    address: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """What truly happened. ``requests`` change orders, ``queries`` only ask."""

    requests: list[RequestRow]
    queries: list[RequestRow]
    orders: list[OrderRow]
    fills: list[FillRow]
    connections: list[ConnectionRow]
    throttled: int

    def orders_of(self, client_id: str) -> list[OrderRow]:
        """Return every order that ever had this client id."""
        return [row for row in self.orders if row["client_id"] == client_id]

    def fills_of(self, client_id: str) -> list[FillRow]:
        """Return the fills of this client id's orders."""
        return [row for row in self.fills if row["client_id"] == client_id]

    def requests_of(self, client_id: str) -> list[RequestRow]:
        """Return the requests that named this client id."""
        return [row for row in self.requests if row["client_id"] == client_id]


class ControlError(Exception):
    """The control API refused; the text says why."""


class ControlClient:
    """Speaks to the control API at ``url``."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/") + "/control"
        self._session = requests.Session()
        self._session.trust_env = False

    def __repr__(self) -> str:
        return f"ControlClient({self._url})"

    def close(self) -> None:
        """Close the client's connections."""
        self._session.close()

    def health(self) -> dict[str, Any]:
        """Return a summary: accounts, symbols, how many connections, orders, requests."""
        return self._call("GET", "health")

    def ledger(self, account: str = "", *, since_ms: int = 0) -> Ledger:
        """Return everything about ``account`` ("" = all) that changed since ``since_ms``."""
        return Ledger(**self._call("GET", f"ledger?account={account}&since={since_ms}"))

    def orders(self, client_id: str, *, account: str = "") -> list[OrderRow]:
        """Return every order that ever had ``client_id``."""
        found: list[OrderRow] = self._call("GET", f"orders/{client_id}?account={account}")["orders"]
        return found

    def connections(self) -> list[dict[str, Any]]:
        """Return the open WebSocket connections with their roles."""
        found: list[dict[str, Any]] = self._call("GET", "connections")["connections"]
        return found

    def arm(
        self,
        fault: str,
        *,
        count: int | None = None,
        duration_ms: int | None = None,
        match: dict[str, Any] | None = None,
        **params: Any,
    ) -> str:
        """Arm a fault; return its id."""
        body = {
            "fault": fault,
            "count": count,
            "duration_ms": duration_ms,
            "match": match or {},
            **params,
        }
        return str(self._call("POST", "faults", body)["id"])

    def disarm(self, fault_id: str | None = None) -> None:
        """Disarm one fault, or all."""
        self._call("DELETE", "faults" if fault_id is None else f"faults/{fault_id}")

    @contextmanager
    def fault(
        self,
        fault: str,
        *,
        count: int | None = None,
        duration_ms: int | None = None,
        match: dict[str, Any] | None = None,
        **params: Any,
    ) -> Iterator[str]:
        """Keep a fault armed while the block lasts; give its id."""
        fault_id = self.arm(fault, count=count, duration_ms=duration_ms, match=match, **params)
        try:
            yield fault_id
        finally:
            self.disarm(fault_id)

    def faults(self) -> list[dict[str, Any]]:
        """Return every fault armed since the last disarming, with how often it hit."""
        found: list[dict[str, Any]] = self._call("GET", "faults")["faults"]
        return found

    def hits(self, fault_id: str) -> int:
        """Return how often a fault hit."""
        return sum(int(row["hits"]) for row in self.faults() if row["id"] == fault_id)

    def close_sockets(
        self, socket: str = "", *, account: str = "", connection: str = "", code: int | None = None
    ) -> int:
        """Close the WebSockets that fit, with a close frame if ``code`` is given."""
        body = {"socket": socket, "account": account, "connection": connection, "code": code}
        return int(self._call("POST", "sockets/close", body)["closed"])

    def half_open(self, socket: str = "", *, account: str = "", connection: str = "") -> int:
        """Make the WebSockets that fit half-open: open, but deaf and dumb."""
        body = {"socket": socket, "account": account, "connection": connection}
        return int(self._call("POST", "sockets/half_open", body)["half_open"])

    def expire_streams(self, account: str = "") -> int:
        """End what keeps private streams going (a listen key, a subscription); return how many."""
        return int(self._call("POST", "streams/expire", {"account": account})["expired"])

    def send_text(self, text: str, socket: str = "", *, account: str = "") -> int:
        """Send any text on the WebSockets that fit."""
        body = {"socket": socket, "account": account, "text": text}
        return int(self._call("POST", "sockets/send", body)["sent"])

    def notice(self, socket: str = "", *, account: str = "", after_ms: int | None = None) -> int:
        """Announce a service upgrade on the WebSockets that fit, and cut them ``after_ms``."""
        body: dict[str, Any] = {"socket": socket, "account": account}
        if after_ms is not None:
            body["after_ms"] = after_ms
        return int(self._call("POST", "notice", body)["told"])

    def market(self, symbol: str, **change: Any) -> dict[str, Any]:
        """Change a market: bid, ask, bids, asks, liquidity, trade, freeze."""
        return self._call("POST", "market", {"symbol": symbol, **change})

    def move(self, symbol: str, bid: Number, ask: Number | None = None, *, venue: str = "") -> None:
        """Move the price of ``symbol``, filling the orders that it reaches.

        Here and below, ``venue`` is needed only where several that are served have the symbol.
        """
        body: dict[str, Any] = {"bid": str(bid), "venue": venue}
        if ask is not None:
            body["ask"] = str(ask)
        self.market(symbol, **body)

    def trade(
        self,
        symbol: str,
        side: str,
        amount: Number,
        *,
        price: Number | None = None,
        venue: str = "",
    ) -> Decimal:
        """Let somebody take ``amount`` (base units); return how much was taken, in venue units."""
        order = {
            "side": side,
            "amount": str(amount),
            "price": None if price is None else str(price),
        }
        return Decimal(self.market(symbol, trade=order, venue=venue)["traded"])

    def place_order(
        self,
        account: str,
        symbol: str,
        side: str,
        amount: Number,
        *,
        price: Number | None = None,
        type: str | None = None,
        client_id: str = "",
        reduce_only: bool = False,
        venue: str = "",
    ) -> OrderRow:
        """Place an order by hand; without a price it is a market order."""
        body = {
            "account": account,
            "symbol": symbol,
            "side": side,
            "amount": str(amount),
            "price": None if price is None else str(price),
            "type": type or ("market" if price is None else "limit"),
            "client_id": client_id,
            "reduce_only": reduce_only,
            "venue": venue,
        }
        return _order(self._call("POST", "orders", body))

    def cancel_order(
        self, client_id: str = "", *, venue_id: str = "", account: str = "", source: str = "user"
    ) -> OrderRow:
        """Cancel an order by hand, as ``user`` or as ``system``."""
        body = {
            "client_id": client_id,
            "venue_id": venue_id,
            "account": account,
            "source": source,
        }
        return _order(self._call("POST", "orders/cancel", body))

    def fill_order(
        self,
        client_id: str = "",
        *,
        venue_id: str = "",
        account: str = "",
        amount: Number | None = None,
        price: Number | None = None,
    ) -> OrderRow:
        """Fill an order as maker now; without ``amount`` (base units) all that is left."""
        body = {
            "client_id": client_id,
            "venue_id": venue_id,
            "account": account,
            "amount": None if amount is None else str(amount),
            "price": None if price is None else str(price),
        }
        return _order(self._call("POST", "orders/fill", body))

    def create_account(
        self,
        name: str,
        *,
        api_key: str = "",
        secret: str = "",
        passphrase: str = "",
        public_key: str = "",
        venue: str = "",
        balances: dict[str, Number] | None = None,
    ) -> AccountKeys:
        """Open an account; keys left out are made from its name. Return its keys.

        ``public_key``, an Ed25519 key as PEM, replaces the secret where the venue takes such keys.
        ``venue`` may be left out for the first one that is served.
        """
        keys = AccountKeys(
            name,
            api_key or f"{name}-key",
            secret or f"{name}-secret",
            passphrase or f"{name}-pass",
        )
        funds: dict[str, Number] = {"USDT": "1000000", "BTC": "10", "ETH": "100"}
        if balances is not None:
            funds = balances
        body = {
            "name": name,
            "api_key": keys.api_key,
            "secret": keys.secret,
            "passphrase": keys.passphrase,
            "public_key": public_key,
            "venue": venue,
            "balances": {currency: str(total) for currency, total in funds.items()},
        }
        self._call("POST", "accounts", body)
        return keys

    def set_position(self, account: str, symbol: str, amount: Number, *, venue: str = "") -> None:
        """Set a position to a signed ``amount`` in base units; 0 flattens it."""
        body = {"account": account, "symbol": symbol, "amount": str(amount), "venue": venue}
        self._call("POST", "positions", body)

    def set_balance(self, account: str, currency: str, total: Number, *, venue: str = "") -> None:
        """Set a currency's total."""
        body = {"account": account, "currency": currency, "total": str(total), "venue": venue}
        self._call("POST", "balances", body)

    def reset(self, *, sockets: bool = False) -> None:
        """Forget all that happened; close the WebSockets too if asked."""
        self._call("POST", "reset", {"sockets": sockets})

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        response = self._session.request(
            method, f"{self._url}/{path}", json=body, timeout=_TIMEOUT_S
        )
        answer: dict[str, Any] = response.json()
        if response.status_code != 200:
            raise ControlError(answer.get("error", response.text))
        return answer


@dataclass(frozen=True, slots=True)
class AccountKeys:
    """What a client needs to log in to an account."""

    name: str
    api_key: str
    secret: str
    passphrase: str


def _order(row: dict[str, Any]) -> OrderRow:
    order: OrderRow = row  # type: ignore[assignment]
    return order

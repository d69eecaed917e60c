"""Every operation of spot, by WebSocket method and by REST path: the sheet, part B."""

from __future__ import annotations

from simulator.binance import market_data, sessions
from simulator.binance.rest import Table
from simulator.binance.spot import account, listing, trading
from simulator.binance.venue import Operation

_ONE = (1, 1)
_USER = "userDataStream"

# Free of weight since 2026-04-02 unless it fails: the sheet, part B.
PLACE = Operation(
    "order",
    "place",
    "order.place",
    trading.place,
    weight=0,
    orders=_ONE,
    weight_of_refusal=1,
)
TEST = Operation("test-order", "test", "order.test", trading.test_place)
CANCEL = Operation("cancel-order", "cancel", "order.cancel", trading.cancel)
REPLACE = Operation(
    "cancel-replace", "amend", "order.cancelReplace", trading.cancel_replace, orders=_ONE
)
STATUS = Operation("query-order", "query", "order.status", account.one, weight=4)
OPEN = Operation(
    "orders-pending",
    "query",
    "openOrders.status",
    account.all_open,
    weight=6,
    weight_without_symbol=80,
)
CANCEL_ALL = Operation("cancel-all", "cancel", "openOrders.cancelAll", trading.cancel_all)
HISTORY = Operation("orders-history", "query", "allOrders", account.history, weight=20)
TRADES = Operation("fills", "query", "myTrades", account.trades, weight=20)
ACCOUNT = Operation("balance", "query", "account.status", account.status, weight=20)
LIMITS = Operation(
    "account-rate-limit", "query", "account.rateLimits.orders", account.order_limits, weight=40
)
INFO = Operation("instruments", "public", "exchangeInfo", listing.exchange_info, "public", 20)
DEPTH = Operation("depth", "public", "depth", market_data.depth, "public", 5)
BOOK_TICKER = Operation("ticker", "public", "ticker.book", market_data.book_tickers, "public", 2)
PRICE = Operation("price", "public", "ticker.price", market_data.prices, "public", 2)

METHODS = {
    **sessions.METHODS,
    **{
        operation.word: operation
        for operation in (
            PLACE,
            TEST,
            CANCEL,
            REPLACE,
            STATUS,
            OPEN,
            CANCEL_ALL,
            HISTORY,
            TRADES,
            ACCOUNT,
            LIMITS,
            INFO,
            DEPTH,
            BOOK_TICKER,
            PRICE,
            Operation(
                "subscribe",
                "login",
                f"{_USER}.subscribe.signature",
                account.subscribe_signed,
                weight=2,
            ),
            Operation("subscribe", "login", f"{_USER}.subscribe", account.subscribe, "public", 2),
            Operation(
                "unsubscribe", "public", f"{_USER}.unsubscribe", account.unsubscribe, "public", 2
            ),
            Operation(
                "session", "public", "session.subscriptions", account.subscriptions, "public", 2
            ),
        )
    },
}

REST: Table = {
    ("POST", "/api/v3/order"): PLACE,
    ("DELETE", "/api/v3/order"): CANCEL,
    ("GET", "/api/v3/order"): STATUS,
    ("POST", "/api/v3/order/test"): TEST,
    ("POST", "/api/v3/order/cancelReplace"): REPLACE,
    ("GET", "/api/v3/openOrders"): OPEN,
    ("DELETE", "/api/v3/openOrders"): CANCEL_ALL,
    ("GET", "/api/v3/allOrders"): HISTORY,
    ("GET", "/api/v3/myTrades"): TRADES,
    ("GET", "/api/v3/account"): ACCOUNT,
    ("GET", "/api/v3/rateLimit/order"): LIMITS,
    ("GET", "/api/v3/exchangeInfo"): INFO,
    ("GET", "/api/v3/depth"): DEPTH,
    ("GET", "/api/v3/ticker/bookTicker"): BOOK_TICKER,
    ("GET", "/api/v3/ticker/price"): PRICE,
    ("GET", "/api/v3/ping"): sessions.PING,
    ("GET", "/api/v3/time"): sessions.TIME,
}

"""Every operation of futures, by WebSocket method and by REST path: the sheet, A3.5 and A6.1."""

from __future__ import annotations

from simulator.binance import market_data, sessions
from simulator.binance.rest import Table
from simulator.binance.usdm import account, listing, queries, trading
from simulator.binance.venue import Operation

_ONE = (1, 1)

PLACE = Operation("order", "place", "order.place", trading.place, weight=0, orders=_ONE)
CANCEL = Operation("cancel-order", "cancel", "order.cancel", trading.cancel)
MODIFY = Operation("amend-order", "amend", "order.modify", trading.modify, weight=0, orders=_ONE)
STATUS = Operation("query-order", "query", "order.status", queries.one)
START = Operation("listen-key", "login", "userDataStream.start", account.start_stream, "key")
KEEP = Operation("listen-key", "listen-key", "userDataStream.ping", account.keep_stream, "key")
STOP = Operation("listen-key", "listen-key", "userDataStream.stop", account.stop_stream, "key")
BALANCE = Operation("balance", "query", "account.balance", account.balances, weight=5)
POSITION = Operation("positions", "query", "account.position", account.positions, weight=5)
ACCOUNT = Operation("account", "query", "account.status", account.status, weight=5)
DEPTH = Operation("depth", "public", "depth", market_data.depth, "public", 2)
BOOK_TICKER = Operation("ticker", "public", "ticker.book", market_data.book_tickers, "public", 2)
PRICE = Operation("price", "public", "ticker.price", market_data.prices, "public")

METHODS = {
    **sessions.METHODS,
    **{
        operation.word: operation
        for operation in (
            PLACE,
            CANCEL,
            MODIFY,
            STATUS,
            START,
            KEEP,
            STOP,
            BALANCE,
            POSITION,
            ACCOUNT,
            DEPTH,
            BOOK_TICKER,
            PRICE,
        )
    },
    # Methods may bear a version: the sheet, A2.
    **{f"v2/{one.word}": one for one in (BALANCE, POSITION, ACCOUNT)},
}

_BATCHES: Table = {
    ("POST", "/fapi/v1/batchOrders"): Operation(
        "batch-orders", "place", "batchOrders", trading.place_batch, weight=5, orders=(5, 1)
    ),
    ("PUT", "/fapi/v1/batchOrders"): Operation(
        "batch-amend-orders", "amend", "batchOrders", trading.modify_batch, weight=5, orders=(5, 1)
    ),
    ("DELETE", "/fapi/v1/batchOrders"): Operation(
        "batch-cancel-orders", "cancel", "batchOrders", trading.cancel_batch
    ),
    ("DELETE", "/fapi/v1/allOpenOrders"): Operation(
        "cancel-all", "cancel", "allOpenOrders", trading.cancel_all
    ),
    ("POST", "/fapi/v1/countdownCancelAll"): Operation(
        "cancel-all-after",
        "cancel-all-after",
        "countdownCancelAll",
        account.count_down,
        weight=10,
    ),
}
_QUERIES: Table = {
    ("GET", "/fapi/v1/openOrder"): Operation("query-order", "query", "openOrder", queries.one_open),
    ("GET", "/fapi/v1/openOrders"): Operation(
        "orders-pending", "query", "openOrders", queries.all_open, weight_without_symbol=40
    ),
    ("GET", "/fapi/v1/allOrders"): Operation(
        "orders-history", "query", "allOrders", queries.history, weight=5
    ),
    ("GET", "/fapi/v1/userTrades"): Operation(
        "fills", "query", "userTrades", queries.trades, weight=5
    ),
    ("GET", "/fapi/v1/rateLimit/order"): Operation(
        "account-rate-limit", "query", "rateLimit/order", account.order_limits
    ),
    ("GET", "/fapi/v1/positionSide/dual"): Operation(
        "account-config", "query", "positionSide/dual", account.position_mode, weight=30
    ),
    ("POST", "/fapi/v1/positionSide/dual"): Operation(
        "account-config", "config", "positionSide/dual", account.set_position_mode
    ),
    ("GET", "/fapi/v1/symbolConfig"): Operation(
        "account-config", "query", "symbolConfig", account.symbol_config, weight=5
    ),
    ("GET", "/fapi/v1/leverageBracket"): Operation(
        "account-config", "query", "leverageBracket", account.leverage_brackets
    ),
}
_PUBLIC: Table = {
    ("GET", "/fapi/v1/ping"): sessions.PING,
    ("GET", "/fapi/v1/time"): sessions.TIME,
    ("GET", "/fapi/v1/exchangeInfo"): Operation(
        "instruments", "public", "exchangeInfo", listing.exchange_info, "public"
    ),
    ("GET", "/fapi/v1/premiumIndex"): Operation(
        "mark", "public", "premiumIndex", listing.marks, "public"
    ),
    ("GET", "/fapi/v1/depth"): DEPTH,
    **{("GET", f"/fapi/{v}/ticker/bookTicker"): BOOK_TICKER for v in ("v1", "v2")},
    **{("GET", f"/fapi/{v}/ticker/price"): PRICE for v in ("v1", "v2")},
}

REST: Table = {
    ("POST", "/fapi/v1/order"): PLACE,
    ("DELETE", "/fapi/v1/order"): CANCEL,
    ("PUT", "/fapi/v1/order"): MODIFY,
    ("GET", "/fapi/v1/order"): STATUS,
    ("POST", "/fapi/v1/order/test"): Operation(
        "test-order", "test", "order.test", trading.test_place
    ),
    ("POST", "/fapi/v1/listenKey"): START,
    ("PUT", "/fapi/v1/listenKey"): KEEP,
    ("DELETE", "/fapi/v1/listenKey"): STOP,
    **{("GET", f"/fapi/{v}/balance"): BALANCE for v in ("v2", "v3")},
    **{("GET", f"/fapi/{v}/positionRisk"): POSITION for v in ("v2", "v3")},
    **{("GET", f"/fapi/{v}/account"): ACCOUNT for v in ("v2", "v3")},
    **_BATCHES,
    **_QUERIES,
    **_PUBLIC,
}

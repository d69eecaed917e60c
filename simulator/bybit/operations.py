"""Every operation of the trade socket and every path of REST."""

from __future__ import annotations

from collections.abc import Mapping

from simulator.bybit import market, queries, trading
from simulator.bybit.venue import Operation

CREATE = Operation("order", "place", "order.create", trading.place)
CANCEL = Operation("cancel-order", "cancel", "order.cancel", trading.cancel)
AMEND = Operation("amend-order", "amend", "order.amend", trading.amend)
CREATE_BATCH = Operation(
    "batch-orders", "place", "order.create-batch", trading.place_batch, batch=True
)
CANCEL_BATCH = Operation(
    "batch-cancel-orders", "cancel", "order.cancel-batch", trading.cancel_batch, batch=True
)
AMEND_BATCH = Operation(
    "batch-amend-orders", "amend", "order.amend-batch", trading.amend_batch, batch=True
)

TRADE: Mapping[str, Operation] = {
    one.word: one for one in (CREATE, CANCEL, AMEND, CREATE_BATCH, CANCEL_BATCH, AMEND_BATCH)
}

REST: Mapping[tuple[str, str], Operation] = {
    ("POST", "/v5/order/create"): CREATE,
    ("POST", "/v5/order/cancel"): CANCEL,
    ("POST", "/v5/order/amend"): AMEND,
    ("POST", "/v5/order/create-batch"): CREATE_BATCH,
    ("POST", "/v5/order/cancel-batch"): CANCEL_BATCH,
    ("POST", "/v5/order/amend-batch"): AMEND_BATCH,
    ("POST", "/v5/order/cancel-all"): Operation(
        "cancel-all", "cancel", "order.cancel-all", trading.cancel_all
    ),
    ("POST", "/v5/order/disconnected-cancel-all"): Operation(
        "cancel-all-after",
        "cancel-all-after",
        "order.disconnected-cancel-all",
        market.set_dcp,
        said="success",
    ),
    ("GET", "/v5/order/realtime"): Operation(
        "orders-pending", "query", "order.realtime", queries.realtime
    ),
    ("GET", "/v5/order/history"): Operation(
        "orders-history", "query", "order.history", queries.history
    ),
    ("GET", "/v5/execution/list"): Operation(
        "fills", "query", "execution.list", queries.executions
    ),
    ("GET", "/v5/position/list"): Operation(
        "positions", "query", "position.list", queries.positions
    ),
    ("GET", "/v5/account/wallet-balance"): Operation(
        "balance", "query", "account.wallet-balance", queries.wallet, said=""
    ),
    ("GET", "/v5/account/info"): Operation(
        "account-config", "query", "account.info", market.account_info
    ),
    ("GET", "/v5/account/query-dcp-info"): Operation(
        "account-config", "query", "account.query-dcp-info", market.dcp_info
    ),
    ("GET", "/v5/user/query-api"): Operation(
        "account-config", "query", "user.query-api", market.key_info
    ),
    ("GET", "/v5/market/time"): Operation(
        "time", "public", "market.time", market.time, False, said="SUCCESS"
    ),
    ("GET", "/v5/market/instruments-info"): Operation(
        "instruments", "public", "market.instruments-info", market.instruments, False
    ),
    ("GET", "/v5/market/tickers"): Operation(
        "ticker", "public", "market.tickers", market.tickers, False
    ),
    ("GET", "/v5/market/orderbook"): Operation(
        "depth", "public", "market.orderbook", market.orderbook, False
    ),
}

from decimal import Decimal
from strategy_sdk.strategy import Strategy
from strategy_sdk.constants import OrderSide, OrderType, ExchangeType, WsOrderResultType
from strategy_sdk.schema import BookL1, Order

SYMBOL = "BTCUSDT-PERP.OKX"

class RobustEntry(Strategy):

    def __init__(self):
        super().__init__()
        self._ws_ready = True

    def on_start(self):
        self.subscribe_bookl1(symbols=[SYMBOL])
        self.set_reconnect_reconcile_grace_ms(ExchangeType.OKX, grace_ms=1200)

    # ── 1. Idempotent WS order submission ──────────────────────────────
    def on_bookl1(self, bookl1: BookL1):
        if not self._ws_ready:
            return
        if bookl1.ask < 90_000:
            self.create_order_ws(
                symbol=SYMBOL,
                side=OrderSide.BUY,
                type=OrderType.LIMIT,
                amount=Decimal("0.001"),
                price=self.price_to_precision(SYMBOL, bookl1.ask),
                idempotency_key="entry:btc:long",
                ws_fallback=True,   # REST retry if WS drops mid-flight
            )

    # ── 2. Structured ACK error handling ───────────────────────────────
    def on_ws_order_request_result(self, result: dict):
        rt     = result["result_type"]
        oid    = result["oid"]
        reason = result["reason"]

        if rt == WsOrderResultType.ACK_TIMEOUT_CONFIRMED:
            self.log.info(f"Order {oid} confirmed via REST after ACK timeout")
        elif rt == WsOrderResultType.ACK_REJECTED:
            self.log.warning(f"Order {oid} rejected: {reason}")
        elif rt == WsOrderResultType.ACK_TIMEOUT:
            order = self.fetch_order(SYMBOL, oid, force_refresh=True)
            if order is None:
                self.log.error(f"Order {oid} missing after timeout — resubmit?")

    # ── 3. Reconnect awareness ─────────────────────────────────────────
    def on_private_ws_status(self, status: dict):
        if status["event"] == "disconnected":
            self._ws_ready = False
        elif status["event"] in ("reconnected", "resynced"):
            self._ws_ready = True

    def on_private_ws_resync_diff(self, payload: dict):
        diff = payload.get("diff", {})
        removed = diff.get("open_orders_removed", [])
        if removed:
            self.log.warning(f"Orders gone during outage: {removed}")

    # ── 4. Standard order lifecycle callbacks ──────────────────────────
    def on_filled_order(self, order: Order):
        self.log.info(f"Filled {order.oid} @ {order.avg_price}")

    def on_failed_order(self, order: Order):
        self.log.error(f"Failed {order.oid}: {order.reason}")

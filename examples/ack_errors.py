"""Every way in which a request can end other than well, and what to do about it.

order-router run examples/ack_errors.py:AckErrors --strategy-id ack-errors --account okx-main
"""

from decimal import Decimal
from typing import Any

from strategy_sdk import run
from strategy_sdk.constants import OrderSide, OrderType, WsOrderResultType
from strategy_sdk.errors import QueryFailed
from strategy_sdk.schema import BookL1
from strategy_sdk.strategy import Strategy

SYMBOL = "BTCUSDT-PERP.OKX"


class AckErrors(Strategy):
    """Buys once and tells every outcome apart."""

    def on_start(self) -> None:
        self.subscribe_bookl1(SYMBOL)

    def on_bookl1(self, bookl1: BookL1) -> None:
        self.create_order_ws(
            symbol=SYMBOL,
            side=OrderSide.BUY,
            type=OrderType.LIMIT,
            amount=Decimal("0.001"),
            price=self.price_to_precision(SYMBOL, bookl1.ask),
            idempotency_key="ack-errors:entry",
        )

    def on_ws_order_request_result(self, result: dict[str, Any]) -> None:
        outcome, symbol, oid = result["result_type"], result["symbol"], result["oid"]
        if outcome == WsOrderResultType.ACK_TIMEOUT_CONFIRMED:
            self.log.info("[%s] %s exists, only its ACK was lost", symbol, oid)
        elif outcome == WsOrderResultType.ACK_REJECTED:
            self.log.warning("[%s] refused by the venue: %s", symbol, result["reason"])
        elif outcome == WsOrderResultType.ACK_TIMEOUT:
            self._ask(symbol, oid)
        elif outcome == WsOrderResultType.REQUEST_NOT_SENT:
            self.log.error("[%s] %s was never sent: %s", symbol, oid, result["reason"])

    def _ask(self, symbol: str, oid: str) -> None:
        try:
            order = self.fetch_order(symbol, oid, force_refresh=True)
        except QueryFailed as error:
            # Nothing new is known: it may exist. The router keeps asking and will tell.
            self.log.error("[%s] %s stays unknown: %s", symbol, oid, error)
            return
        if order is None:
            self.log.error("[%s] %s is not at the venue", symbol, oid)
        else:
            self.log.info("[%s] %s found at the venue: %s", symbol, oid, order.status)


if __name__ == "__main__":
    run(AckErrors(), strategy_id="ack-errors", accounts={"okx": "okx-main"})

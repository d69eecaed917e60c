"""With the trade socket down: by REST without a word, or refused at once.

    order-router run examples/fallback_modes.py:FallbackModes \
        --strategy-id fallback-modes --account okx-main
"""

from decimal import Decimal

from strategy_sdk import run
from strategy_sdk.constants import OrderSide, OrderType
from strategy_sdk.schema import BookL1, Order
from strategy_sdk.strategy import Strategy

SYMBOL = "BTCUSDT-PERP.OKX"


class FallbackModes(Strategy):
    """Places a patient and a strict order far below the market, then cancels both strictly."""

    def on_start(self) -> None:
        self.subscribe_bookl1(SYMBOL)

    def on_bookl1(self, bookl1: BookL1) -> None:
        price = self.price_to_precision(SYMBOL, bookl1.bid * 0.9, "floor")
        self._bid(price, "patient", ws_fallback=True)
        self._bid(price, "strict", ws_fallback=False)

    def _bid(self, price: Decimal, name: str, *, ws_fallback: bool) -> None:
        self.create_order_ws(
            symbol=SYMBOL,
            side=OrderSide.BUY,
            type=OrderType.LIMIT,
            amount=Decimal("0.001"),
            price=price,
            idempotency_key=f"fallback:{name}",
            ws_fallback=ws_fallback,
        )

    def on_accepted_order(self, order: Order) -> None:
        self.cancel_order_ws(symbol=SYMBOL, oid=order.oid, ws_fallback=False)

    def on_failed_order(self, order: Order) -> None:
        self.log.warning("not sent, and it must not be sent late: %s", order.reason)

    def on_cancel_failed_order(self, order: Order) -> None:
        self.log.warning("%s is still %s: %s", order.oid, order.standing, order.reason)
        if order.is_opened:
            self.cancel_order_ws(symbol=SYMBOL, oid=order.oid)  # this time by whatever way works

    def on_canceled_order(self, order: Order) -> None:
        self.log.info("%s is canceled", order.oid)


if __name__ == "__main__":
    run(FallbackModes(), strategy_id="fallback-modes", accounts={"okx": "okx-main"})

"""One order however often the signal fires, in however many processes and restarts.

    order-router run examples/idempotent_entry.py:IdempotentEntry \
        --strategy-id idempotent-entry --account okx-main
"""

from decimal import Decimal

from strategy_sdk import run
from strategy_sdk.constants import OrderSide, OrderType
from strategy_sdk.errors import Denied
from strategy_sdk.schema import BookL1, Order
from strategy_sdk.strategy import Strategy

SYMBOL = "BTCUSDT-PERP.OKX"
KEY = "entry:btc:long"


class IdempotentEntry(Strategy):
    """Buys once below a price; after a refusal, once more."""

    def __init__(self) -> None:
        super().__init__()
        self.tries_left = 1

    def on_start(self) -> None:
        self.subscribe_bookl1(SYMBOL)

    def on_bookl1(self, bookl1: BookL1) -> None:
        if bookl1.ask < 90_000:
            # Each further call returns the same oid and sends nothing.
            self.create_order_ws(
                symbol=SYMBOL,
                side=OrderSide.BUY,
                type=OrderType.LIMIT,
                amount=Decimal("0.001"),
                price=self.price_to_precision(SYMBOL, bookl1.ask),
                client_oid="entry_btc_001",  # illegal on OKX: the venue sees a legal stand-in
                idempotency_key=KEY,
            )

    def on_accepted_order(self, order: Order) -> None:
        self.log.info("%s is on the book; the venue knows it as %s", order.oid, order.client_id)

    def on_failed_order(self, order: Order) -> None:
        self.log.error("%s failed: %s", order.oid, order.reason)
        if not self.tries_left:
            return  # the key stays taken, so the signal is spent
        self.tries_left -= 1
        try:
            self.release_idempotency_key(KEY)
        except Denied as refusal:
            self.log.warning("the key stays taken: %s", refusal)


if __name__ == "__main__":
    run(IdempotentEntry(), strategy_id="idempotent-entry", accounts={"okx": "okx-main"})

"""More patience with slow snapshots before an order missing from one counts as closed.

    order-router run examples/grace_window.py:GraceWindow \
        --strategy-id grace-window --account okx-main
"""

from strategy_sdk import run
from strategy_sdk.constants import ExchangeType
from strategy_sdk.strategy import Strategy


class GraceWindow(Strategy):
    """Sets the grace per exchange; the largest value of an account's strategies holds."""

    def on_start(self) -> None:
        self.set_reconnect_reconcile_grace_ms(ExchangeType.OKX, grace_ms=1500)
        self.set_reconnect_reconcile_grace_ms(ExchangeType.BINANCE, grace_ms=1000)


if __name__ == "__main__":
    run(GraceWindow(), strategy_id="grace-window", accounts={"okx": "okx-main"})

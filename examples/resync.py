"""What happened while the connection was down, told once it is back.

order-router run examples/resync.py:ResyncAware --strategy-id resync --account okx-main
"""

from typing import Any

from strategy_sdk import run
from strategy_sdk.strategy import Strategy


class ResyncAware(Strategy):
    """Trades only while the account's state is known."""

    def __init__(self) -> None:
        super().__init__()
        self.ws_ready = True

    def on_private_ws_status(self, status: dict[str, Any]) -> None:
        event, exchange = status["event"], status["exchange"]
        self.log.info("[%s] %s", exchange, event)
        if event in ("disconnected", "worker_down", "resync_failed"):
            self.ws_ready = False
        elif event == "resynced":
            self.ws_ready = True

    def on_private_ws_resync_diff(self, payload: dict[str, Any]) -> None:
        diff = payload.get("diff", {})
        if closed := diff.get("open_orders_removed", []):
            self.log.warning("orders closed during the outage: %s", closed)
        if opened := diff.get("open_orders_added", []):
            self.log.info("orders found after the reconnect: %s", opened)
        if positions := diff.get("positions_closed", []):
            self.log.warning("positions closed during the outage: %s", positions)


if __name__ == "__main__":
    run(ResyncAware(), strategy_id="resync", accounts={"okx": "okx-main"})

"""A strategy that writes down every callback and every call, one JSON line each, as it happens."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import orjson

from strategy_sdk.schema import Order
from strategy_sdk.strategy import Strategy


def _ms() -> float:
    return time.time_ns() / 1_000_000


def recorded(path: Path) -> Iterator[dict[str, Any]]:
    """Yield what was written to ``path``, by all runs of a strategy; nothing if it never ran."""
    if path.exists():
        yield from map(orjson.loads, path.read_bytes().splitlines())


class RecordedStrategy(Strategy):
    """Base of the demo's strategies; what it writes is what the callbacks really got."""

    def __init__(self) -> None:
        super().__init__()
        self._file: IO[bytes] | None = None

    def record_to(self, path: str) -> None:
        """Write to ``path`` from now on."""
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115  # closed when the run stops

    def note(self, kind: str, **fields: Any) -> None:
        """Write one line; it is in the kernel's hands when this returns."""
        if self._file is not None:
            line = {"t_ms": _ms(), "kind": kind, **fields}
            self._file.write(orjson.dumps(line, default=str) + b"\n")

    def on_stop(self) -> None:
        self.note("stopped")
        if self._file is not None:
            self._file.close()
            self._file = None

    # --- every callback, as it came

    def told(self, order: Order) -> None:
        """Write an order event."""
        self.note(
            "order",
            oid=order.oid,
            client_id=order.client_id,
            eid=order.eid,
            symbol=order.symbol,
            status=order.status,
            standing=order.standing,
            amount=order.amount,
            filled=order.filled,
            trade_id=order.trade_id,
            last_filled=order.last_filled,
            last_filled_price=order.last_filled_price,
            reason=order.reason,
        )

    def on_pending_order(self, order: Order) -> None:
        self.told(order)

    def on_accepted_order(self, order: Order) -> None:
        self.told(order)

    def on_partially_filled_order(self, order: Order) -> None:
        self.told(order)

    def on_filled_order(self, order: Order) -> None:
        self.told(order)

    def on_canceling_order(self, order: Order) -> None:
        self.told(order)

    def on_canceled_order(self, order: Order) -> None:
        self.told(order)

    def on_expired_order(self, order: Order) -> None:
        self.told(order)

    def on_failed_order(self, order: Order) -> None:
        self.told(order)

    def on_cancel_failed_order(self, order: Order) -> None:
        self.told(order)

    def on_ws_order_request_result(self, result: dict[str, Any]) -> None:
        self.note("request", **result)

    def on_private_ws_status(self, status: dict[str, Any]) -> None:
        self.note("status", event=status["event"])

    def on_private_ws_resync_diff(self, payload: dict[str, Any]) -> None:
        self.note("diff", diff=payload["diff"])

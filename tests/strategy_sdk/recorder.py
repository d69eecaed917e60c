"""A strategy that writes down what it is told."""

import threading
from decimal import Decimal
from typing import Any

from strategy_sdk import Runner, Strategy
from strategy_sdk.constants import OrderSide, OrderType
from strategy_sdk.schema import AccountBalance, BookL1, Order, Position

SYMBOL = "BTCUSDT-PERP.OKX"


class Recorder(Strategy):
    """``told`` holds (callback, argument) in order; ``threads`` the threads they came in."""

    runner: Runner

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, Any]] = []
        self.threads: set[str] = set()

    def names(self) -> list[str]:
        return [name for name, _ in self.told]

    def of(self, name: str) -> list[Any]:
        return [argument for told, argument in self.told if told == name]

    def buy(self, amount: str = "0.001", price: str = "89500", **changes: Any) -> str:
        return self.create_order_ws(
            changes.pop("symbol", SYMBOL),
            OrderSide.BUY,
            OrderType.LIMIT,
            Decimal(amount),
            Decimal(price),
            **changes,
        )

    def note(self, name: str, argument: Any = None) -> None:
        self.threads.add(threading.current_thread().name)
        self.told.append((name, argument))

    def on_start(self) -> None:
        self.note("start")

    def on_stop(self) -> None:
        self.note("stop")

    def on_bookl1(self, bookl1: BookL1) -> None:
        self.note("book", bookl1)

    def on_pending_order(self, order: Order) -> None:
        self.note("pending", order)

    def on_accepted_order(self, order: Order) -> None:
        self.note("accepted", order)

    def on_partially_filled_order(self, order: Order) -> None:
        self.note("partially_filled", order)

    def on_filled_order(self, order: Order) -> None:
        self.note("filled", order)

    def on_canceling_order(self, order: Order) -> None:
        self.note("canceling", order)

    def on_canceled_order(self, order: Order) -> None:
        self.note("canceled", order)

    def on_expired_order(self, order: Order) -> None:
        self.note("expired", order)

    def on_failed_order(self, order: Order) -> None:
        self.note("failed", order)

    def on_cancel_failed_order(self, order: Order) -> None:
        self.note("cancel_failed", order)

    def on_balance(self, balance: AccountBalance) -> None:
        self.note("balance", balance)

    def on_position(self, position: Position) -> None:
        self.note("position", position)

    def on_private_ws_status(self, status: dict[str, Any]) -> None:
        self.note("status", status)

    def on_private_ws_resync_diff(self, payload: dict[str, Any]) -> None:
        self.note("diff", payload)

    def on_results_lost(self, gap: dict[str, Any]) -> None:
        self.note("lost", gap)

    def on_ws_order_request_result(self, result: dict[str, Any]) -> None:
        self.note("request_result", result)

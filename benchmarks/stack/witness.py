"""``python -m benchmarks.stack.witness URL PREFIX ACCOUNT STRATEGY``: says when it was told what.

Questions, one JSON object a line; times are ms of the machine's wall clock, as the ledger's:
- ``{"do": "submit", "orders": n}`` → ``submitted``: oid → when ``create_order_ws`` was called;
- ``{"do": "await", "oids": […], "what": …}`` → ``told``: oid → when; ``what`` is an order's status
  or a request's result type;
- ``{"do": "await_event", "event": …, "after_ms": …}`` → ``at_ms``: when that event of the private
  socket was told, the first one since;
- ``{"do": "clear"}``: end all open orders.
"""

import sys
import time
from collections.abc import Callable
from decimal import Decimal
from threading import Condition
from typing import Any, TypeVar

from benchmarks.children import answer_questions
from router.enums import OrderSide, OrderType
from router.settings import Settings
from strategy_sdk import Runner, Strategy
from strategy_sdk.schema import Order

SYMBOL = "BTCUSDT-PERP.OKX"
AMOUNT = Decimal("0.0001")
PRICE = Decimal("85500")  # rests: the simulator's market stands at about 89 500
_PATIENCE_S = 30.0
T = TypeVar("T")


def wall_ms() -> float:
    """Return the machine's time; the ledger's times are on the same clock."""
    return time.time_ns() / 1e6


class Witness(Strategy):
    """Notes when it was told what."""

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[tuple[str, str], float] = {}
        self._events: list[tuple[str, float]] = []
        self._news = Condition()

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """Return what was asked for."""
        match question["do"]:
            case "submit":
                return {"submitted": dict(self._submit() for _ in range(question["orders"]))}
            case "await":
                return {
                    "told": {oid: self._when(oid, question["what"]) for oid in question["oids"]}
                }
            case "await_event":
                return {"at_ms": self._event_at(question["event"], question["after_ms"])}
            case "clear":
                self.cancel_all_orders(SYMBOL)
                self._wait(lambda: not self.cache.get_open_orders(SYMBOL), "all orders ended")
                return {}
            case unknown:
                return {"error": f"unknown question {unknown!r}"}

    def _submit(self) -> tuple[str, float]:
        at_ms = wall_ms()
        return self.create_order_ws(SYMBOL, OrderSide.BUY, OrderType.LIMIT, AMOUNT, PRICE), at_ms

    def _when(self, oid: str, what: str) -> float:
        return self._wait(lambda: self._told.get((oid, what)), f"{what} of {oid}")

    def _event_at(self, event: str, after_ms: float) -> float:
        def found() -> float | None:
            later = (at for name, at in self._events if name == event and at > after_ms)
            return next(later, None)

        return self._wait(found, event)

    def _wait(self, look: Callable[[], T | None], what: str) -> T:
        with self._news:
            if not self._news.wait_for(look, _PATIENCE_S):
                told = sorted(self._told, key=lambda key: self._told[key])[-6:]
                raise TimeoutError(f"not told in {_PATIENCE_S:.0f} s: {what}; last told: {told}")
        found = look()
        assert found
        return found

    def _note(self, oid: str, what: str) -> None:
        with self._news:
            self._told.setdefault((oid, what), wall_ms())
            self._news.notify_all()

    # --- what is told -----------------------------------------------------------------------------

    def on_pending_order(self, order: Order) -> None:
        self._note(order.oid, order.status.value)

    def on_accepted_order(self, order: Order) -> None:
        self._note(order.oid, order.status.value)

    def on_canceled_order(self, order: Order) -> None:
        self._note(order.oid, order.status.value)

    def on_failed_order(self, order: Order) -> None:
        self._note(order.oid, order.status.value)

    def on_ws_order_request_result(self, result: dict[str, Any]) -> None:
        self._note(result["oid"], str(result["result_type"].value))

    def on_private_ws_status(self, status: dict[str, Any]) -> None:
        with self._news:
            self._events.append((status["event"], wall_ms()))
            self._news.notify_all()


def main(url: str, prefix: str, account: str, name: str) -> None:
    """Run the strategy until stdin ends."""
    witness = Witness()
    settings = Settings(redis_url=url, prefix=prefix)
    runner = Runner(witness, name, {"okx": account}, settings=settings, redis_url=url)
    runner.start()

    def answer(question: dict[str, Any]) -> dict[str, Any]:
        try:
            return witness.answer(question)
        except TimeoutError as error:
            return {"error": str(error)}

    answer_questions(answer)
    runner.stop()
    runner.join()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""``python -m benchmarks.stack.strategy URL PREFIX ACCOUNT STRATEGY [SYMBOL AMOUNT]``: load.

Orders are resting limit orders: each gets an acknowledgement (``on_pending_order``) and a push that
it is on the book (``on_accepted_order``). After the first, every order is submitted by a callback,
as strategies do.
"""

import sys
import threading
import time
from decimal import Decimal
from typing import Any

from benchmarks.children import answer_questions
from benchmarks.stack.stamps import Stamps
from router.enums import OrderSide, OrderType
from router.settings import Settings
from strategy_sdk import Runner, Strategy
from strategy_sdk.schema import BatchOrder, Order

SYMBOL = "BTCUSDT-PERP.OKX"
AMOUNT = "0.0001"
PRICE = Decimal("85500")  # rests: the simulator's market stands at about 89 500
_PATIENCE_S = 60.0


class Load(Strategy):
    """Submits orders one at a time, or as fast as a window allows."""

    def __init__(self, symbol: str = SYMBOL, amount: str = AMOUNT) -> None:
        super().__init__()
        self._symbol, self._amount = symbol, Decimal(amount)
        self.problems: list[str] = []
        self.stamps: Stamps | None = None
        self._done = threading.Event()
        self._open = 0
        self._orders = self._window = self._batch = 0
        self._submitted = self._pending = self._accepted = 0
        self._began_ns = self._ended_ns = 0
        self._at_ns: dict[str, int] = {}
        self._times_ns: list[int] = []

    # --- what is asked, in the main thread --------------------------------------------------------

    def answer(self, question: dict[str, Any], runner: Runner) -> dict[str, Any]:
        """Return what was asked for; see ``benchmarks.side``."""
        kind = question["do"]
        with runner.callbacks.lock:  # no callback before the first order's time is noted
            self._done.clear()
            if kind == "clear":
                self._clear()
            else:
                self._begin(question)
        if not self._done.wait(_PATIENCE_S):
            self.problems.append(f"{kind}: not all told in {_PATIENCE_S:.0f} s: {self._counts()}")
        if self.problems:
            return {"error": "; ".join(self.problems[:5])}
        if kind == "trace" and self.stamps is not None:
            return {"stamps": self.stamps.taken()}
        return {
            "times_ns": self._times_ns,
            "began_ns": self._began_ns,
            "ended_ns": self._ended_ns,
        }

    def _counts(self) -> str:
        return (
            f"submitted {self._submitted} of {self._orders}, pending {self._pending}, "
            f"accepted {self._accepted}, open {self._open}"
        )

    def _begin(self, question: dict[str, Any]) -> None:
        self._orders = question["orders"]
        self._window, self._batch = question.get("window", 1), question.get("batch", 1)
        self._submitted = self._pending = self._accepted = 0
        self._times_ns = []
        self._at_ns.clear()
        self._began_ns = time.perf_counter_ns()
        self._submit_more()

    def _clear(self) -> None:
        if not self._open or not self.cancel_all_orders(self._symbol):
            self._done.set()

    # --- orders -----------------------------------------------------------------------------------

    def _submit_more(self) -> None:
        while self._submitted < self._orders:
            if self._submitted - self._answered > self._window - self._batch:
                return
            count = min(self._batch, self._orders - self._submitted)
            self._submit_one() if count == 1 else self._submit_batch(count)
            self._submitted += count

    @property
    def _answered(self) -> int:
        # One at a time means that nothing of the order before is still under way.
        return self._accepted if self._window == 1 else self._pending

    def _submit_one(self) -> None:
        at_ns = time.perf_counter_ns()
        self._stamp("submit")
        oid = self.create_order_ws(
            self._symbol, OrderSide.BUY, OrderType.LIMIT, self._amount, PRICE
        )
        self._stamp("admitted")
        self._at_ns[oid] = at_ns

    def _submit_batch(self, count: int) -> None:
        at_ns = time.perf_counter_ns()
        one = BatchOrder(self._symbol, OrderSide.BUY, OrderType.LIMIT, self._amount, PRICE)
        for oid in self.create_batch_orders([one] * count):
            self._at_ns[oid] = at_ns

    def _stamp(self, name: str) -> None:
        if self.stamps is not None:
            self.stamps.take(name)

    # --- what is told -----------------------------------------------------------------------------

    def on_pending_order(self, order: Order) -> None:
        self._stamp("pending")
        now_ns = time.perf_counter_ns()
        self._times_ns.append(now_ns - self._at_ns.pop(order.oid))
        self._pending += 1
        if self._pending == self._orders:
            self._ended_ns = now_ns
        if self._window > 1:
            self._submit_more()

    def on_accepted_order(self, order: Order) -> None:
        self._accepted += 1
        self._open += 1
        if self._accepted == self._orders:
            self._done.set()
        elif self._window == 1:
            self._submit_more()

    def on_canceled_order(self, order: Order) -> None:
        self._open -= 1
        if not self._open:
            self._done.set()

    def on_failed_order(self, order: Order) -> None:
        self._wrong(f"order {order.oid} failed: {order.reason}")

    def on_cancel_failed_order(self, order: Order) -> None:
        self._wrong(f"order {order.oid} could not be canceled: {order.reason}")

    def on_ws_order_request_result(self, result: dict[str, Any]) -> None:
        self._wrong(f"request not plainly successful: {result}")

    def _wrong(self, what: str) -> None:
        self.problems.append(what)
        self._done.set()


def main(url: str, prefix: str, account: str, name: str, *trades: str) -> None:
    """Run the strategy until stdin ends."""
    load = Load(*trades)
    exchange = (trades[0] if trades else SYMBOL).rpartition(".")[2].lower()
    settings = Settings(redis_url=url, prefix=prefix)
    runner = Runner(load, name, {exchange: account}, settings=settings, redis_url=url)
    runner.start()

    def answer(question: dict[str, Any]) -> dict[str, Any]:
        if question["do"] == "trace" and load.stamps is None:
            load.stamps = Stamps()
            load.stamps.watch(runner.reader, "_tell", "received")
        return load.answer(question, runner)

    answer_questions(answer)
    runner.stop()
    runner.join()


if __name__ == "__main__":
    main(*sys.argv[1:])

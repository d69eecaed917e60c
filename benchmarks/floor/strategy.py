"""``python -m benchmarks.floor.strategy URL PREFIX STRATEGY [on-book]``: FCALL, XREAD; no logic."""

import itertools
import sys
import time
from typing import Any

import redis

from benchmarks.children import answer_questions
from benchmarks.floor import keys

_COUNT = 200
_BLOCK_MS = 1_000
_PATIENCE_S = 60.0
#: What an OKX order frame of ours holds, so that both sides carry as many bytes.
_ORDER = (
    '{"id":"%s","op":"order","args":[{"instIdCode":10461,"tdMode":"cross","side":"buy",'
    '"ordType":"limit","sz":"0.01","px":"85500","clOrdId":"%s"}],"expTime":"%d"}'
)
_VALID_MS = 10_000


class FloorStrategy:
    """Submits and waits, in one thread.

    ``on_book``: whether an order is told to be on the book, too, as the simulator does; one at a
    time, the next one is submitted after that, untimed.
    """

    def __init__(self, url: str, prefix: str, name: str, *, on_book: bool = False) -> None:
        self._client: Any = redis.Redis.from_url(url, decode_responses=True, retry=None)
        self._prefix = prefix
        self._name = name
        self._on_book = on_book
        self._accepted = 0
        self._intents = keys.intents(prefix, name)
        self._results = keys.results(prefix, name)
        self._last = "0-0"
        self._numbers = itertools.count(1)

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """Return what was asked for; see ``benchmarks.side``."""
        kind, orders = question["do"], int(question.get("orders", 0))
        if kind == "latency":
            began = time.perf_counter_ns()
            times = [self._one() for _ in range(orders)]
            return {"times_ns": times, "began_ns": began, "ended_ns": time.perf_counter_ns()}
        if kind == "burst":
            return self._burst(orders, int(question["window"]), int(question["batch"]))
        return {}

    def _one(self) -> int:
        began = time.perf_counter_ns()
        self._submit(self._client)
        self._accepted = 0
        while not self._wait():
            continue
        took = time.perf_counter_ns() - began
        while self._on_book and not self._accepted:
            self._wait()
        return took

    def _burst(self, orders: int, window: int, batch: int) -> dict[str, Any]:
        began = time.perf_counter_ns()
        submitted = told = 0
        while told < orders:
            while submitted < orders and submitted - told <= window - batch:
                count = min(batch, orders - submitted)
                self._submit_many(count)
                submitted += count
            told += self._wait()
        ended = time.perf_counter_ns()
        return {"began_ns": began, "ended_ns": ended}

    def _submit_many(self, count: int) -> None:
        if count == 1:
            self._submit(self._client)
            return
        pipe = self._client.pipeline(transaction=False)
        for _ in range(count):
            self._submit(pipe)
        pipe.execute()

    def _submit(self, client: Any) -> None:
        oid = f"{self._name}{next(self._numbers):028x}"
        order = _ORDER % (oid, oid, time.time_ns() // 1_000_000 + _VALID_MS)
        fields = (
            *("oid", oid, "symbol", "BTCUSDT-PERP.OKX", "side", "BUY", "type", "LIMIT"),
            *("amount", "0.0001", "price", "85500", "tif", "GTC", "reduce_only", "0"),
            *("via", "ws", "request", "create", "state", "INITIALIZED", "order", order),
        )
        names = (keys.idem(self._prefix, oid), keys.order(self._prefix, oid), self._intents)
        client.fcall(keys.ADMIT, 3, *names, oid, *fields)

    def _wait(self) -> int:
        """Return how many acknowledgements came with the next read."""
        until_s = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until_s:
            reply = self._client.xread({self._results: self._last}, _COUNT, _BLOCK_MS)
            for _, entries in reply or ():
                self._last = entries[-1][0]
                said = [fields["status"] for _, fields in entries]
                self._accepted += said.count(keys.ACCEPTED)
                return said.count(keys.PENDING)
        raise TimeoutError("no result came; the floor's worker or venue is gone")


if __name__ == "__main__":
    redis_url, key_prefix, strategy, *told = sys.argv[1:]
    floor = FloorStrategy(redis_url, key_prefix, strategy, on_book=told == ["on-book"])
    answer_questions(floor.answer)

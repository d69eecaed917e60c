"""Books: the latest only, a first one waited for, leftovers ignored."""

import threading
from typing import Any

import pytest
import redis

from router.errors import ConfigError, InvalidArgument
from router.keyspace import AccountKeys, VenueKeys
from strategy_sdk import Runner
from strategy_sdk.errors import NotReady
from strategy_sdk.schema import BookL1
from strategy_sdk.scripted_worker import ScriptedWorker
from strategy_sdk.testing import linear_perpetual
from tests.strategy_sdk.conftest import Start
from tests.strategy_sdk.recorder import SYMBOL, Recorder
from tests.strategy_sdk.waiting import DEADLINE_S, wait_for

KEYS = AccountKeys("okx-main")
VENUE = VenueKeys("okx")


def events(strategy: Recorder) -> list[str]:
    return [status["event"] for status in strategy.of("status")]


@pytest.mark.scenario("E8")
def test_a_slow_callback_delays_only_its_own_strategy_and_gets_the_latest_book(
    start: Start, worker: ScriptedWorker
) -> None:
    release, entered = threading.Event(), threading.Event()

    class Slow(Recorder):
        def on_private_ws_status(self, status: dict[str, Any]) -> None:
            entered.set()
            release.wait(DEADLINE_S)

    slow, other = start(Slow()), start(strategy_id="beta")
    for one in (slow, other):
        one.subscribe_bookl1(SYMBOL, ready=False)
    worker.status("connected")
    assert entered.wait(DEADLINE_S)
    for number in range(1, 6):
        worker.book(SYMBOL, "80000", str(90_000 + number))
        wait_for(lambda: len(other.of("book")) == number)  # noqa: B023  # awaited at once
    release.set()
    wait_for(lambda: slow.of("book"))
    assert [book.ask for book in slow.of("book")] == [90_005]


def test_a_book_that_waited_behind_a_slow_callback_is_read_again(
    start: Start, worker: ScriptedWorker
) -> None:
    class Slow(Recorder):
        def on_private_ws_status(self, status: dict[str, Any]) -> None:
            super().on_private_ws_status(status)
            if status["event"] == "slow":
                worker.book(SYMBOL, "80000", "90002")  # newer than the one read with this event
                threading.Event().wait(0.02)

    alpha = start(Slow())
    alpha.subscribe_bookl1(SYMBOL, ready=False)
    with alpha.runner.callbacks.lock:
        worker.status("the reader waits here while what follows gathers")
        wait_for(lambda: alpha.runner.reader.telling)
        worker.status("slow")
        worker.book(SYMBOL, "80000", "90001")
    wait_for(lambda: alpha.of("book"))
    assert [book.ask for book in alpha.of("book")] == [90_002]


def test_a_first_book_is_waited_for_and_then_delivered(
    start: Start, worker: ScriptedWorker, redis_client: Any
) -> None:
    class Subscribes(Recorder):
        def on_start(self) -> None:
            self.subscribe_bookl1([SYMBOL], ready_timeout=DEADLINE_S)
            self.note("ready", self.cache.bookl1(SYMBOL))

    worker.book(SYMBOL, "1", "2")  # a leftover: nobody wanted it, so nobody keeps it up to date

    def publish_once_wanted() -> None:
        wait_for(lambda: redis_client.zscore(VENUE.wanted, SYMBOL))
        worker.book(SYMBOL, "80000", "90000")

    publishing = threading.Thread(target=publish_once_wanted)
    publishing.start()
    alpha = start(Subscribes())
    publishing.join()
    wait_for(lambda: alpha.of("book"))
    assert [book.ask for book in alpha.of("ready") + alpha.of("book")] == [90_000, 90_000]
    assert alpha.ready


def test_a_book_that_others_keep_wanted_is_there_at_once(
    start: Start, worker: ScriptedWorker
) -> None:
    first = start()
    first.subscribe_bookl1(SYMBOL, ready=False)
    worker.book(SYMBOL, "80000", "90000")
    second = start(strategy_id="beta")
    second.subscribe_bookl1(SYMBOL)
    wait_for(lambda: first.of("book") and second.of("book"))
    second.unsubscribe_bookl1(SYMBOL)
    assert second.cache.bookl1(SYMBOL) is None
    worker.book(SYMBOL, "80000", "90001")
    wait_for(lambda: len(first.of("book")) == 2)
    assert len(second.of("book")) == 1


def test_no_book_in_time_is_an_error_that_says_what_to_see_to(alpha: Recorder) -> None:
    with pytest.raises(NotReady, match=r"no book of BTCUSDT-PERP.OKX in 0.05 s.*a worker"):
        alpha.subscribe_bookl1(SYMBOL, ready_timeout=0.05)
    assert not alpha.ready


def test_a_worker_that_is_just_starting_is_waited_for(
    alpha: Recorder, worker: ScriptedWorker, redis_client: Any
) -> None:
    redis_client.delete(VENUE.instruments)
    with pytest.raises(ConfigError, match="Start a worker"):
        alpha.subscribe_bookl1(SYMBOL, ready=False)

    def worker_starts() -> None:
        worker.publish([linear_perpetual(SYMBOL)])
        wait_for(lambda: redis_client.zscore(VENUE.wanted, SYMBOL))
        worker.book(SYMBOL, "80000", "90000")

    starting = threading.Timer(0.02, worker_starts)
    starting.start()
    alpha.subscribe_bookl1(SYMBOL, ready_timeout=DEADLINE_S)
    starting.join()
    assert alpha.cache.bookl1(SYMBOL) is not None


def test_stopping_ends_the_wait_for_a_book(start: Start, worker: ScriptedWorker) -> None:
    class Waits(Recorder):
        def on_private_ws_status(self, status: dict[str, Any]) -> None:
            self.note("waiting")
            self.subscribe_bookl1(SYMBOL)

    alpha = start(Waits())
    worker.status("connected")
    wait_for(lambda: "waiting" in alpha.names())
    alpha.runner.stop()
    alpha.runner.join(DEADLINE_S)
    assert alpha.names()[-1] == "stop"


def test_an_unreadable_instrument_is_named(alpha: Recorder, redis_client: Any) -> None:
    redis_client.hset(VENUE.instruments, SYMBOL, '{"symbol": 3}')
    with pytest.raises(ConfigError, match=r"is unreadable.*Restart the worker"):
        alpha.subscribe_bookl1(SYMBOL, ready=False)


def test_an_unreadable_book_is_skipped(
    alpha: Recorder, worker: ScriptedWorker, redis_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    alpha.subscribe_bookl1(SYMBOL, ready=False)
    redis_client.xadd(VENUE.bookl1(SYMBOL), {"bid": "cheap"}, maxlen=1, approximate=False)
    wait_for(lambda: "is unreadable" in caplog.text)
    worker.book(SYMBOL, "80000", "90000")
    wait_for(lambda: alpha.of("book"))
    book: BookL1 = alpha.of("book")[0]
    assert (book.bid, book.mid) == (80_000, 85_000)


def test_on_a_cluster_books_that_nobody_would_read_are_refused() -> None:
    accounts = {"okx": "okx-main"}
    on_cluster = Runner(Recorder(), "alpha", accounts, redis_url="redis+cluster://127.0.0.1:1")
    with pytest.raises(InvalidArgument, match=r"no account of binance for BTC.*name one"):
        on_cluster.books.subscribe("BTCUSDT-PERP.BINANCE", 0, ready=False)


def test_on_one_server_books_of_any_exchange_are_read(
    alpha: Recorder, redis_client: "redis.Redis"
) -> None:
    binance = ScriptedWorker(redis_client, AccountKeys("b-main"), "alpha", "binance")
    symbol = "BTCUSDT-PERP.BINANCE"
    binance.publish([linear_perpetual(symbol)])
    alpha.subscribe_bookl1(symbol, ready=False)
    binance.book(symbol, "80000", "90000")
    wait_for(lambda: [book.symbol for book in alpha.of("book")] == [symbol])

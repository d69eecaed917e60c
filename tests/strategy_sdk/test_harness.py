"""The users' test harness: the real SDK on a faked Redis, told by the test."""

import builtins
import itertools
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from redis.exceptions import OutOfMemoryError

from router.enums import OrderStatus, WsOrderResultType
from router.errors import Denied, InvalidArgument, QueryFailed
from strategy_sdk.constants import ExchangeType, OrderSide, OrderType
from strategy_sdk.errors import BatchIncomplete, HarnessMissing
from strategy_sdk.gateway import ADMIT_TOGETHER
from strategy_sdk.schema import BatchOrder, BookL1
from strategy_sdk.testing import StrategyHarness, linear_perpetual
from tests.strategy_sdk.recorder import SYMBOL, Recorder
from workers import reconcile

ETH = "ETHUSDT-PERP.OKX"


class Buyer(Recorder):
    """Buys on every book, under one key."""

    fetched: Any = None

    def on_start(self) -> None:
        self.subscribe_bookl1(SYMBOL)

    def on_bookl1(self, bookl1: Any) -> None:
        price = self.price_to_precision(SYMBOL, bookl1.ask)
        self.buy(price=str(price), idempotency_key="entry")

    def on_ws_order_request_result(self, result: dict[str, Any]) -> None:
        self.note(result["result_type"])
        if result["result_type"] == WsOrderResultType.ACK_TIMEOUT:
            try:
                self.fetched = self.fetch_order(SYMBOL, result["oid"], force_refresh=True)
            except QueryFailed as error:
                self.fetched = error


@pytest.fixture
def harness() -> Any:
    with StrategyHarness(Buyer(), [linear_perpetual()]) as one:
        yield one


def test_an_order_is_played_through(harness: StrategyHarness) -> None:
    harness.book(SYMBOL, 89_400, 89_500)
    harness.book(SYMBOL, 89_400, "89499.5")
    [create] = harness.creates
    harness.acknowledge(create.oid)
    harness.accept(create.oid)
    harness.fill(create.oid, "0.0004", 89_500)
    harness.fill(create.oid, "0.0006", 89_400, fee=Decimal("0.01"), fee_currency="USDT")
    buyer: Any = harness.strategy
    assert buyer.names() == ["pending", "accepted", "partially_filled", "filled"]
    assert buyer.of("filled")[0].avg_price == Decimal("89440")


def test_endings_and_news_are_played(harness: StrategyHarness) -> None:
    buyer: Any = harness.strategy
    first, second, third, fourth = (buyer.buy() for _ in range(4))
    harness.reject(first)
    harness.not_sent(second)
    for oid in (third, fourth):
        harness.acknowledge(oid)
    harness.accept(third)
    buyer.cancel_order_ws(SYMBOL, third)
    buyer.modify_order_ws(SYMBOL, third, price=Decimal(89_000))
    harness.refuse_cancel(third)
    harness.canceling(third)
    harness.canceled(third, "by user")
    harness.accept(fourth)
    harness.expire(fourth)
    harness.status("resynced")
    harness.resync_diff({"success": True})
    harness.balance("USDT", 10)
    harness.position(SYMBOL, 1, 89_500)
    assert buyer.names() == [
        *("failed", "ACK_REJECTED", "failed", "REQUEST_NOT_SENT"),
        *("pending", "pending", "accepted"),
        *("cancel_failed", "ACK_REJECTED", "canceling", "canceled", "accepted", "expired"),
        *("status", "diff", "balance", "position"),
    ]
    assert len(harness.cancels) == len(harness.modifies) == 1
    assert len(harness.intents) == 6


def test_at_a_requests_result_the_cache_shows_what_became_of_the_order() -> None:
    class Looker(Recorder):
        def on_ws_order_request_result(self, result: dict[str, Any]) -> None:
            order = self.cache.get_order(result["oid"])
            self.note(result["result_type"], order and order.standing)

    looker = Looker()
    with StrategyHarness(looker, [linear_perpetual()]) as harness:
        refused, unsent, kept = (looker.buy() for _ in range(3))
        harness.reject(refused)
        harness.not_sent(unsent)
        harness.accept(kept)
        harness.refuse_cancel(kept)
        harness.canceled(kept)
        harness.refuse_cancel(kept)
    assert [argument for name, argument in looker.told if name in set(WsOrderResultType)] == [
        *("FAILED", "FAILED", "ACCEPTED", "CANCELED")
    ]
    assert looker.names()[-4:-1] == ["ACK_REJECTED", "canceled", "ACK_REJECTED"]
    assert looker.names().count("cancel_failed") == 1


def test_queries_are_answered_as_scripted(harness: StrategyHarness) -> None:
    buyer: Any = harness.strategy
    found, absent, unknown = (buyer.buy() for _ in range(3))
    harness.lose_ack(found, confirmed=False)
    assert isinstance(buyer.fetched, QueryFailed), "what is unknown is not there to be found"
    harness.query_finds(found, found=True)
    fetched = buyer.fetch_order(SYMBOL, found, force_refresh=True)
    assert (fetched.status, fetched.eid) == (OrderStatus.ACCEPTED, f"venue-{found[-8:]}")
    harness.query_finds(absent, found=False)
    harness.lose_ack(absent, confirmed=False)
    assert buyer.fetched is None
    harness.query_finds(unknown, found=None, reason="HTTP 502")
    harness.lose_ack(unknown, confirmed=False)
    assert "HTTP 502" in str(buyer.fetched)
    harness.query_finds(unknown, found=True)
    harness.lose_ack(unknown, confirmed=True)
    assert buyer.names()[-1] == "ACK_TIMEOUT_CONFIRMED"


def test_a_confirmed_order_is_on_the_book(harness: StrategyHarness) -> None:
    buyer: Any = harness.strategy
    oid = buyer.buy()
    harness.lose_ack(oid, confirmed=True)
    assert buyer.names() == ["pending", "accepted", "ACK_TIMEOUT_CONFIRMED"]
    assert buyer.cache.get_order(oid).standing is OrderStatus.ACCEPTED
    assert oid not in buyer.cache.get_inflight_orders(SYMBOL)
    harness.fill(oid, "0.001", 89_500)
    assert buyer.names()[-1] == "filled"


@pytest.mark.parametrize("word", ["acknowledge", "accept", "canceling", "fill"])
def test_the_truth_of_an_unknown_order_is_told_as_such(harness: StrategyHarness, word: str) -> None:
    buyer: Any = harness.strategy
    oid = buyer.buy()
    harness.lose_ack(oid, confirmed=False)
    getattr(harness, word)(oid, *(("0.001", 89_500) if word == "fill" else ()))
    assert buyer.names()[0] == "ACK_TIMEOUT"
    assert buyer.names()[-1] == "ACK_TIMEOUT_CONFIRMED"
    assert buyer.names().count("ACK_TIMEOUT_CONFIRMED") == 1


@pytest.mark.parametrize("unknown", [True, False])
def test_an_order_proven_absent_has_failed_and_its_key_is_free(
    harness: StrategyHarness, unknown: bool
) -> None:
    buyer: Any = harness.strategy
    results: list[dict[str, Any]] = []
    buyer.on_ws_order_request_result = results.append
    oid = buyer.buy(idempotency_key="entry")
    if unknown:
        harness.lose_ack(oid, confirmed=False)
        with pytest.raises(Denied, match="KEY_HELD"):
            buyer.release_idempotency_key("entry")
    harness.prove_absent(oid)
    assert buyer.names() == ["failed"]
    assert [one["exists"] for one in results] == ["unknown"] * unknown + ["false"]
    assert {one["result_type"] for one in results} == {WsOrderResultType.ACK_TIMEOUT}
    assert buyer.fetch_order(SYMBOL, oid, force_refresh=True) is None
    assert buyer.release_idempotency_key("entry")


def test_what_a_worker_cannot_tell_is_refused_with_the_reason(harness: StrategyHarness) -> None:
    buyer: Any = harness.strategy
    unknown, live, ended = (buyer.buy() for _ in range(3))
    harness.lose_ack(unknown, confirmed=False)
    harness.accept(live)
    harness.reject(ended)
    told = len(buyer.told)
    with pytest.raises(InvalidArgument, match="prove_absent ends it"):
        harness.not_sent(unknown)
    for oid in (live, ended):
        for say in (harness.not_sent, harness.reject, harness.prove_absent):
            with pytest.raises(InvalidArgument, match="cannot be"):
                say(oid)
        with pytest.raises(InvalidArgument, match="cannot be unknown any more"):
            harness.lose_ack(oid, confirmed=False)
    with pytest.raises(InvalidArgument, match="no cancel is taken"):
        harness.canceling(ended)
    assert len(buyer.told) == told


def test_an_order_refused_after_its_acknowledgement_fails_without_a_result(
    harness: StrategyHarness,
) -> None:
    buyer: Any = harness.strategy
    oid = buyer.buy()
    harness.acknowledge(oid)
    harness.reject(oid)
    assert buyer.names() == ["pending", "failed"]


def test_a_modify_is_answered_with_the_new_terms(harness: StrategyHarness) -> None:
    buyer: Any = harness.strategy
    oid = buyer.buy()
    harness.accept(oid)
    buyer.modify_order_ws(SYMBOL, oid, price=Decimal(89_000))
    assert buyer.cache.get_inflight_orders(SYMBOL) == {oid}
    harness.modified(oid)
    harness.fill(oid, "0.0004", 89_000)
    harness.modified(oid, amount="0.002")
    known = buyer.cache.get_order(oid)
    assert (known.price, known.amount, known.remaining) == (
        *(Decimal(89_000), Decimal("0.002")),
        Decimal("0.0016"),
    )
    assert buyer.cache.get_inflight_orders(SYMBOL) == set()
    assert buyer.names() == ["pending", "accepted", "accepted", "partially_filled", "accepted"]
    with pytest.raises(InvalidArgument, match="has these terms already"):
        harness.modified(oid, price=89_000)
    with pytest.raises(InvalidArgument, match="leaves nothing"):
        harness.modified(oid, amount="0.0004")
    harness.canceled(oid)
    with pytest.raises(InvalidArgument, match="is CANCELED"):
        harness.modified(oid, price=1)


def test_a_refused_modify_changes_nothing(harness: StrategyHarness) -> None:
    buyer: Any = harness.strategy
    oid = buyer.buy()
    harness.accept(oid)
    with pytest.raises(InvalidArgument, match=r"no modify of .* was asked for"):
        harness.modified(oid)
    buyer.modify_order_ws(SYMBOL, oid, price=Decimal(89_000))
    before, told = buyer.cache.get_order(oid), len(buyer.told)
    harness.refuse_modify(oid)
    assert buyer.names()[told:] == ["ACK_REJECTED"]
    assert buyer.cache.get_order(oid) == before
    assert buyer.cache.get_inflight_orders(SYMBOL) == set()


def test_of_a_cancel_and_a_modify_the_refused_one_leaves_the_other_under_way(
    harness: StrategyHarness,
) -> None:
    buyer: Any = harness.strategy
    oid = buyer.buy()
    harness.accept(oid)
    buyer.modify_order_ws(SYMBOL, oid, price=Decimal(89_000))
    buyer.cancel_order_ws(SYMBOL, oid)
    harness.refuse_modify(oid)
    assert buyer.cache.get_open_orders(SYMBOL) == set()
    buyer.modify_order_ws(SYMBOL, oid, price=Decimal(89_000))
    harness.refuse_cancel(oid)
    assert buyer.cache.get_open_orders(SYMBOL) == {oid}
    assert buyer.cache.get_inflight_orders(SYMBOL) == {oid}


def test_no_more_is_filled_than_an_order_has_left(harness: StrategyHarness) -> None:
    buyer: Any = harness.strategy
    oid = buyer.buy(amount="0.01")
    harness.fill(oid, "0.004", 89_500)
    with pytest.raises(InvalidArgument, match=r"has 0\.006 left, not 5"):
        harness.fill(oid, 5, 89_500)
    harness.canceled(oid)
    harness.fill(oid, "0.006", 89_500)
    assert buyer.cache.get_order(oid).is_filled, "a trade made before the cancel counts"
    wrong: Any = 0.001
    says: list[Callable[[], None]] = [
        lambda: harness.fill(buyer.buy(), wrong, 89_500),
        lambda: harness.fill(buyer.buy(), "0.001", wrong),
        lambda: harness.balance("BTC", wrong),
        lambda: harness.position(SYMBOL, wrong),
    ]
    for say in says:
        with pytest.raises(InvalidArgument, match=r"is a float.*pass Decimal\('0.001'\)"):
            say()


def test_a_diff_has_the_keys_of_a_workers() -> None:
    recorder = Recorder()
    with StrategyHarness(recorder) as harness:
        harness.resync_diff({"open_orders_removed": ["a"]})
        with pytest.raises(InvalidArgument, match="has no orders_removed; its keys: success, "):
            harness.resync_diff({"orders_removed": ["a"]})
    [told] = recorder.of("diff")
    assert told["diff"] == reconcile.empty_diff() | {"open_orders_removed": ["a"]}


def test_another_exchange_may_be_played() -> None:
    symbol = "ETHUSDT-PERP.BYBIT"
    instruments = [linear_perpetual(symbol, tick="0.01")]
    strategy = Recorder()
    with StrategyHarness(strategy, instruments, exchange=ExchangeType.BYBIT) as harness:
        strategy.buy(symbol=symbol, price="3000.01")
        assert harness.creates[0].symbol == symbol


def test_books_are_of_any_exchange_and_orders_of_the_accounts() -> None:
    other = "BTCUSDT-PERP.BINANCE"
    recorder = Recorder()
    with StrategyHarness(recorder, [linear_perpetual(), linear_perpetual(other)]) as harness:
        recorder.subscribe_bookl1([SYMBOL, other])
        harness.book(SYMBOL, 89_400, 89_500)
        assert not recorder.ready
        harness.book(other, 89_800, 89_801)
        assert [book.symbol for book in recorder.of("book")] == [SYMBOL, other]
        assert recorder.ready
        known = recorder.cache.bookl1(other)
        assert known is not None
        assert known.exchange is ExchangeType.BINANCE
        with pytest.raises(InvalidArgument, match="strategy has no account"):
            recorder.buy(symbol=other)
        with pytest.raises(InvalidArgument, match="strategy has no account"):
            harness.position(other, 1)
        with pytest.raises(InvalidArgument, match="trades at binance, and okx-main is at okx"):
            harness.worker.position(other, 1)


def test_several_accounts_are_played_each_by_its_name() -> None:
    other = "BTCUSDT-PERP.BINANCE"
    recorder = Recorder()
    accounts = {"okx": ["okx-main", "okx-two"], "binance": "bn"}
    instruments = [linear_perpetual(), linear_perpetual(other)]
    with StrategyHarness(recorder, instruments, accounts=accounts) as harness:
        oids = [
            recorder.buy(account_type="okx-main"),
            recorder.buy(account_type="okx-two"),
            recorder.buy(symbol=other),
        ]
        assert {one.oid for one in harness.creates} == set(oids)
        for oid in oids:
            harness.accept(oid)
        harness.status("resynced", account="okx-two")
        harness.position(other, 1)
        harness.position(SYMBOL, 1, account="okx-two")
        assert [one.account for one in recorder.of("accepted")] == ["okx-main", "okx-two", "bn"]
        assert recorder.of("status")[0]["account"] == "okx-two"
        assert [one.account for one in recorder.of("position")] == ["bn", "okx-two"]
        fetched = recorder.fetch_order(other, oids[2], force_refresh=True)
        assert fetched is not None
        assert fetched.account == "bn"
        with pytest.raises(InvalidArgument, match="name the one you mean: okx-main, okx-two, bn"):
            harness.balance("USDT", 1)


def test_a_statement_about_no_order_is_refused(harness: StrategyHarness) -> None:
    with pytest.raises(InvalidArgument, match="has no order"):
        harness.accept("0" * 32)


def test_what_on_start_raises_reaches_the_test() -> None:
    class Broken(Recorder):
        def on_start(self) -> None:
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"), StrategyHarness(Broken()):
        pass


def test_without_fakeredis_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *args: Any, **options: Any) -> Any:
        if name == "fakeredis":
            raise ImportError("No module named 'fakeredis'")
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(HarnessMissing, match=r'pip install "fakeredis\[lua\]"'):
        StrategyHarness(Recorder())


def refuse(harness: StrategyHarness, name: str, number: int = 1) -> None:
    """Refuse the command or function of this name, when it comes for the ``number``th time."""
    link, calls = harness.runner.gateway.link, itertools.count(1)
    exchange = link.exchange

    def refusing(connection: Any, commands: Any) -> list[Any]:
        return [
            OutOfMemoryError("used memory > 'maxmemory'")
            if name in command[:2] and next(calls) == number
            else exchange(connection, [command])[0]
            for command in commands
        ]

    setattr(link, "exchange", refusing)  # noqa: B010  # mypy takes no assignment to a method


@pytest.mark.scenario("A9")
@pytest.mark.parametrize(("refused", "admitted"), [(1, 10), (2, 50)])
def test_of_a_large_batch_only_what_a_full_redis_refused_is_refused(
    harness: StrategyHarness, refused: int, admitted: int
) -> None:
    buyer: Any = harness.strategy
    terms = OrderSide.BUY, OrderType.LIMIT, Decimal("0.001"), Decimal(89_000)
    batch = [BatchOrder(SYMBOL, *terms) for _ in range(ADMIT_TOGETHER + 10)]
    refuse(harness, "or1_admit", refused)
    with pytest.raises(BatchIncomplete, match=f"{admitted} of 60 orders were admitted") as caught:
        buyer.create_batch_orders(batch)
    live = [one.oid for one in harness.creates]
    assert [oid for oid in caught.value.oids if oid is not None] == live
    assert buyer.cache.get_open_orders() == set(live)
    assert [error is None for error in caught.value.errors] == [
        oid in live for oid in caught.value.oids
    ]
    assert len(live) == admitted
    assert buyer.buy() in {one.oid for one in harness.creates}


def test_a_single_order_that_a_full_redis_refuses_is_denied(harness: StrategyHarness) -> None:
    buyer: Any = harness.strategy
    refuse(harness, "or1_admit")
    with pytest.raises(Denied, match=r"REDIS_FULL: .*nothing was admitted"):
        buyer.buy()
    assert harness.creates == []


def test_of_many_cancels_only_the_refused_one_is_refused(harness: StrategyHarness) -> None:
    buyer: Any = harness.strategy
    first, second, third = sorted(buyer.buy() for _ in range(3))
    refuse(harness, "or1_request", 2)
    with pytest.raises(BatchIncomplete, match="2 of 3 orders were asked to cancel") as caught:
        buyer.cancel_all_orders(SYMBOL)
    assert caught.value.oids == [first, None, third]
    assert [one.oid for one in harness.cancels] == [first, third]
    assert buyer.cache.get_open_orders() == {second}


def test_an_order_is_admitted_also_where_the_user_may_not_ask_for_replicas(
    harness: StrategyHarness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.runner.gateway._replicated = True
    refuse(harness, "WAIT")
    buyer: Any = harness.strategy
    assert [buyer.buy()] == [one.oid for one in harness.creates]
    assert "no replica of Redis has the last call" in caplog.text


def test_a_strategy_that_stops_is_told_nothing_more() -> None:
    class Leaver(Recorder):
        def on_start(self) -> None:
            self.subscribe_bookl1([SYMBOL, ETH])

        def on_bookl1(self, bookl1: BookL1) -> None:
            super().on_bookl1(bookl1)
            self.stop()

    leaver = Leaver()
    with StrategyHarness(leaver, [linear_perpetual(), linear_perpetual(ETH)]) as harness:
        harness.worker.book(ETH, Decimal(3_000), Decimal(3_001), Decimal(1), Decimal(1))
        harness.book(SYMBOL, 89_400, 89_500)
        assert leaver.names() == ["book"]
        harness.status("resynced")
        assert leaver.names() == ["book"]
    assert leaver.names() == ["book", "stop"]

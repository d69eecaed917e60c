"""Order calls against a real server: one order a key, own orders only, clear refusals."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import redis

from demo.redis_server import RedisServer, free_port
from router import ids
from router.contracts import CreateIntent
from router.enums import OrderSide, OrderType, Via
from router.errors import (
    ConfigError,
    Denied,
    InvalidArgument,
    RedisUnavailable,
)
from router.keyspace import AccountKeys, VenueKeys
from router.settings import OrderSettings, Settings
from strategy_sdk.errors import BatchIncomplete
from strategy_sdk.schema import BatchOrder
from strategy_sdk.scripted_worker import ScriptedWorker
from tests.strategy_sdk.conftest import QUICK, Start
from tests.strategy_sdk.lossy_proxy import lossy_proxy
from tests.strategy_sdk.recorder import SYMBOL, Recorder
from tests.strategy_sdk.waiting import DEADLINE_S

KEYS = AccountKeys("okx-main")
ETH = "ETHUSDT-PERP.OKX"
FOREIGN = ids.new_oid(ids.strategy_tag("beta"))


@pytest.mark.scenario("A1")
def test_the_same_key_a_thousand_times_is_one_intent(
    alpha: Recorder, worker: ScriptedWorker, redis_client: Any
) -> None:
    oids = {alpha.buy(idempotency_key="entry") for _ in range(1_000)}
    assert len(oids) == 1
    assert len(worker.intents()) == 1
    assert redis_client.hget(KEYS.repeats("alpha"), "entry") == "999"


@pytest.mark.scenario("A2")
def test_the_same_key_from_eight_threads_and_two_runs_is_one_order_a_round(
    start: Start, worker: ScriptedWorker
) -> None:
    runs = [start(), start(instance="second")]
    with ThreadPoolExecutor(8) as threads:
        for number in range(25):
            key = f"round-{number}"
            calls = [
                threads.submit(runs[at % 2].buy, idempotency_key=key, price=str(89_000 + at))
                for at in range(8)
            ]
            assert len({call.result() for call in calls}) == 1
    assert len(worker.intents()) == 25


@pytest.mark.scenario("A3")
def test_a_reply_lost_after_admit_ran_is_one_intent(
    redis_server: RedisServer, redis_url: str, worker: ScriptedWorker, start: Start
) -> None:
    with lossy_proxy(redis_server.port) as proxy:
        alpha = start(redis_url=proxy.url)
        proxy.lose_reply_to("or1_admit")
        oid = alpha.buy()
        assert proxy.lost == 1
        assert [one.oid for one in worker.intents() if isinstance(one, CreateIntent)] == [oid]
        proxy.lose_reply_to("or1_request")
        alpha.cancel_order_ws(SYMBOL, oid)
        assert proxy.lost == 2
        assert len(worker.intents()) == 2
        alpha.runner.stop()
        alpha.runner.join(DEADLINE_S)


@pytest.mark.scenario("A5")
def test_a_restarted_strategy_gets_the_same_oid(start: Start, worker: ScriptedWorker) -> None:
    first = start()
    oid = first.buy(idempotency_key="entry")
    first.runner.stop()
    first.runner.join(DEADLINE_S)
    again = start()
    assert again.cache.get_idempotent_create_order_oid("entry") == oid
    assert again.buy(idempotency_key="entry") == oid
    assert len(worker.intents()) == 1


@pytest.mark.scenario("A7")
def test_a_key_is_released_only_when_its_order_has_ended(
    alpha: Recorder, worker: ScriptedWorker, redis_client: Any
) -> None:
    oid = alpha.buy(idempotency_key="entry")
    with pytest.raises(Denied, match="is live; cancel it or wait"):
        alpha.release_idempotency_key("entry")
    redis_client.hset(KEYS.order("alpha", oid), "state", "UNKNOWN")
    with pytest.raises(Denied, match=r"outcome is unknown.*force_refresh"):
        alpha.release_idempotency_key("entry")
    worker.reject(oid, "51008 no margin")
    assert alpha.buy(idempotency_key="entry") == oid
    assert alpha.release_idempotency_key("entry")
    assert alpha.cache.get_idempotent_create_order_oid("entry") is None
    assert alpha.release_idempotency_key("entry")  # nobody holds it
    assert alpha.buy(idempotency_key="entry") != oid


def test_a_key_of_the_account_is_shared_and_freed_by_its_owner_only(
    start: Start, worker: ScriptedWorker
) -> None:
    alpha, beta = start(), start(strategy_id="beta")
    oid = alpha.buy(idempotency_key="entry", idempotency_scope="account")
    assert beta.buy(idempotency_key="entry", idempotency_scope="account") == oid
    assert beta.buy(idempotency_key="entry") != oid
    worker.reject(oid, "no")
    with pytest.raises(Denied, match="another strategy's"):
        beta.release_idempotency_key("entry")
    assert alpha.release_idempotency_key("entry")


def test_a_strategy_may_share_all_its_keys(start: Start) -> None:
    class Sharing(Recorder):
        idempotency_scope = "account"

    alpha, beta = start(Sharing()), start(Sharing(), strategy_id="beta")
    assert alpha.buy(idempotency_key="k") == beta.buy(idempotency_key="k")


@pytest.mark.scenario("A8")
def test_the_same_key_with_another_price_is_the_first_order(
    alpha: Recorder, worker: ScriptedWorker
) -> None:
    oid = alpha.buy(idempotency_key="entry")
    assert alpha.buy(idempotency_key="entry", price="80000") == oid
    [intent] = worker.intents()
    assert isinstance(intent, CreateIntent)
    assert intent.price == Decimal("89500")


@pytest.mark.scenario("A9")
def test_a_client_oid_of_a_live_order_is_refused_and_free_after_it(
    alpha: Recorder, worker: ScriptedWorker
) -> None:
    oid = alpha.buy(client_oid="entry_btc_001")
    with pytest.raises(InvalidArgument, match=f"names the live order alpha/{oid}") as caught:
        alpha.buy(client_oid="entry_btc_001")
    assert caught.value.field == "client_oid"
    worker.reject(oid, "no")
    assert alpha.buy(client_oid="entry_btc_001") != oid
    order = alpha.cache.get_order(oid)
    assert order is not None
    assert order.client_oid == "entry_btc_001"
    assert order.client_id != "entry_btc_001"


@pytest.mark.scenario("A10")
def test_batch_orders_carry_keys(alpha: Recorder, worker: ScriptedWorker) -> None:
    def one(key: str) -> BatchOrder:
        return BatchOrder(
            SYMBOL,
            OrderSide.BUY,
            OrderType.LIMIT,
            Decimal("0.001"),
            Decimal("89500"),
            idempotency_key=key,
        )

    first, second, repeat = alpha.create_batch_orders([one("a"), one("b"), one("a")])
    assert first == repeat != second
    assert len(worker.intents()) == 2


def test_a_batch_with_a_wrong_order_admits_none(alpha: Recorder, worker: ScriptedWorker) -> None:
    good = BatchOrder(SYMBOL, OrderSide.BUY, OrderType.LIMIT, Decimal("0.001"), Decimal("89500"))
    wrong = BatchOrder(SYMBOL, OrderSide.BUY, OrderType.LIMIT, Decimal("0.001"))
    with pytest.raises(InvalidArgument, match="needs a price"):
        alpha.create_batch_orders([good, wrong])
    assert worker.intents() == []


def test_a_batch_refused_in_part_names_what_lives(alpha: Recorder, worker: ScriptedWorker) -> None:
    alpha.buy(client_oid="taken")
    orders = [
        BatchOrder(
            SYMBOL,
            OrderSide.BUY,
            OrderType.LIMIT,
            Decimal("0.001"),
            Decimal("89500"),
            client_oid=name,
        )
        for name in ("free", "taken")
    ]
    with pytest.raises(BatchIncomplete, match="1 of 2 orders were admitted") as caught:
        alpha.create_batch_orders(orders)
    first, second = caught.value.oids
    assert second is None
    assert first == worker.intents()[-1].oid


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"symbol": "BTCUSDT"}, "is not a symbol"),
        ({"symbol": "BTCUSD-PERP.OKX"}, "not listed at okx; did you mean BTCUSDT-PERP.OKX"),
        ({"symbol": "BTCUSDT-PERP.BYBIT"}, "no account"),
        ({"account_type": "okx-other"}, "no account of this strategy; it has okx-main"),
        ({"price": "89500.05"}, "tick 0.1"),
        ({"amount": "-1"}, "above 0"),
        ({"idempotency_key": "with blank"}, "idempotency_key"),
        ({"valid_for_ms": 0}, "valid_for_ms"),
        ({"valid_for_ms": 1.5}, "valid_for_ms"),
        ({"valid_for_ms": 10**19}, "valid_for_ms"),
    ],
)
def test_a_wrong_argument_raises_before_anything_is_admitted(
    alpha: Recorder, worker: ScriptedWorker, redis_client: Any, changes: Any, says: str
) -> None:
    with pytest.raises(InvalidArgument, match=says):
        alpha.buy(**changes)
    assert worker.intents() == []
    assert redis_client.scard(KEYS.open("alpha")) == 0


def test_without_published_instruments_a_worker_is_asked_for(
    start: Start, redis_client: Any
) -> None:
    redis_client.delete(VenueKeys("okx").instruments)
    alpha = start()
    with pytest.raises(ConfigError, match=r"nothing was sent. Start a worker for an okx account"):
        alpha.buy()


def test_the_intent_says_what_was_asked(alpha: Recorder, worker: ScriptedWorker) -> None:
    alpha.create_order(
        SYMBOL,
        OrderSide.SELL,
        OrderType.MARKET,
        Decimal("0.002"),
        reduce_only=True,
        ws_fallback=False,
        valid_for_ms=123,
        tgtCcy="base_ccy",
    )
    [intent] = worker.intents()
    assert isinstance(intent, CreateIntent)
    assert (intent.via, intent.ws_fallback, intent.reduce_only) == (Via.REST, False, True)
    assert intent.params == {"tgtCcy": "base_ccy"}
    assert intent.expires_ms - intent.created_ms == 123


@pytest.mark.scenario("F4")
def test_a_halt_denies_creates_and_modifies_but_not_cancels(
    alpha: Recorder, redis_client: Any
) -> None:
    oid = alpha.buy()
    redis_client.set(KEYS.halt, "by hand")
    with pytest.raises(Denied, match=r"halted \(by hand\); nothing was admitted") as caught:
        alpha.buy()
    assert caught.value.code == "HALTED"
    with pytest.raises(Denied, match="halted"):
        alpha.modify_order_ws(SYMBOL, oid, price=Decimal("89000"))
    assert alpha.cancel_order_ws(SYMBOL, oid) == oid


@pytest.mark.parametrize(
    ("cap", "code"),
    [("max_intents_per_strategy", "INTENTS_FULL"), ("max_open_orders_per_strategy", "OPEN_FULL")],
)
def test_a_cap_denies_with_its_number_and_name(
    start: Start, redis_url: str, cap: str, code: str
) -> None:
    orders = OrderSettings.model_validate({cap: 1})
    alpha = start(settings=Settings(redis_url=redis_url, orders=orders))
    alpha.buy()
    with pytest.raises(Denied, match=rf"{code}: .*1 .*{cap}.*nothing was admitted"):
        alpha.buy()


def test_a_strategy_that_redis_forgot_registers_again_and_goes_on(
    start: Start, redis_client: Any, worker: ScriptedWorker
) -> None:
    alpha = start(timing=replace(QUICK, alive_every_s=600))
    redis_client.delete(KEYS.strategies)
    assert alpha.buy()
    assert redis_client.hexists(KEYS.strategies, "alpha")


def test_redis_out_of_reach_says_that_nothing_was_sent(start: Start, redis_client: Any) -> None:
    alpha = start(timing=replace(QUICK, retry_for_s=0.1, alive_every_s=600))
    alpha.tick_sz(SYMBOL)
    link = alpha.runner.gateway.link
    link.drop_idle()
    link._pools[0].connection_kwargs["port"] = free_port()
    with pytest.raises(RedisUnavailable, match=r"cannot be reached.*Nothing was sent"):
        alpha.buy()


def test_a_reply_that_never_comes_says_that_the_order_may_be_admitted(
    redis_server: RedisServer, start: Start, worker: ScriptedWorker
) -> None:
    with lossy_proxy(redis_server.port) as proxy:
        timing = replace(QUICK, retry_for_s=0.0, alive_every_s=600)
        alpha = start(redis_url=proxy.url, timing=timing)
        alpha.tick_sz(SYMBOL)
        proxy.lose_reply_to("or1_admit")
        with pytest.raises(RedisUnavailable, match=r"MAY have been admitted.*idempotency_key is"):
            alpha.buy(idempotency_key="k")
        assert alpha.buy(idempotency_key="k") == worker.intents()[0].oid
        assert len(worker.intents()) == 1
        alpha.runner.stop()
        alpha.runner.join(DEADLINE_S)


@pytest.mark.scenario("E12")
def test_full_memory_denies_clearly(alpha: Recorder, redis_client: "redis.Redis") -> None:
    alpha.tick_sz(SYMBOL)
    redis_client.config_set("maxmemory", 1)
    try:
        with pytest.raises(Denied, match=r"REDIS_FULL: .*nothing was admitted"):
            alpha.buy()
    finally:
        redis_client.config_set("maxmemory", 0)


def test_calls_come_from_any_thread(start: Start, worker: ScriptedWorker) -> None:
    alpha = start(timing=QUICK)
    with ThreadPoolExecutor(8) as threads:
        oids = list(threads.map(lambda _: alpha.buy(), range(80)))
    assert len(set(oids)) == len(worker.intents()) == 80


def test_a_batch_whose_answer_is_lost_says_what_may_live(
    redis_server: RedisServer, start: Start, worker: ScriptedWorker
) -> None:
    with lossy_proxy(redis_server.port) as proxy:
        timing = replace(QUICK, retry_for_s=0.0, alive_every_s=600)
        alpha = start(redis_url=proxy.url, timing=timing)
        alpha.tick_sz(SYMBOL)
        proxy.lose_reply_to("or1_admit")
        one = BatchOrder(SYMBOL, OrderSide.SELL, OrderType.MARKET, Decimal("0.001"))
        with pytest.raises(BatchIncomplete, match=r"1 MAY have been .*, 0 were refused") as caught:
            alpha.create_batch_orders([one])
        assert caught.value.oids == [None]
        assert caught.value.maybe == [intent.oid for intent in worker.intents()]
        alpha.runner.stop()
        alpha.runner.join(DEADLINE_S)


def test_a_stalled_redis_takes_one_intent(
    start: Start, worker: ScriptedWorker, redis_client: Any
) -> None:
    timing = replace(QUICK, socket_timeout_s=0.1, alive_every_s=600)
    alpha = start(timing=timing)
    alpha.tick_sz(SYMBOL)
    redis_client.client_pause(350, all=True)
    oid = alpha.buy()
    assert [one.oid for one in worker.intents() if isinstance(one, CreateIntent)] == [oid]


def test_lost_connections_are_replaced_without_end(alpha: Recorder, worker: ScriptedWorker) -> None:
    link = alpha.runner.gateway.link
    for _ in range(150):  # redis-py's pool refuses after 100
        link.call("PING")
        link.drop_idle()
    assert alpha.buy()


def test_a_key_makes_one_order_at_each_account(start: Start) -> None:
    alpha = start(accounts={"okx": ["okx-main", "okx-two"]})
    first, second = (
        alpha.buy(idempotency_key="spread", account_type=name) for name in ("okx-main", "okx-two")
    )
    assert first != second
    known = alpha.cache.get_idempotent_create_order_oid
    assert (known("spread", "okx-main"), known("spread", account_type="okx-two")) == (first, second)
    assert known("spread") == second, "the one used last"
    assert alpha.buy(idempotency_key="spread", account_type="okx-main") == first
    assert known("spread") == first
    with pytest.raises(InvalidArgument, match="no account of this strategy"):
        known("spread", "okx-three")
    assert known("other", "okx-main") is None

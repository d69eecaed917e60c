"""Cancel, modify, fetch and settings against a real server: own orders only, unknown is unknown."""

import re
import threading
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from router import functions, ids
from router.contracts import CancelIntent, ModifyIntent, QueryIntent, QueryReply
from router.enums import OrderSide, OrderStatus, Via
from router.errors import Denied, InvalidArgument, NotYours, QueryFailed
from router.keyspace import AccountKeys
from strategy_sdk import Strategy
from strategy_sdk.constants import ExchangeType
from strategy_sdk.errors import NotRunning
from strategy_sdk.scripted_worker import ScriptedWorker
from tests.strategy_sdk.conftest import QUICK, Start
from tests.strategy_sdk.recorder import SYMBOL, Recorder
from tests.strategy_sdk.waiting import wait_for

KEYS = AccountKeys("okx-main")
ETH = "ETHUSDT-PERP.OKX"
FOREIGN = ids.new_oid(ids.strategy_tag("beta"))


@pytest.mark.scenario("F1")
def test_another_strategys_order_cannot_be_reached(start: Start, worker: ScriptedWorker) -> None:
    alpha, beta = start(), start(strategy_id="beta")
    oid = beta.buy()
    reaches: list[Callable[[], object]] = [
        lambda: alpha.cancel_order_ws(SYMBOL, oid),
        lambda: alpha.cancel_order(SYMBOL, oid),
        lambda: alpha.modify_order(SYMBOL, oid, price=Decimal("89000")),
        lambda: alpha.fetch_order(SYMBOL, oid),
        lambda: alpha.fetch_order(SYMBOL, oid, force_refresh=True),
    ]
    for reach in reaches:
        with pytest.raises(NotYours, match="nothing was sent"):
            reach()
    assert alpha.cancel_all_orders(SYMBOL) == []
    assert alpha.fetch_open_orders(SYMBOL) == []
    assert worker.intents() == []


def test_cancel_all_takes_own_orders_of_the_symbol_from_all_instances(
    start: Start, worker: ScriptedWorker
) -> None:
    alpha, twin, beta = start(), start(instance="second"), start(strategy_id="beta")
    mine = {alpha.buy(), twin.buy()}
    other = alpha.buy(symbol=ETH, price="3000", amount="0.1")
    beta.buy()
    assert set(alpha.cancel_all_orders(SYMBOL)) == mine
    cancels = {one.oid for one in worker.intents() if isinstance(one, CancelIntent)}
    assert cancels == mine
    assert alpha.cache.get_open_orders() == {other}
    assert {one.oid for one in alpha.fetch_open_orders(SYMBOL)} == mine


def test_an_ended_order_is_canceled_without_effect_and_not_modified(
    alpha: Recorder, worker: ScriptedWorker
) -> None:
    oid = alpha.buy()
    worker.reject(oid, "no")
    assert alpha.cancel_order_ws(SYMBOL, oid) == oid
    with pytest.raises(Denied, match=f"ENDED: order {oid} is FAILED; nothing was sent"):
        alpha.modify_order_ws(SYMBOL, oid, price=Decimal("89000"))
    assert len(worker.intents()) == 1


def test_a_modify_says_what_changes(alpha: Recorder, worker: ScriptedWorker) -> None:
    oid = alpha.buy()
    assert alpha.modify_order(SYMBOL, oid, OrderSide.BUY, price=Decimal("89000.1")) == oid
    intent = worker.intents()[-1]
    assert isinstance(intent, ModifyIntent)
    assert (intent.price, intent.amount, intent.via) == (Decimal("89000.1"), None, Via.REST)
    with pytest.raises(InvalidArgument, match="is a BUY"):
        alpha.modify_order(SYMBOL, oid, OrderSide.SELL, price=Decimal("89000"))
    with pytest.raises(InvalidArgument, match=f"is one of {SYMBOL}, not {ETH}"):
        alpha.modify_order(ETH, oid, price=Decimal("89000"))


def test_an_order_that_is_not_in_memory_is_checked_against_redis(
    start: Start, worker: ScriptedWorker
) -> None:
    alpha, twin = start(), start(instance="second")
    oid = alpha.buy()
    assert twin.cache.get_order(oid) is None
    with pytest.raises(InvalidArgument, match="is a BUY"):
        twin.modify_order(SYMBOL, oid, OrderSide.SELL, price=Decimal("89000"))
    reaches: list[Callable[[], object]] = [
        lambda: twin.modify_order(ETH, oid, price=Decimal("3000")),
        lambda: twin.cancel_order(ETH, oid),
        lambda: twin.cancel_order_ws(ETH, oid),
        lambda: twin.fetch_order(ETH, oid),
    ]
    for reach in reaches:
        with pytest.raises(InvalidArgument, match=f"is one of {SYMBOL}, not {ETH}"):
            reach()
    assert len(worker.intents()) == 1
    assert twin.modify_order(SYMBOL, oid, OrderSide.BUY, price=Decimal("89000")) == oid
    assert twin.cancel_order(SYMBOL, oid) == oid


def test_a_modify_refuses_venue_parameters_that_it_cannot_pass_on(
    alpha: Recorder, worker: ScriptedWorker
) -> None:
    oid = alpha.buy()
    for modify in (alpha.modify_order, alpha.modify_order_ws):
        with pytest.raises(InvalidArgument, match="cxlOnFail cannot be passed on"):
            modify(SYMBOL, oid, price=Decimal("89000"), cxlOnFail=True)
    assert len(worker.intents()) == 1


def test_an_order_is_fetched_from_memory_or_redis(
    start: Start, worker: ScriptedWorker, redis_client: Any
) -> None:
    alpha, late = start(), start(instance="late")
    oid = alpha.buy(client_oid="mine")
    assert alpha.fetch_order(SYMBOL, oid) == alpha.cache.get_order(oid)
    stored = late.fetch_order(SYMBOL, oid)
    assert stored is not None
    assert (stored.status, stored.amount, stored.client_oid) == (
        OrderStatus.INITIALIZED,
        Decimal("0.001"),
        "mine",
    )
    assert alpha.fetch_order(SYMBOL, ids.new_oid(ids.strategy_tag("alpha"))) is None
    with pytest.raises(NotYours):
        alpha.fetch_order(SYMBOL, FOREIGN)


def answer_queries(worker: ScriptedWorker, reply: Any, ended: threading.Event) -> threading.Thread:
    """Answer each query once with ``reply`` (a QueryReply, or a text as it is), in a thread."""

    def serve() -> None:
        answered = set()
        while not ended.is_set():
            for one in worker.intents():
                if isinstance(one, QueryIntent) and one.id not in answered:
                    answered.add(one.id)
                    text = reply if isinstance(reply, str) else reply.model_dump_json()
                    batch = functions.Batch()
                    batch.reply(worker.keys.reply(one.id), text)
                    worker.apply(batch)
            ended.wait(0.005)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


class AsksInCallback(Recorder):
    """Asks the venue inside a callback, as the guide does after an ACK timeout."""

    answer: Any = None

    def on_private_ws_status(self, status: dict[str, Any]) -> None:
        try:
            self.answer = self.fetch_order(SYMBOL, status["event"], force_refresh=True)
        except QueryFailed as error:
            self.answer = error
        self.note("asked")


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (QueryReply(found=False), "None"),
        (QueryReply(found=None, reason="HTTP 502"), r".*could not be asked.*HTTP 502.*may exist.*"),
        ("{", ".*is unreadable.*may exist.*"),
        (QueryReply(found=True, order={"oid": "x"}), ".*is unreadable.*"),
    ],
)
def test_the_venue_is_asked_inside_a_callback(
    start: Start, worker: ScriptedWorker, reply: Any, answer: str
) -> None:
    asker = start(AsksInCallback())
    ended = threading.Event()
    thread = answer_queries(worker, reply, ended)
    worker.status(asker.buy())
    wait_for(lambda: "asked" in asker.names())
    ended.set()
    thread.join()
    assert re.fullmatch(answer, str(asker.answer))


def test_the_venues_answer_is_an_order(start: Start, worker: ScriptedWorker) -> None:
    asker = start(AsksInCallback())
    oid = asker.buy()
    worker.lose_ack(oid, confirmed=True)
    ended = threading.Event()
    thread = answer_queries(worker, worker.state_of(oid), ended)
    worker.status(oid)
    wait_for(lambda: "asked" in asker.names())
    ended.set()
    thread.join()
    assert (asker.answer.oid, asker.answer.status) == (oid, OrderStatus.ACCEPTED)


def test_without_a_worker_a_query_fails_and_says_so(start: Start) -> None:
    alpha = start(timing=replace(QUICK, query_timeout_s=0.1))
    oid = alpha.buy()
    with pytest.raises(QueryFailed, match=r"no worker of okx-main answered.*it may exist"):
        alpha.fetch_order(SYMBOL, oid, force_refresh=True)


def test_the_grace_is_registered_and_never_negative(alpha: Recorder, redis_client: Any) -> None:
    with pytest.raises(ValueError, match="grace_ms must be >= 0"):
        alpha.set_reconnect_reconcile_grace_ms(ExchangeType.OKX, -1)
    alpha.set_reconnect_reconcile_grace_ms(ExchangeType.OKX, 1200)
    assert '"okx":1200' in redis_client.hget(KEYS.strategies, "alpha")
    [*_, (_, newest)] = redis_client.xrange(KEYS.arrivals)
    assert newest == {"kind": "registered", "strategy": "alpha"}


def test_precision_of_a_symbol(alpha: Recorder) -> None:
    assert alpha.price_to_precision(SYMBOL, 89_500.05) == Decimal("89500.1")
    assert alpha.price_to_precision(SYMBOL, Decimal("89500.09"), "floor") == Decimal("89500.0")
    assert alpha.amount_to_precision(SYMBOL, Decimal("0.00011"), "ceil") == Decimal("0.0002")
    assert (alpha.tick_sz(SYMBOL), alpha.lot_sz(SYMBOL)) == (Decimal("0.1"), Decimal("0.0001"))
    assert alpha.min_order_amount(SYMBOL, px=10_000) == Decimal("0.0005")
    assert alpha.market(SYMBOL).symbol == SYMBOL


def test_outside_a_run_every_use_says_to_run_it() -> None:
    class Idle(Strategy):
        pass

    with pytest.raises(NotRunning, match=r"Idle.cache works only while the strategy runs"):
        _ = Idle().cache
    with pytest.raises(NotRunning, match="nothing was sent"):
        Idle().cancel_order_ws(SYMBOL, FOREIGN)
    assert not Idle().ready
    Idle().log.debug("works")

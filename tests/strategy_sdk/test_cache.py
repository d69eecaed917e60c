"""The cache's invariants."""

from concurrent.futures import Future, ThreadPoolExecutor, wait
from decimal import Decimal
from typing import Any

import pytest

from router.enums import ExchangeType, OrderStatus
from router.settings import Settings
from strategy_sdk import cache as cache_module
from strategy_sdk.accounts import Accounts
from strategy_sdk.cache import Cache
from strategy_sdk.schema import Balance, Order, Position
from tests.strategy_sdk.recorder import SYMBOL
from tests.strategy_sdk.test_values import order

_S = OrderStatus


@pytest.fixture
def cache() -> Cache:
    return Cache(Accounts.read({"okx": "okx-main"}, Settings()))


def at(status: OrderStatus, oid: str = "a", event: OrderStatus | None = None) -> Order:
    return order(oid=oid, status=event or status, standing=status, account="okx-main")


def test_an_order_moves_from_open_to_ended(cache: Cache) -> None:
    cache.admitted(at(_S.INITIALIZED), "k")
    assert cache.get_open_orders(SYMBOL) == cache.get_inflight_orders(SYMBOL) == {"a"}
    cache.told(at(_S.ACCEPTED), history=False)
    assert cache.get_inflight_orders(SYMBOL) == set()
    cache.told(at(_S.FILLED), history=False)
    assert cache.get_open_orders() == set()
    assert cache.get_order("a") == at(_S.FILLED)
    assert cache.get_idempotent_create_order_oid("k") == "a"


def test_a_result_faster_than_the_answer_to_the_call_is_not_overwritten(cache: Cache) -> None:
    cache.told(at(_S.FILLED), history=False)
    cache.admitted(at(_S.INITIALIZED), None)
    assert cache.get_order("a") == at(_S.FILLED)


def test_open_orders_are_filtered(cache: Cache) -> None:
    cache.told(at(_S.ACCEPTED), history=False)
    assert (
        cache.get_open_orders("OTHER") == cache.get_open_orders(None, ExchangeType.BYBIT) == set()
    )
    assert cache.get_open_orders(exchange=ExchangeType.OKX) == {"a"}


def test_an_order_being_canceled_is_listed_only_if_asked_for(cache: Cache) -> None:
    cache.told(at(_S.ACCEPTED), history=False)
    cache.mark_canceling("a")
    assert cache.get_open_orders() == set()
    assert cache.get_open_orders(include_canceling=True) == cache.get_inflight_orders(SYMBOL)


def test_a_failed_cancel_leaves_the_order_as_it_stands(cache: Cache) -> None:
    cache.told(at(_S.ACCEPTED), history=False)
    cache.mark_canceling("a")
    cache.told(at(_S.ACCEPTED, event=_S.CANCEL_FAILED), history=False)
    assert cache.get_open_orders() == {"a"}
    assert cache.get_order("a") == at(_S.ACCEPTED)


def test_a_modify_on_its_way_is_in_flight(cache: Cache) -> None:
    cache.told(at(_S.ACCEPTED), history=False)
    cache.mark_modifying("a")
    assert cache.get_inflight_orders(SYMBOL) == {"a"}
    cache.request_ended("a", "modify")
    assert cache.get_inflight_orders(SYMBOL) == set()


def test_a_request_that_ends_says_nothing_of_another(cache: Cache) -> None:
    cache.told(at(_S.ACCEPTED), history=False)
    cache.mark_canceling("a")
    cache.mark_modifying("a")
    cache.request_ended("a", "create")
    cache.request_ended("a", "modify")
    assert cache.get_open_orders() == set(), "it is being canceled"
    cache.mark_modifying("a")
    cache.told(at(_S.CANCELING), history=False)
    cache.told(at(_S.ACCEPTED, event=_S.CANCEL_FAILED), history=False)
    cache.request_ended("a", "cancel")
    assert cache.get_open_orders() == {"a"}
    assert cache.get_inflight_orders(SYMBOL) == {"a"}, "it is being modified"


def test_history_changes_no_loaded_order_and_opens_none(cache: Cache) -> None:
    cache.load([(at(_S.PARTIALLY_FILLED), "k")])
    cache.told(at(_S.ACCEPTED), history=True)
    cache.told(at(_S.ACCEPTED, "long-ended"), history=True)
    assert cache.get_order("a") == at(_S.PARTIALLY_FILLED)
    assert cache.get_open_orders() == {"a"}
    assert cache.get_order("long-ended") is not None
    assert cache.get_idempotent_create_order_oid("k") == "a"


def test_loading_again_drops_what_is_gone(cache: Cache) -> None:
    cache.load([(at(_S.ACCEPTED), ""), (at(_S.ACCEPTED, "b"), "")])
    cache.load([(at(_S.ACCEPTED, "b"), "")], gone={"a"})
    assert cache.open_of("okx-main") == {"b"}


def test_an_order_that_moves_is_never_missing(cache: Cache) -> None:
    """Asked for by another thread just when it is open no more and not yet among the ended."""

    class Moving(dict[str, Order]):
        def pop(self, *given: Any) -> Any:
            taken = super().pop(*given)
            asking.append(threads.submit(cache.get_order, "a"))
            wait(asking, timeout=0.05)  # without the lock it is answered at once, with None
            return taken

    asking: list[Future[Order | None]] = []
    cache._open = Moving(a=at(_S.ACCEPTED))
    with ThreadPoolExecutor(1) as threads:
        cache.told(at(_S.FILLED), history=False)
        assert [one.result() for one in asking] == [at(_S.FILLED)]


def test_memory_is_bounded(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "MAX_ENDED", 2)
    monkeypatch.setattr(cache_module, "MAX_KEYS", 2)
    for number in range(4):
        cache.told(at(_S.FILLED, str(number)), history=False)
        cache.key_used(f"k{number}", "okx-main", str(number))
    assert [cache.get_order(str(number)) is None for number in range(4)] == [
        True,
        True,
        False,
        False,
    ]
    assert cache.get_idempotent_create_order_oid("k1") is None
    assert cache.get_idempotent_create_order_oid("k3") == "3"


def test_positions_and_balances(cache: Cache) -> None:
    long = Position(symbol=SYMBOL, exchange=ExchangeType.OKX, signed_amount=Decimal(1))
    cache.set_position("okx-main", long)
    assert cache.get_position(SYMBOL) == long
    assert cache.get_all_positions() == {SYMBOL: long}
    cache.set_position("okx-main", Position(symbol=SYMBOL, exchange=ExchangeType.OKX))
    assert cache.get_position(SYMBOL) is None
    cache.set_balances("okx-main", [Balance("USDT", Decimal(5)), Balance("BTC", Decimal(1))])
    cache.set_balances("okx-main", [Balance("USDT", Decimal(6))])
    assert cache.get_balance("okx").balance_free == {"USDT": Decimal(6), "BTC": Decimal(1)}
    cache.load_account("okx-main", [], [])
    assert cache.get_balance("okx-main").balances == {}

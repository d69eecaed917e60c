"""The owner's orders: found by any of their ids, by their own strategy only, and bounded."""

import pytest

from router.state import State
from tests.workers.samples import SYMBOL, record
from workers import registry as registry_module
from workers.registry import Registry


def test_a_venue_id_counts_for_its_symbol_only() -> None:
    """Some venues count their order ids for each symbol anew."""
    registry = Registry()
    bitcoin, ether = record("o1", venue_id="7"), record("o2", venue_id="7", symbol="ETHUSDT.OKX")
    registry.add(bitcoin)
    registry.add(ether)
    assert registry.find(bitcoin.symbol, "", "7") is bitcoin
    assert registry.find(ether.symbol, "", "7") is ether
    assert registry.find("SOLUSDT.OKX", "", "7") is None


def test_an_order_is_found_by_its_client_id_and_its_venue_id() -> None:
    registry, one = Registry(), record("o1")
    registry.add(one)
    assert registry.find(SYMBOL, "c-o1", "") is one
    assert registry.find(SYMBOL, "", "v-o1") is one
    assert registry.find(SYMBOL, "c-o1", "v-o1") is one
    assert registry.find(SYMBOL, "", "") is None
    assert registry.find(SYMBOL, "stranger", "v-stranger") is None


def test_only_its_own_strategy_owns_an_order() -> None:
    registry, one = Registry(), record("o1", "alpha")
    registry.add(one)
    assert registry.owned("alpha", "o1") is one
    assert registry.owned("beta", "o1") is None
    assert registry.owned("alpha", "o2") is None


def test_an_oid_of_two_strategies_is_two_orders() -> None:
    registry = Registry()
    mine, theirs = record("o1", "alpha"), record("o1", "beta", client_id="x", venue_id="vx")
    registry.add(mine)
    registry.add(theirs)
    assert registry.owned("alpha", "o1") is mine
    assert registry.owned("beta", "o1") is theirs
    assert len(list(registry.live())) == 2


def test_the_venue_id_decides_over_a_reused_client_id() -> None:
    registry, old = Registry(), record("o1", state=State.FILLED)
    registry.add(old)
    assert registry.find(SYMBOL, "c-o1", "v-another") is None, (
        "another order with the same client id"
    )
    new = record("o2", client_id="c-o1", venue_id="v-another")
    registry.add(new)
    assert registry.find(SYMBOL, "c-o1", "v-another") is new
    assert registry.find(SYMBOL, "c-o1", "v-o1") is old


def test_a_venue_id_learned_later_makes_the_order_findable() -> None:
    registry, one = Registry(), record("o1", venue_id="")
    registry.add(one)
    assert registry.find(SYMBOL, "", "v-o1") is None
    assert registry.find(SYMBOL, "c-o1", "v-o1") is one
    one.venue_id = "v-o1"
    registry.note_venue_id(one)
    assert registry.find(SYMBOL, "", "v-o1") is one


def test_live_are_the_orders_not_ended() -> None:
    registry = Registry()
    for number, state in enumerate(State):
        registry.add(record(f"o{number}", state=state))
    open_states = {State.INITIALIZED, State.PENDING, State.UNKNOWN, State.ACCEPTED}
    assert {one.state for one in registry.live()} == open_states | {State.CANCELING}


def test_the_oldest_ended_orders_are_forgotten_and_no_live_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry_module, "ENDED_KEPT", 3)
    registry = Registry()
    live = [record(f"live{number}") for number in range(5)]
    for one in live:
        registry.add(one)
    for number in range(6):
        ended = record(f"o{number}", state=State.FILLED)
        registry.add(ended)
        registry.note_end(ended)
    assert [registry.owned("alpha", f"o{number}") is not None for number in range(6)] == (
        [False] * 3 + [True] * 3
    )
    assert registry.find(SYMBOL, "c-o0", "v-o0") is None
    assert list(registry.live()) == live
    assert len(registry) == 8


def test_a_revived_order_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "ENDED_KEPT", 1)
    registry, one = Registry(), record("o1", state=State.FAILED)
    registry.add(one)
    registry.note_end(one)
    one.state = State.ACCEPTED
    for number in range(2, 4):
        ended = record(f"o{number}", state=State.CANCELED)
        registry.add(ended)
        registry.note_end(ended)
    assert registry.owned("alpha", "o1") is one


def test_forgetting_an_order_leaves_the_one_that_took_over_its_client_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry_module, "ENDED_KEPT", 0)
    registry, old = Registry(), record("o1")
    registry.add(old)
    new = record("o2", client_id="c-o1", venue_id="v-o2")
    registry.add(new)
    old.state = State.FILLED
    registry.note_end(old)
    assert registry.find(SYMBOL, "c-o1", "") is new
    assert registry.find(SYMBOL, "", "v-o1") is None


def test_an_ended_order_that_was_read_again_does_not_stay_forever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry_module, "ENDED_KEPT", 2)
    registry = Registry()
    for number in range(10):
        registry.add(record(f"o{number}", state=State.FILLED))  # as a late push finds it in Redis
    assert len(registry) == 2
    assert registry.live_count == 0


def test_the_live_are_counted_through_end_and_revival(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "ENDED_KEPT", 1)
    registry, one, other = Registry(), record("o1"), record("o2")
    registry.add(one)
    registry.add(other)
    assert registry.live_count == 2
    one.state = State.FAILED
    registry.note_end(one)
    registry.note_end(one)
    assert registry.live_count == 1
    one.state = State.ACCEPTED
    registry.note_revival(one)
    assert registry.live_count == len(list(registry.live())) == 2
    for record_ in (one, other):
        record_.state = State.FILLED
        registry.note_end(record_)
    assert (registry.live_count, len(registry)) == (0, 1)
    registry.note_end(one)  # forgotten already: what still holds it may tell of it
    assert (registry.live_count, len(registry)) == (0, 1)


def test_the_unknown_are_counted_until_each_is_known() -> None:
    registry, one, other = Registry(), record("o1", state=State.UNKNOWN), record("o2")
    registry.add(one)
    registry.add(other)
    assert registry.unknown_count == 1, "an order that an earlier owner left unknown"
    assert not registry.became_known(one)
    assert not registry.became_known(other)
    one.state = State.ACCEPTED
    assert registry.became_known(one)
    assert not registry.became_known(one), "told once"
    assert registry.unknown_count == 0


def test_a_client_id_is_free_again_once_its_order_has_ended() -> None:
    registry, one = Registry(), record("o1")
    registry.add(one)
    registry.note_venue_id(record("o9", venue_id=""))  # nothing to find it by
    assert registry.live_client("c-o1") is one
    one.state = State.FILLED
    assert registry.live_client("c-o1") is registry.live_client("nobody") is None
    assert repr(registry) == "Registry(1 orders, 0 of them ended)"


def test_an_order_without_a_venue_id_is_forgotten_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "ENDED_KEPT", 0)
    registry = Registry()
    registry.add(record("o1", venue_id="", state=State.FAILED))
    assert (len(registry), registry.find(SYMBOL, "c-o1", "")) == (0, None)


def test_all_holds_the_ended_ones_too() -> None:
    registry, one, ended = Registry(), record("o1"), record("o2", state=State.FILLED)
    registry.add(one)
    registry.add(ended)
    assert registry.all() == [one, ended]

"""The newest modify of an order wins; the invariants are those of workers/changes.py."""

from decimal import Decimal

from router.enums import RequestKind
from strategy_sdk.testing import linear_perpetual
from tests.workers.samples import SYMBOL, record
from workers.changes import Changes
from workers.flights import Flight
from workers.venue import Modify

ONE = Decimal(1)


def modify(oid: str = "o1", **terms: Decimal) -> Flight:
    wish = Modify(linear_perpetual(SYMBOL), "c", "v", terms.get("price"), terms.get("amount"), 0)
    return Flight(RequestKind.MODIFY, record(oid), "1-0", False, True, 2**60, wish)


def test_a_newer_modify_supersedes_the_unfinished_ones_of_its_order_only() -> None:
    changes, older, other, newer = Changes(), modify(), modify("o2"), modify()
    for flight in (older, other, newer):
        changes.taken(flight)
    assert [one.superseded for one in (older, other, newer)] == [True, False, False]


def test_a_newer_modify_supersedes_an_older_one_also_when_it_was_finished_first() -> None:
    changes, older, newer = Changes(), modify(), modify()
    changes.taken(older)
    changes.taken(newer)
    changes.finished(newer)
    assert older.superseded
    changes.finished(older)
    changes.finished(older)
    assert repr(changes) == "Changes(0 orders, 0 by REST now)"


def test_while_one_is_under_way_by_rest_newer_ones_wait_in_their_order() -> None:
    changes, first, second, third, other = Changes(), modify(), modify(), modify(), modify("o2")
    assert not changes.must_wait(first)
    changes.left_by_rest(first)
    assert [changes.must_wait(one) for one in (first, second, third, other)] == [
        *(False, True, True, False)
    ]
    assert changes.back_from_rest(other) == []
    assert changes.back_from_rest(first) == [second, third]
    assert changes.back_from_rest(first) == []
    assert not changes.must_wait(third)


def test_a_modify_waits_for_an_older_one_that_names_what_it_leaves_out() -> None:
    changes = Changes()
    amount, price, both, other = (
        modify(amount=ONE),
        modify(price=ONE),
        modify(price=ONE, amount=ONE),
        modify("o2", price=ONE),
    )
    for flight in (amount, price, other):
        changes.taken(flight)
    assert [changes.must_wait(one) for one in (amount, price, other)] == [False, True, False]
    assert not amount.superseded, "its wish must not be lost"
    changes.taken(both)
    assert changes.must_wait(both), "those that wait keep their order"
    assert (amount.superseded, price.superseded) == (True, True)
    assert changes.finished(other) == []
    assert changes.finished(amount) == [price, both]
    assert not changes.must_wait(price)
    assert not changes.must_wait(both), "it names all that the older one does"


def test_who_waits_for_a_call_by_rest_is_let_go_by_its_end_alone() -> None:
    changes, first, second = Changes(), modify(price=ONE), modify(amount=ONE)
    changes.taken(first)
    changes.taken(second)
    changes.left_by_rest(first)
    assert changes.must_wait(second)
    assert changes.finished(first) == []
    assert changes.back_from_rest(first) == [second]


def test_an_older_one_never_waits_for_a_newer_one_however_often_it_is_put_back() -> None:
    """Asked again when it leaves, after a throttle reply, a doubt, or for want of room or lease."""
    changes, amount, price, again = (
        Changes(),
        modify(amount=ONE),
        modify(price=ONE),
        modify(amount=ONE),
    )
    changes.taken(amount)
    assert not changes.must_wait(amount)
    changes.taken(price)
    assert changes.must_wait(price)
    assert not changes.must_wait(amount)
    changes.taken(again)
    assert changes.must_wait(again)
    assert changes.finished(amount) == [price, again]
    assert not changes.must_wait(price)
    assert changes.must_wait(again), "the price is asked for by the one before alone"
    assert not changes.must_wait(price)
    assert changes.finished(price) == [again]
    assert not changes.must_wait(again)

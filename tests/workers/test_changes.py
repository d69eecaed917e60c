"""The newest modify of an order wins; the invariants are those of workers/changes.py."""

from router.enums import RequestKind
from tests.workers.samples import record
from workers.changes import Changes
from workers.flights import Flight


def modify(oid: str = "o1") -> Flight:
    return Flight(RequestKind.MODIFY, record(oid), "1-0", False, True, 2**60)


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

"""Whose turn it is: strategies share a symbol's room, symbols share the account's."""

from itertools import islice
from typing import Any

from router.enums import RequestKind
from tests.workers.samples import record
from workers.flights import Flight
from workers.waiting import Waiting

CREATE, CANCEL = RequestKind.CREATE, RequestKind.CANCEL


def flight(oid: str, strategy: str = "alpha", kind: RequestKind = CREATE, **terms: Any) -> Flight:
    return Flight(kind, record(oid, strategy, **terms), "1-0", False, True, 2**60)


def oids(waiting: Waiting, symbol: str, most: int | None = None) -> list[str]:
    return [one.record.oid for one in islice(waiting.take(CREATE, symbol), most)]


def test_strategies_take_turns_and_keep_their_own_order() -> None:
    waiting = Waiting()
    for number in range(4):
        waiting.add(flight(f"flood{number}", "flood"))
    waiting.add(flight("quiet0", "quiet"))
    waiting.add(flight("quiet1", "quiet"))
    symbol = flight("x").record.symbol
    assert oids(waiting, symbol) == ["flood0", "quiet0", "flood1", "quiet1", "flood2", "flood3"]
    assert not waiting


def test_what_is_put_back_is_the_next_of_its_strategy() -> None:
    waiting = Waiting()
    for name in ("a", "b"):
        waiting.add(flight(name))
    [first] = islice(waiting.take(CREATE, flight("x").record.symbol), 1)
    waiting.put_back(first)
    assert oids(waiting, first.record.symbol) == ["a", "b"]


def test_symbols_take_turns() -> None:
    waiting = Waiting()
    for symbol in ("S1", "S2"):
        for number in range(2):
            waiting.add(flight(f"{symbol}-{number}", symbol=symbol))
    assert waiting.symbols(CREATE) == ["S1", "S2"]
    assert oids(waiting, "S1", 1) == ["S1-0"]
    assert waiting.symbols(CREATE) == ["S2", "S1"]


def test_kinds_wait_apart() -> None:
    waiting = Waiting()
    waiting.add(flight("a"))
    waiting.add(flight("a", kind=CANCEL))
    symbol = flight("a").record.symbol
    assert waiting.symbols(CANCEL) == [symbol]
    assert oids(waiting, symbol) == ["a"]
    assert len(waiting) == 1


def test_each_is_noted_as_kept_back_since_it_was_first_seen_waiting() -> None:
    waiting, mine = Waiting(), [flight(name) for name in ("a", "b", "c")]
    waiting.add(mine[0])
    waiting.add(mine[1])
    waiting.kept_back(5.0)
    waiting.add(mine[2])
    waiting.kept_back(7.0)
    assert repr(waiting) == "Waiting(3)"
    assert [one.paced_s for one in mine] == [5.0, 5.0, 7.0]

"""Requests between their intent and their outcome: who is waited for, and until when."""

from typing import Any

from router.enums import RequestKind
from tests.workers.samples import record
from workers.flights import Flight, InFlight


def flight(request_id: str = "r1", *, session: int = 1, **changes: Any) -> Flight:
    values: dict[str, Any] = {
        "kind": RequestKind.CREATE,
        "record": record(f"of-{request_id}"),
        "entry_id": f"{request_id}-0",
        "by_rest": False,
        "ws_fallback": True,
        "valid_until_ms": 10_000,
        "request_id": request_id,
        "session": session,
        "sends": 1,
    }
    return Flight(**values | changes)


def waiting(*flights: Flight, due_ms: int = 1_000) -> InFlight:
    out = InFlight()
    for one in flights:
        out.add(one, due_ms)
    return out


def test_an_answer_finds_its_flight_once() -> None:
    one, other = flight("r1"), flight("r2")
    in_flight = waiting(one, other)
    assert in_flight.answered("r2") is other
    assert in_flight.answered("r2") is None
    assert in_flight.answered("nothing") is None
    assert in_flight.answered("r1") is one


def test_a_flight_is_overdue_once_and_only_when_its_time_has_passed() -> None:
    one, other = flight("r1"), flight("r2")
    in_flight = InFlight()
    in_flight.add(one, 1_000)
    in_flight.add(other, 1_500)
    assert in_flight.next_due_ms() == 1_000
    assert list(in_flight.overdue(999)) == []
    assert list(in_flight.overdue(1_000)) == [one]
    assert list(in_flight.overdue(1_000)) == []
    assert in_flight.next_due_ms() == 1_500
    assert list(in_flight.overdue(9_000)) == [other]
    assert in_flight.next_due_ms() is None


def test_an_overdue_flight_still_takes_its_late_answer() -> None:
    one = flight("r1")
    in_flight = waiting(one)
    assert list(in_flight.overdue(1_000)) == [one]
    assert in_flight.answered("r1") is one


def test_finished_and_doubted_flights_are_not_overdue() -> None:
    in_flight = waiting(flight("r1", done=True), flight("r2", doubted=True), flight("r3"))
    assert [one.request_id for one in in_flight.overdue(5_000)] == ["r3"]


def test_a_finished_flight_wakes_nobody() -> None:
    one = flight("r1")
    in_flight = waiting(one)
    one.done = True
    assert in_flight.next_due_ms() is None


def test_a_flight_sent_again_has_a_deadline_of_its_own() -> None:
    one = flight("r1")
    in_flight = waiting(one, due_ms=1_000)
    assert in_flight.answered("r1") is one  # the venue throttled it: it did not act
    one.sends -= 1
    one.sends += 1
    one.request_id, one.sent_ms = "r2", 900
    in_flight.add(one, 1_900)
    assert list(in_flight.overdue(1_000)) == [], "the first send's deadline is not the second's"
    assert list(in_flight.overdue(1_900)) == [one]


def test_a_lost_session_takes_its_own_unanswered_flights_only() -> None:
    mine, answered, other = flight("r1"), flight("r2"), flight("r3", session=2)
    doubted = flight("r4", doubted=True)
    in_flight = waiting(mine, answered, other, doubted)
    in_flight.answered("r2")
    assert in_flight.lost(1) == [mine]
    assert in_flight.lost(1) == [], "each is put in doubt once"
    assert in_flight.answered("r1") is None
    assert in_flight.lost(2) == [other]


def test_an_answer_without_a_request_id_is_found_by_the_order() -> None:
    one, ended = flight("r1"), flight("r2", done=True)
    in_flight = waiting(one, ended)
    assert in_flight.of_client(one.record.client_id) is one
    assert in_flight.of_client(ended.record.client_id) is None
    assert in_flight.of_client("stranger") is None

"""Requests between their intent and their outcome: who is waited for, and until when."""

from typing import Any

from router.enums import RequestKind
from tests.workers.samples import record
from workers.flights import Flight, InFlight
from workers.venue import Answer, Proof, Verdict


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
        out.add([one], due_ms)
    return out


def answered(in_flight: InFlight, request_id: str, **changes: Any) -> list[Flight]:
    values: dict[str, Any] = {"verdict": Verdict(Proof.DONE), "index": 0} | changes
    return in_flight.answered(Answer(request_id, **values))


def test_an_answer_finds_its_flight_once() -> None:
    one, other = flight("r1"), flight("r2")
    in_flight = waiting(one, other)
    assert answered(in_flight, "r2") == [other]
    assert answered(in_flight, "r2") == []
    assert answered(in_flight, "nothing") == []
    assert answered(in_flight, "r1") == [one]


def test_a_flight_is_overdue_once_and_only_when_its_time_has_passed() -> None:
    one, other = flight("r1"), flight("r2")
    in_flight = InFlight()
    in_flight.add([one], 1_000)
    in_flight.add([other], 1_500)
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
    assert answered(in_flight, "r1") == [one]


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
    assert answered(in_flight, "r1") == [one]  # the venue throttled it: it did not act
    one.sends -= 1
    one.sends += 1
    one.request_id, one.sent_ms = "r2", 900
    in_flight.add([one], 1_900)
    assert list(in_flight.overdue(1_000)) == [], "the first send's deadline is not the second's"
    assert list(in_flight.overdue(1_900)) == [one]


def test_a_lost_session_takes_its_own_unanswered_flights_only() -> None:
    mine, told, other = flight("r1"), flight("r2"), flight("r3", session=2)
    doubted = flight("r4", doubted=True)
    in_flight = waiting(mine, told, other, doubted)
    answered(in_flight, "r2")
    assert in_flight.lost(1) == [mine]
    assert in_flight.lost(1) == [], "each is put in doubt once"
    assert answered(in_flight, "r1") == []
    assert in_flight.lost(2) == [other]


def test_an_answer_without_a_request_id_is_found_by_the_order() -> None:
    one, ended = flight("r1"), flight("r2", done=True)
    in_flight = waiting(one, ended)
    assert in_flight.of_client(one.record.client_id) is one
    assert in_flight.of_client(ended.record.client_id) is None
    assert in_flight.of_client("stranger") is None


# --- batches ------------------------------------------------------------------------------------


def batch(*clients: str) -> tuple[InFlight, list[Flight]]:
    flights = [flight("b1", record=record(client)) for client in clients]
    in_flight = InFlight()
    in_flight.add(flights, 1_000)
    return in_flight, flights


def test_items_of_a_batch_find_their_flights_by_client_id_in_any_order() -> None:
    in_flight, (a, b, c) = batch("a", "b", "c")
    assert answered(in_flight, "b1", client_id=c.record.client_id, index=0) == [c]
    assert answered(in_flight, "b1", client_id=a.record.client_id, index=2) == [a]
    assert answered(in_flight, "b1", client_id=a.record.client_id, index=2) == []
    assert list(in_flight.overdue(1_000)) == [b], "whose item was missing waits on"


def test_an_item_that_names_nothing_is_found_by_its_place_and_a_stranger_not_at_all() -> None:
    in_flight, (_, b) = batch("a", "b")
    assert answered(in_flight, "b1", client_id="stranger", index=0) == []
    assert answered(in_flight, "b1", index=1) == [b]
    assert answered(in_flight, "b1", index=7) == []


def test_an_answer_to_the_whole_request_is_one_for_each_left() -> None:
    in_flight, (a, b, c) = batch("a", "b", "c")
    answered(in_flight, "b1", client_id=b.record.client_id, index=1)
    assert answered(in_flight, "b1", whole=True) == [a, c]
    assert len(in_flight) == 0


def test_a_batch_lost_with_its_session_puts_each_in_doubt() -> None:
    in_flight, flights = batch("a", "b")
    assert in_flight.lost(1) == flights


def test_an_answer_that_names_its_order_in_a_batch_is_taken_for_no_other() -> None:
    first, second = flight("r1"), flight("r1", record=record("o2"))
    in_flight = InFlight()
    in_flight.add([first, second], 1_000)
    # The place says the first, the id the second: ids are what cannot be mixed up.
    assert answered(in_flight, "r1", client_id="c-o2", index=0) == [second]
    assert answered(in_flight, "r1", venue_id="v-of nobody", index=0) == []
    assert answered(in_flight, "r1", index=0) == [first]

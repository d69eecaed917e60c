"""Requests between their intent and their outcome."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from router.enums import RequestKind
from router.orders import OrderRecord
from router.outcomes import Verdict
from workers.venue import Command


@dataclass(slots=True, eq=False)
class Flight:
    """One request of a strategy on its way. Times are monotonic ms unless named otherwise."""

    kind: RequestKind
    record: OrderRecord
    entry_id: str
    by_rest: bool
    ws_fallback: bool
    valid_until_ms: int
    command: Command | None = None
    request_id: str = ""
    session: int = 0
    sends: int = 0
    sent_ms: int = 0
    first_sent_ms: int = 0
    expires_venue_ms: int = 0
    refusal: Verdict | None = None
    throttled: bool = False
    doubted: bool = False
    done: bool = False
    told_timeout: bool = False
    transport: str = ""  # what carried its last copy; "" as long as none left
    sent_s: float = 0.0
    paced_s: float = 0.0  # since when it waits for the venue's rate limit; 0.0: it did not
    doubted_s: float = 0.0  # since when it has been in doubt, the first time


@dataclass(slots=True)
class InFlight:
    """Flights that wait for an answer, by request id, and their deadlines."""

    by_request: dict[str, Flight] = field(default_factory=dict)
    deadlines: deque[tuple[int, Flight, str]] = field(default_factory=deque)

    def add(self, flight: Flight, due_ms: int) -> None:
        """Wait for an answer until ``due_ms``; all requests of one worker have one timeout, so
        deadlines come in order."""
        self.by_request[flight.request_id] = flight
        self.deadlines.append((due_ms, flight, flight.request_id))

    def answered(self, request_id: str) -> Flight | None:
        """Return the flight that this answer is for; None if there is none (any more)."""
        return self.by_request.pop(request_id, None)

    def overdue(self, now_ms: int) -> Iterator[Flight]:
        """Yield the flights without an answer in time, each once."""
        while self.deadlines and self.deadlines[0][0] <= now_ms:
            _, flight, request_id = self.deadlines.popleft()
            # A request sent again has an id, hence a deadline, of its own; so has an answered one.
            if request_id in self.by_request and not flight.done and not flight.doubted:
                yield flight

    def next_due_ms(self) -> int | None:
        """Return when the next deadline passes; None when nothing waits."""
        while self.deadlines and (self.deadlines[0][1].done or self.deadlines[0][1].doubted):
            self.deadlines.popleft()
        return self.deadlines[0][0] if self.deadlines else None

    def lost(self, session: int) -> list[Flight]:
        """Return the unanswered flights of a session that ended; no answer to them can come."""
        gone = [flight for flight in self.by_request.values() if flight.session == session]
        for flight in gone:
            del self.by_request[flight.request_id]
        return [flight for flight in gone if not flight.done and not flight.doubted]

    def of_client(self, client_id: str) -> Flight | None:
        """Return the unanswered flight of an order, for answers that carry no request id."""
        for flight in self.by_request.values():
            if flight.record.client_id == client_id and not flight.done:
                return flight
        return None

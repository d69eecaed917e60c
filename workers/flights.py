"""Requests between their intent and their outcome."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from router.enums import RequestKind
from router.orders import OrderRecord
from router.outcomes import Verdict
from workers.venue import Answer, Command


@dataclass(slots=True, eq=False, weakref_slot=True)
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
    changes_nothing: bool = False  # a modify to the terms that the order had when it was sent
    doubted: bool = False
    done: bool = False
    told_timeout: bool = False
    superseded: bool = False  # a newer modify of the order was taken since
    transport: str = ""  # what carried its last copy; "" as long as none left
    sent_s: float = 0.0
    paced_s: float = 0.0  # since when it is kept back, by limits or the lease; 0.0: it is not
    doubted_s: float = 0.0  # since when it has been in doubt, the first time


@dataclass(slots=True)
class _Frame:
    """The requests of one frame, in the order that they stand in it; None once answered."""

    session: int
    flights: list[Flight | None]

    def unanswered(self) -> list[Flight]:
        return [flight for flight in self.flights if flight is not None]

    def place_of(self, answer: Answer) -> int | None:
        """Return which request an item of the answer is for; None if it is for none of these."""
        if len(self.flights) == 1:
            return 0
        likely = answer.index if 0 <= answer.index < len(self.flights) else None
        if not answer.client_id and not answer.venue_id:
            return likely
        # Venues answer in the order of the request; looking at all of them each time costs more.
        first = self.flights[likely] if likely is not None else None
        if first is not None and _is_named(first.record, answer):
            return likely
        for place, flight in enumerate(self.flights):
            if flight is not None and _is_named(flight.record, answer):
                return place
        return None


def _is_named(record: OrderRecord, answer: Answer) -> bool:
    if answer.client_id:
        return record.client_id == answer.client_id
    return bool(answer.venue_id) and record.venue_id == answer.venue_id


@dataclass(slots=True)
class InFlight:
    """Frames that wait for an answer, by request id, and their deadlines."""

    frames: dict[str, _Frame] = field(default_factory=dict)
    deadlines: deque[tuple[int, str]] = field(default_factory=deque)

    def __len__(self) -> int:
        return sum(len(frame.unanswered()) for frame in self.frames.values())

    def add(self, flights: Sequence[Flight], due_ms: int) -> None:
        """Wait until ``due_ms`` for the answers to one frame; all of its flights have its id.

        All requests of one worker have one timeout, so deadlines come in order.
        """
        first = flights[0]
        self.frames[first.request_id] = _Frame(first.session, list(flights))
        self.deadlines.append((due_ms, first.request_id))

    def drop(self, request_id: str) -> None:
        """Wait no more for a frame that was not sent, or broke off."""
        self.frames.pop(request_id, None)

    def answered(self, answer: Answer) -> list[Flight]:
        """Return the flights that this answer is for; [] if there are none (any more)."""
        frame = self.frames.get(answer.request_id)
        if frame is None:
            return []
        if answer.whole:
            del self.frames[answer.request_id]
            return frame.unanswered()
        place = frame.place_of(answer)
        flight = frame.flights[place] if place is not None else None
        if place is None or flight is None:
            return []
        frame.flights[place] = None
        if not any(frame.flights):
            del self.frames[answer.request_id]
        return [flight]

    def overdue(self, now_ms: int) -> Iterator[Flight]:
        """Yield the flights without an answer in time, each once."""
        while self.deadlines and self.deadlines[0][0] <= now_ms:
            _, request_id = self.deadlines.popleft()
            # A request sent again has an id, hence a deadline, of its own; so has an answered one.
            frame = self.frames.get(request_id)
            yield from _undecided(frame.unanswered() if frame is not None else [])

    def next_due_ms(self) -> int | None:
        """Return when the next deadline passes; None when nothing waits."""
        while self.deadlines:
            frame = self.frames.get(self.deadlines[0][1])
            if frame is not None and _undecided(frame.unanswered()):
                return self.deadlines[0][0]
            self.deadlines.popleft()
        return None

    def lost(self, session: int) -> list[Flight]:
        """Return the unanswered flights of a session that ended; no answer to them can come."""
        gone = [name for name, frame in self.frames.items() if frame.session == session]
        flights = [one for name in gone for one in self.frames.pop(name).unanswered()]
        return _undecided(flights)

    def of_client(self, client_id: str) -> Flight | None:
        """Return the unanswered flight of an order, for answers that carry no request id."""
        for frame in self.frames.values():
            for flight in frame.flights:
                if flight is not None and flight.record.client_id == client_id and not flight.done:
                    return flight
        return None


def _undecided(flights: list[Flight]) -> list[Flight]:
    return [flight for flight in flights if not flight.done and not flight.doubted]

"""Requests that wait for their turn: by kind and symbol, and among strategies in turn. Pure.

Invariant: strategies of one account take turns, so one that floods delays itself (F3).
"""

from collections import deque
from collections.abc import Iterator

from router.enums import RequestKind
from workers.flights import Flight


class Waiting:
    """First come, first served within a strategy; turn by turn between strategies and symbols."""

    def __init__(self) -> None:
        self._turns: dict[tuple[RequestKind, str], dict[str, deque[Flight]]] = {}

    def __repr__(self) -> str:
        return f"Waiting({len(self)})"

    def __len__(self) -> int:
        # Copies, since the thread of a scrape asks, too.
        every = [queue for turns in list(self._turns.values()) for queue in list(turns.values())]
        return sum(map(len, every))

    def __bool__(self) -> bool:
        return bool(self._turns)

    def symbols(self, kind: RequestKind) -> list[str]:
        """Return the symbols with requests of this kind, whose turn is longest ago first."""
        return [symbol for one, symbol in self._turns if one is kind]

    def add(self, flight: Flight) -> None:
        self._queue(flight).append(flight)

    def put_back(self, flight: Flight) -> None:
        """Let a request be the next of its strategy again."""
        self._queue(flight).appendleft(flight)

    def _queue(self, flight: Flight) -> deque[Flight]:
        turns = self._turns.setdefault((flight.kind, flight.record.symbol), {})
        queue = turns.get(flight.record.strategy)
        if queue is None:
            queue = turns[flight.record.strategy] = deque()
        return queue

    def kept_back(self, now_s: float) -> None:
        """Note since when those that still wait do so; whoever was noted keeps its time."""
        for turns in self._turns.values():
            for queue in turns.values():
                for flight in reversed(queue):
                    if flight.paced_s:
                        break  # those ahead of it were noted with it
                    flight.paced_s = now_s

    def take(self, kind: RequestKind, symbol: str) -> Iterator[Flight]:
        """Yield the requests in their turn; what is yielded no longer waits."""
        key = (kind, symbol)
        while turns := self._turns.get(key):
            strategy = next(iter(turns))
            queue = turns.pop(strategy)
            flight = queue.popleft()
            if queue:
                turns[strategy] = queue  # behind the others now
            del self._turns[key]
            if turns:
                self._turns[key] = turns
            yield flight

"""The strategy's one blocking read: all its results and books, told in the thread that reads.

Rules:
1. A result's place in its stream is stored after its callbacks ran: at least once (P2). The storing
   rides on the next read's bytes; during a long batch it is stored on its own.
2. Results go before books, and a book that waited is read again, so the latest is delivered.
3. A lost connection loses nothing: reading goes on from the places held in memory.
4. Missing results are never passed over: that they are missing is told before what follows them.
5. Once the strategy is to stop, nothing more is told; what was read and not told is read again by
   the next run.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import AuthenticationError, RedisError, ResponseError

from router.contracts import ResultsGap
from router.errors import RedisUnavailable, RouterError
from strategy_sdk.accounts import Account
from strategy_sdk.decode import fields_of
from strategy_sdk.dispatch import Dispatcher
from strategy_sdk.gateway import Gateway, Registered
from strategy_sdk.link import Link, Wire, key_of
from strategy_sdk.market_data import Books, Subscription
from strategy_sdk.sequence import REMEMBERED, Sequence, Verdict
from strategy_sdk.timing import Timing

READ_COUNT = 200
_MEANINGS = {
    Verdict.GAP: "results between them are lost; orders and positions were loaded again",
    # What Redis lost is no evidence of anything, so what is known from before stays.
    Verdict.REWOUND: "Redis lost writes and counts anew; going on with what it has",
}
Entry = tuple[str, dict[str, str]]


@dataclass(slots=True)
class Place:
    """How far one account's results were handled and stored."""

    account: Account
    stream: str
    handled: str
    stored: str
    sequence: Sequence = field(default_factory=Sequence)
    loaded_at: str = "0-0"
    """The newest result when the cache was loaded; what is not newer is history."""
    past_history: bool = False

    def is_history(self, entry_id: str) -> bool:
        """Whether an entry was written before the cache was loaded; ids come in order."""
        if not self.past_history:
            self.past_history = _as_numbers(entry_id) > _as_numbers(self.loaded_at)
        return not self.past_history


class Reader:
    """Reads and tells; used by one thread, but for ``restart``.

    ``place``: it reads the streams there only (``Link.place``): one command names no others.
    """

    def __init__(
        self,
        link: Link,
        gateway: Gateway,
        books: Books,
        dispatcher: Dispatcher,
        timing: Timing,
        stopping: threading.Event,
        log: logging.Logger,
        place: int = 0,
    ) -> None:
        self._place = place
        self._link = link
        self._gateway = gateway
        self._books = books
        self._dispatcher = dispatcher
        self._timing = timing
        self._stopping = stopping
        self._log = log
        self._connection: Wire | None = None
        self._places: dict[str, Place] = {}
        self._restart: set[str] = set()
        self._stored_at, self._repeated_at = 0.0, time.monotonic()
        self._missed: list[tuple[Account, ResultsGap]] = []
        self.on_gap: Callable[[Account, ResultsGap], None] = lambda account, gap: None
        """Called, before anything that follows, when results are missing."""
        self.telling = False
        """Whether something read is being told right now."""

    def __repr__(self) -> str:
        places = ", ".join(f"{one.account.id} at {one.handled}" for one in self._places.values())
        return f"Reader({places})"

    @property
    def has_streams(self) -> bool:
        """Whether there is anything to read: without an account or a book there is not."""
        return bool(self._places or self._books.streams(self._place))

    def start(self, account: Account, registered: Registered, loaded_at: str) -> None:
        """Read the account's results from the place that an earlier run stored."""
        stream = account.keys.results(self._gateway.strategy)
        cursor, gap = registered.cursor, self._gateway.gap(account)
        if gap is not None:
            self._missed.append((account, gap))
            cursor = max(cursor, gap.last_id, key=_as_numbers)
        place = Place(account, stream, cursor, cursor, loaded_at=loaded_at)
        last = self._gateway.result_at(account, cursor) if cursor != "0-0" else {"seq": "0"}
        if last.get("seq", "").isdigit():
            place.sequence.start_at(int(last["seq"]), last)
        else:
            self._log.warning(
                "result %s of %s, the last one handled, is no longer kept: whether results after "
                "it are missing cannot be told",
                *(cursor, account.id),
            )
        self._places[stream] = place

    def look_back(self) -> None:
        """After an outage, read on behind the last result that Redis still has of those handled.

        A failover may have lost the last one handled. What is written after it has ids by another
        machine's clock: were that one behind, reading on from the lost id would pass it over.

        Raises:
            RedisUnavailable: If Redis does not answer.
        """
        for place in self._places.values():
            if place.handled == "0-0" or self._gateway.result_at(place.account, place.handled):
                continue
            for entry_id, fields in self._gateway.newest_results(place.account, REMEMBERED):
                if place.sequence.knows(fields):
                    self._log.error(
                        "Redis lost results of %s that were handled: read up to %s, going on "
                        "behind %s",
                        *(place.account.id, place.handled, entry_id),
                    )
                    place.handled = place.stored = entry_id
                    break

    def restart(self, account: Account) -> None:
        """Read the account's results from the beginning: Redis forgot the strategy (any thread)."""
        self._restart.add(account.keys.results(self._gateway.strategy))

    def loaded(self, account: Account, newest: str) -> None:
        """Note that the cache was loaded when ``newest`` was the newest result."""
        place = self._places[account.keys.results(self._gateway.strategy)]
        place.loaded_at, place.past_history = newest, False

    def turn(self, *, block: bool = True) -> bool:
        """Read once, tell what came; return whether anything came. A strategy that is to stop is
        told nothing more.

        Raises:
            RedisUnavailable: If the connection is lost or cannot be made; call again later.
        """
        if self._stopping.is_set():
            return False
        self._apply_restarts()
        while self._missed:
            self.on_gap(*self._missed[0])
            del self._missed[0]
        places = list(self._places.values())
        books = self._books.streams(self._place)
        if not places and not books:
            return False
        # One that a lost connection still carried may be carried out late, and put the place back.
        again = time.monotonic() - self._repeated_at > self._timing.alive_every_s
        commands: list[tuple[Any, ...]] = [
            self._gateway.cursor_command(one.account, one.handled)
            for one in places
            if again or one.handled != one.stored
        ]
        ids = {one.stream: one.handled for one in places} | {
            one.stream: one.last_id for one in books
        }
        wait = ("BLOCK", int(self._timing.block_s * 1000)) if block else ()
        commands.append(("XREAD", "COUNT", READ_COUNT, *wait, "STREAMS", *ids, *ids.values()))
        *stored, reply = self._exchange(commands)
        self._note_stored(places, stored)
        if again:
            self._repeated_at = time.monotonic()
        if not reply:
            return False
        self.telling = True
        try:
            self._tell(reply)
        finally:
            self.telling = False
        return True

    def store(self) -> None:
        """Store the places now.

        Raises:
            RedisUnavailable: If Redis does not answer; what was handled may be told once more.
        """
        for place in self._places.values():
            if place.handled != place.stored:
                handled = place.handled
                self._gateway.store_cursor(place.account, handled)
                place.stored = handled
        self._stored_at = time.monotonic()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.disconnect()
            self._connection = None

    # --- how

    def _apply_restarts(self) -> None:
        while self._restart:
            place = self._places[self._restart.pop()]
            self._log.error(
                "Redis lost the results of %s: read up to %s, reading from 0-0 again",
                *(place.account.id, place.handled),
            )
            place.handled = place.stored = "0-0"
            place.past_history = False

    def _note_stored(self, places: list[Place], replies: list[Any]) -> None:
        refused = next((reply for reply in replies if isinstance(reply, ResponseError)), None)
        if refused is None:
            for one in places:
                one.stored = one.handled
        else:  # full memory refuses writes; results are told all the same
            self._log.error("the place in the results cannot be stored: %s", refused)
        self._stored_at = time.monotonic()

    def _exchange(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        """Return the answers; only the last command's refusal is an error."""
        try:
            if self._connection is None:
                self._connection = self._link.new_connection(key_of(commands[0]))
            replies = self._link.exchange(self._connection, commands)
        except AuthenticationError as refusal:
            self.close()
            raise RedisUnavailable(f"Redis refused the user: {refusal}") from refusal
        except RedisError as error:
            self.close()
            raise RedisUnavailable(f"results cannot be read: {error}") from error
        if isinstance(replies[-1], ResponseError):
            self.close()
            raise RedisUnavailable(f"results cannot be read: {replies[-1]}") from replies[-1]
        return replies

    def _tell(self, reply: Iterable[tuple[str, list[tuple[str, list[str]]]]]) -> None:
        read_at = time.monotonic()
        books: dict[str, Entry] = {}
        for stream, entries in reply:
            place = self._places.get(stream)
            if place is None:
                entry_id, flat = entries[-1]
                books[stream] = (entry_id, fields_of(flat))
                continue
            for entry_id, flat in entries:
                if self._stopping.is_set():
                    return
                self._tell_result(place, entry_id, fields_of(flat))
                if time.monotonic() - self._stored_at > self._timing.cursor_every_s:
                    self._store_midway()
        self._tell_books(books, read_at)

    def _tell_result(self, place: Place, entry_id: str, fields: dict[str, str]) -> None:
        """Judge one entry and hand it over; its place counts as handled afterwards."""
        if self._is_to_be_told(place, entry_id, fields):
            self._dispatcher.result(
                place.account, entry_id, fields, history=place.is_history(entry_id)
            )
        place.handled = entry_id

    def _is_to_be_told(self, place: Place, entry_id: str, fields: dict[str, str]) -> bool:
        number, last = fields.get("seq", ""), place.sequence.last
        if not number.isdigit():
            self._log.error(
                "result %s of %s has the unreadable seq %r", entry_id, place.account.id, number
            )
            return True
        missing = place.sequence.missing_before(int(number))
        if missing is not None:  # before the number counts as read: Redis may be away just now
            self.on_gap(place.account, self._gap(place, *missing))
        verdict = place.sequence.judge(int(number), fields)
        if verdict is Verdict.REPEAT:
            self._log.debug("result %s of %s was handled before", number, place.account.id)
            return False
        if verdict is not Verdict.NEW:
            self._log.error(
                "results of %s: seq %s follows %s (entry %s follows %s): %s",
                *(place.account.id, number, last, entry_id, place.handled, _MEANINGS[verdict]),
            )
        return True

    def _gap(self, place: Place, first_seq: int, last_seq: int) -> ResultsGap:
        """Return which results are missing, with the reason that whoever cut them left."""
        marker = self._gateway.gap(place.account)
        if marker is not None and marker.first_seq <= last_seq and first_seq <= marker.last_seq:
            return marker.model_copy(update={"first_seq": first_seq, "last_seq": last_seq})
        return ResultsGap(
            first_seq=first_seq,
            last_seq=last_seq,
            last_id=place.handled,
            cut_ms=time.time_ns() // 1_000_000,
            reason="no reason was left: Redis lost them, or somebody cut the stream by hand",
        )

    def _store_midway(self) -> None:
        try:
            self.store()
        except RouterError as error:
            self._stored_at = time.monotonic()
            self._log.warning("the place in the results is not stored yet: %s", error)

    def _tell_books(self, books: dict[str, Entry], read_at: float) -> None:
        while books and not self._stopping.is_set():
            if time.monotonic() - read_at > self._timing.stale_book_after_s:
                books |= self._read_books_again(books)
                read_at = time.monotonic()
            stream = next(iter(books))
            entry_id, fields = books.pop(stream)
            subscription = self._books.of_stream(stream)
            if subscription is None:
                continue  # unsubscribed by a callback just now
            subscription.last_id = entry_id
            book = self._books.read(subscription, entry_id, fields)
            if book is not None:
                self._dispatcher.book(book)

    def _read_books_again(self, books: dict[str, Entry]) -> dict[str, Entry]:
        """Return those of the waiting books that changed since they were read."""
        waiting: list[Subscription] = [
            one for one in self._books.streams(self._place) if one.stream in books
        ]
        if not waiting:
            return {}
        ids = [books[one.stream][0] for one in waiting]
        streams = [one.stream for one in waiting]
        try:
            reply = self._exchange([("XREAD", "STREAMS", *streams, *ids)])[0]
        except RedisUnavailable as error:
            self._log.warning("the books could not be read again: %s", error)
            return {}
        return {
            stream: (entries[-1][0], fields_of(entries[-1][1])) for stream, entries in reply or ()
        }


def _as_numbers(entry_id: str) -> tuple[int, int]:
    ms, _, number = entry_id.partition("-")
    return int(ms), int(number or 0)

"""The orders that the owner knows, found by oid, client id or venue id."""

from collections import OrderedDict
from collections.abc import Iterator

from router import ids
from router.orders import OrderRecord
from router.state import State

#: Ended orders kept in memory, so that late pushes and repeated cancels find them without Redis.
ENDED_KEPT = 20_000


class Registry:
    """Live orders of one account, and the latest ended ones."""

    def __init__(self, complete_since_ms: int = 0) -> None:
        self.complete_since_ms = complete_since_ms
        """Every order whose oid was made later than this is in memory."""
        self._by_oid: dict[tuple[str, str], OrderRecord] = {}
        self._by_client: dict[str, OrderRecord] = {}
        # Some venues count their order ids for each symbol anew.
        self._by_venue: dict[tuple[str, str], OrderRecord] = {}
        self._ended: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._unknown: set[tuple[str, str]] = set()

    def __len__(self) -> int:
        return len(self._by_oid)

    def __repr__(self) -> str:
        return f"Registry({len(self)} orders, {len(self._ended)} of them ended)"

    def add(self, record: OrderRecord) -> None:
        self._by_oid[record.strategy, record.oid] = record
        self._by_client[record.client_id] = record
        self.note_venue_id(record)
        self.became_known(record)
        if record.ended:
            self.note_end(record)

    @property
    def live_count(self) -> int:
        """How many orders have not ended."""
        return len(self._by_oid) - len(self._ended)

    @property
    def unknown_count(self) -> int:
        """How many orders' outcomes are not known."""
        return len(self._unknown)

    def became_known(self, record: OrderRecord) -> bool:
        """Note whether the order's outcome is unknown; return whether it was until now."""
        if record.state is State.UNKNOWN:
            self._unknown.add((record.strategy, record.oid))
            return False
        if not self._unknown or (record.strategy, record.oid) not in self._unknown:
            return False
        self._unknown.discard((record.strategy, record.oid))
        return True

    def owned(self, strategy: str, oid: str) -> OrderRecord | None:
        """Return the strategy's order; None if it is unknown or another's (P5)."""
        return self._by_oid.get((strategy, oid))

    def find(self, symbol: str, client_id: str, venue_id: str) -> OrderRecord | None:
        """Return the order the venue speaks of; None if it is not among those known.

        The venue id decides, since a client id may be used again once its order has ended.
        """
        if (record := self.of_venue_id(symbol, venue_id)) is not None:
            return record
        record = self._by_client.get(client_id) if client_id else None
        if record is not None and record.venue_id and venue_id and record.venue_id != venue_id:
            return None
        return record

    def of_venue_id(self, symbol: str, venue_id: str) -> OrderRecord | None:
        """Return the order that the venue knows by this id; None if that is not known."""
        return self._by_venue.get((symbol, venue_id)) if venue_id else None

    def note_venue_id(self, record: OrderRecord) -> None:
        """Make the order findable by its venue id once that is known."""
        if record.venue_id:
            self._by_venue[record.symbol, record.venue_id] = record

    def note_end(self, record: OrderRecord) -> None:
        """Count the order as ended, and forget the oldest ended ones beyond the cap."""
        if (record.strategy, record.oid) not in self._by_oid:
            return  # forgotten already
        self._ended[record.strategy, record.oid] = None
        while len(self._ended) > ENDED_KEPT:
            oldest, _ = self._ended.popitem(last=False)
            if (old := self._by_oid[oldest]).ended:
                self._forget(old)

    def note_revival(self, record: OrderRecord) -> None:
        """Count the order as live again: evidence showed that it had not ended."""
        self._ended.pop((record.strategy, record.oid), None)

    def live_client(self, client_id: str) -> OrderRecord | None:
        """Return the live order that holds this client id, whoever owns it; None if it is free."""
        record = self._by_client.get(client_id)
        return record if record is not None and not record.ended else None

    def _forget(self, record: OrderRecord) -> None:
        self.complete_since_ms = max(self.complete_since_ms, ids.made_ms(record.oid) + 1)
        del self._by_oid[record.strategy, record.oid]
        if self._by_client.get(record.client_id) is record:
            del self._by_client[record.client_id]
        if self._by_venue.get((record.symbol, record.venue_id)) is record:
            del self._by_venue[record.symbol, record.venue_id]

    def all(self) -> list[OrderRecord]:
        """Return every order in memory, ended ones included."""
        return list(self._by_oid.values())

    def live(self) -> Iterator[OrderRecord]:
        """Yield the orders not ended."""
        return (record for record in list(self._by_oid.values()) if not record.ended)

"""What the suite must be told of a venue: ``tests/venues/<venue>/sample.py`` lists its SAMPLES.

A sample is one venue in one of its products. It holds data and frames of the protocol sheet; what
they must mean is asked by the tests beside this file, in the words of the port.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from router.enums import OrderSide, OrderType, RequestKind, TimeInForce
from router.instruments import Instrument
from tests.venues.conformance.amounts import lots
from workers import venues
from workers.venue import (
    Cancel,
    Command,
    Credentials,
    Instruments,
    Modify,
    Place,
    Proof,
    RestReply,
    RestRequest,
    SocketPlan,
    Venue,
    VenueEvent,
)

NOW_MS = 1_795_385_664_000
URLS = {"rest_url": "http://127.0.0.1:1", "ws_url": "ws://127.0.0.1:2"}


@dataclass(frozen=True)
class Signed:
    """A signature of the sheet: what ``request`` must become when it is signed."""

    request: RestRequest
    credentials: Credentials
    now_ms: int
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Replies:
    """Real REST replies, each to the query of its name; ``absent`` to the query of one order."""

    order: str
    absent: RestReply
    open_orders: str
    history: str
    fills: str
    balances: str
    positions: str
    time: str
    taken: str  # to a create
    account_mode: str = ""  # one that lets trade; "" where the venue has no such query


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """One venue in one product. See the fields of ``tests/venues/okx/sample.py``."""

    venue_name: str
    product: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    environments: tuple[str, ...] = ("live", "demo")
    credentials: Credentials
    listing: str  # the reply to the query of instruments; this text
    more_listings: Sequence[str] = ()  # where it takes several queries
    names: Mapping[str, str]  # words of the transcripts → instruments by the venue's names or ours
    transcripts: Sequence[Path]
    #: The codes that the sheet lists, blanks between them, by what they prove of a cancel.
    codes: Mapping[Proof, str]
    absent_codes: tuple[str, ...]
    #: The frame, and the REST reply, that refuse request "1" of this kind with this code.
    refused: Callable[[str, RequestKind], str]
    refused_by_rest: Callable[[str, RequestKind], RestReply]
    signed: Sequence[Signed]
    replies: Replies
    #: The push that the venue makes of a create's frame: its own words and units, turned round.
    pushed: Callable[[str, Instrument], str]
    modifies: bool = True
    busy_proves: Proof = Proof.THROTTLED  # what HTTP 429 says of a command
    #: What the venue has no words for; it must be refused.
    unsaid: Callable[[Place], bool] = lambda place: False
    found_by_id_alone: bool = False  # an order is asked for without its instrument
    #: Words that its transcripts use besides those of ``transcripts.py``, or instead of them.
    words: Callable[["Sample"], Mapping[str, Any]] = lambda sample: {}

    def __repr__(self) -> str:
        return f"{self.venue_name}-{self.product}" if self.product else self.venue_name

    # --- the venue ------------------------------------------------------------------------------

    def load(self, environment: str = "demo", **more: Any) -> Venue:
        """Return the venue in this product."""
        return venues.load(self.venue_name, environment, {**self.options, **more})

    @cached_property
    def venue(self) -> Venue:
        return self.load(**URLS)

    @cached_property
    def instruments(self) -> Instruments:
        replies = (RestReply(200, text) for text in (self.listing, *self.more_listings))
        return Instruments([one for reply in replies for one in self.venue.read_instruments(reply)])

    @cached_property
    def named(self) -> dict[str, Instrument]:
        """The instruments by the transcripts' words."""
        known = self.instruments
        found = {
            word: known.symbol(name) or known.venue_symbol(name)
            for word, name in self.names.items()
        }
        assert None not in found.values(), f"not in the listing: {found}"
        return cast(dict[str, Instrument], found)

    @cached_property
    def sockets(self) -> dict[str, SocketPlan]:
        """The sockets that the venue has, by name."""
        return sockets_of(self.venue)

    # --- its calls, in one place: what the port hands in beside the subject is added here --------

    def encode(self, request_id: str, *commands: Command) -> list[str]:
        return [self.venue.encode(request_id, commands, self.credentials, NOW_MS)]

    def frame(self, command: Command) -> str:
        [frame] = self.encode("1", command)
        return frame

    def login(self, credentials: Credentials, now_ms: int) -> list[str]:
        frame = self.venue.login(credentials, now_ms)
        return [] if frame is None else [frame]

    def subscribe(self, channels: Sequence[str]) -> list[str]:
        return self.venue.subscribe(channels, self.credentials, NOW_MS)

    def sign(self, request: RestRequest) -> RestRequest:
        return self.venue.sign(request, self.credentials, NOW_MS)

    def decode(self, text: str) -> list[VenueEvent]:
        return self.venue.decode(text, self.instruments)

    # --- commands -------------------------------------------------------------------------------

    def place(self, instrument: Instrument | None = None, **change: Any) -> Place:
        """Return a limit order of ten lots, or what ``change`` makes of it."""
        of = instrument or next(iter(self.named.values()))
        price = of.tick_size * 400_000
        place = Place(
            instrument=of,
            client_id="a1",
            side=OrderSide.BUY,
            type=OrderType.LIMIT,
            amount=lots(of, 10, price),
            price=price,
            time_in_force=TimeInForce.GTC,
            reduce_only=False,
            expires_ms=NOW_MS + 2_000,
        )
        return replace(place, **change)

    def cancel(self, **change: Any) -> Cancel:
        return replace(Cancel(self.place().instrument, "a1", "77"), **change)

    def modify(self, **change: Any) -> Modify:
        place = self.place()
        of, price, amount = place.instrument, place.price, place.amount
        terms = (place.side, price, amount)
        return replace(Modify(of, "a1", "77", price, amount, NOW_MS + 2_000, *terms), **change)

    def command(self, kind: RequestKind) -> Command:
        """Return a command of this kind."""
        made: dict[RequestKind, Command] = {
            RequestKind.CREATE: self.place(),
            RequestKind.CANCEL: self.cancel(),
            RequestKind.MODIFY: self.modify(),
        }
        return made[kind]

    @property
    def kinds(self) -> tuple[RequestKind, ...]:
        """What the venue can be asked to do."""
        modify = (RequestKind.MODIFY,) if self.modifies else ()
        return (RequestKind.CREATE, RequestKind.CANCEL, *modify)


def sockets_of(venue: Venue) -> dict[str, SocketPlan]:
    """Return the sockets that a venue has, by name."""
    plans = {"trade": venue.trade_socket(), "private": venue.private_socket()}
    found = {name: plan for name, plan in plans.items() if plan is not None}
    return found | dict(venue.public_sockets())


def samples() -> Iterator[Sample]:
    """Yield every product of every venue that the loader knows."""
    for name in venues.names():
        yield from importlib.import_module(f"tests.venues.{name}.sample").SAMPLES

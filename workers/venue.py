"""The port between policy and one venue: what every folder in ``workers/venues/`` must offer.

A venue is pure functions and values. Text in, events out; command in, frame out; REST request
described, reply read. It opens no socket, reads no clock, keeps no policy. Amounts in commands and
events are base units; converting to contracts or quote units is the venue's business.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from router.enums import ExchangeType, OrderSide, OrderType, RequestKind, TimeInForce
from router.evidence import BalanceReport, BookTop, Fill, OrderReport, PositionReport
from router.instruments import Instrument
from router.outcomes import Proof as Proof
from router.outcomes import Verdict as Verdict

# --- commands -----------------------------------------------------------------------------------


@dataclass(slots=True)  # made for every order; frozen would triple the cost
class Place:
    """Create one order. ``amount`` base units. ``expires_ms``: the venue must refuse it later.

    ``reference_price`` is the book's price, for venues that size an inverse market order in
    contracts of quote value; None where no book is known.
    """

    instrument: Instrument
    client_id: str
    side: OrderSide
    type: OrderType
    amount: Decimal
    price: Decimal | None
    time_in_force: TimeInForce
    reduce_only: bool
    expires_ms: int
    reference_price: Decimal | None = None
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel one order; by ``venue_id`` when it is known ("" when not)."""

    instrument: Instrument
    client_id: str
    venue_id: str


@dataclass(frozen=True, slots=True)
class Modify:
    """Change price and/or total amount (base units, fills included); None keeps the value.

    ``side``, ``standing_price`` and ``standing_amount`` are the order's as it is known here, for
    venues that want all terms repeated; None where nobody looked them up.
    """

    instrument: Instrument
    client_id: str
    venue_id: str
    price: Decimal | None
    amount: Decimal | None
    expires_ms: int
    side: OrderSide | None = None
    standing_price: Decimal | None = None
    standing_amount: Decimal | None = None


Command = Place | Cancel | Modify


class CannotEncode(Exception):
    """The venue has no way to say this command; nothing was sent.

    ``rest_can``: none by WebSocket, but one by REST.
    """

    def __init__(self, field_name: str, problem: str, *, rest_can: bool = False) -> None:
        super().__init__(f"{field_name}: {problem}")
        self.field = field_name
        self.rest_can = rest_can


# --- events -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The session is authenticated."""


@dataclass(frozen=True, slots=True)
class LoginRefused:
    """The venue refused the login; ``fatal`` when trying again with the same keys is no use."""

    reason: str
    fatal: bool


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A subscription is in force; ``channel`` equals the text in ``SocketPlan.channels``."""

    channel: str


@dataclass(frozen=True, slots=True)
class SubscriptionRefused:
    """A subscription failed or was ended by the venue."""

    channel: str
    reason: str


@dataclass(slots=True)  # made for every order; frozen would triple the cost
class Answer:
    """The venue's answer to one item of one request.

    ``request_id`` is "" when the venue's refusal named none and it could not be found in the text.
    For a batch there is one Answer an item, matched by ``client_id``/``venue_id``, else by
    ``index``. ``whole``: one answer for all of the request, which was not looked at item by item.
    """

    request_id: str
    verdict: Verdict
    client_id: str = ""
    venue_id: str = ""
    index: int = 0
    report: OrderReport | None = None  # where the answer already carries the order's state
    whole: bool = False


@dataclass(slots=True)
class OrderPushed:
    report: OrderReport


@dataclass(frozen=True, slots=True)
class FillPushed:
    """A trade told apart from its order's state, before it or after; it names its symbol."""

    fill: Fill


@dataclass(frozen=True, slots=True)
class BalancesPushed:
    """``complete``: a full snapshot, so an asset left out is zero."""

    balances: tuple[BalanceReport, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class PositionsPushed:
    """``complete``: a full snapshot, so a symbol left out is flat."""

    positions: tuple[PositionReport, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class BookPushed:
    """A ``ts_ms`` of 0: the venue does not say when."""

    top: BookTop


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to our heartbeat, where it is a text."""


@dataclass(frozen=True, slots=True)
class ClosingSoon:
    """The venue will cut this connection; open another first."""

    reason: str


@dataclass(frozen=True, slots=True)
class SessionOver:
    """Nothing more will come on this session, though the socket may stay open: it counts as lost.

    What was to be pushed may already be missing, so a planned replacement would not do.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class ClockOff:
    """The venue refused a request for its time: our idea of its clock is off."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A frame or item that says nothing we understand; logged, never fatal."""

    reason: str
    text: str


VenueEvent = (
    LoggedIn
    | LoginRefused
    | Subscribed
    | SubscriptionRefused
    | Answer
    | OrderPushed
    | FillPushed
    | BalancesPushed
    | PositionsPushed
    | BookPushed
    | Pong
    | ClosingSoon
    | SessionOver
    | ClockOff
    | Unreadable
)


# --- sockets and REST ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Credentials:
    """Secrets by value, never shown in a repr."""

    key: str = field(repr=False)
    secret: str = field(repr=False)
    passphrase: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class RestRequest:
    """A REST call described. ``path`` includes the query string; ``body`` is the exact text.

    ``expires_ms``: the venue's time after which it must not be acted on; 0 if it may always be.
    It is never sent later; ``Venue.sign`` tells it to venues that count it from the signature.
    """

    method: str
    path: str
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    expires_ms: int = 0


#: The requests that one question takes.
Queries = list[RestRequest]


@dataclass(frozen=True, slots=True)
class RestReply:
    status: int
    text: str


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a socket's URL must hold: got by REST before each opening, and kept alive.

    Asking again extends the ticket in force and returns the same; if it returns another, the
    one in use has died, and with it the session. ``read`` raises UnexpectedReply.
    """

    obtain: RestRequest
    read: Callable[[RestReply], str]
    renew_every_s: float


@dataclass(frozen=True, slots=True)
class SocketPlan:
    """How to hold one kind of socket.

    ``login``: the venue is asked for a login frame. ``channels`` are what must be confirmed before
    the socket is ready. ``ping`` (a text; None is a WebSocket ping frame) is sent after
    ``ping_after_s`` without a received byte; the socket is dead after ``dead_after_s`` without
    one. ``ping_every_s``: and whatever was received, as the venue takes nothing but pings for
    life; None where it does not. ``rotate_after_s``: replace it before the venue's own cut; None
    if the venue has none. ``ticket``: what stands for ``{ticket}`` in the URL.
    """

    url: str
    login: bool
    channels: tuple[str, ...]
    ping: str | None
    ping_after_s: float
    dead_after_s: float
    ping_every_s: float | None = None
    rotate_after_s: float | None = None
    ticket: Ticket | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list query. ``next`` is the request for the next page; None at the end."""

    orders: tuple[OrderReport, ...] = ()
    fills: tuple[Fill, ...] = ()
    next: RestRequest | None = None


class UnexpectedReply(Exception):
    """A REST reply that answers nothing (5xx, HTML, unknown code): it proves nothing.

    ``verdict`` says what the venue's code means where it gave one.
    """

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(f"{verdict.code} {verdict.reason}".strip())
        self.verdict = verdict


@dataclass(frozen=True, slots=True)
class RateLimit:
    """``count`` requests per ``period_s``; ``per_symbol``: for each instrument on its own."""

    count: int
    period_s: float
    per_symbol: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """The venue's published limits that a worker must keep."""

    requests: Mapping[RequestKind, RateLimit]
    account: tuple[RateLimit, ...]  # creates and modifies together; each of them holds
    batch_size: int
    connects: RateLimit
    subscriptions: RateLimit | None = None  # and unsubscriptions and logins, by connection
    batches: Mapping[RequestKind, RateLimit] = field(default_factory=dict)
    """Orders in batches of two and more, where they are counted apart from single requests."""
    pairs: Mapping[RequestKind, RateLimit] = field(default_factory=dict)
    """Requests for spot pairs, where they are counted apart from those for contracts."""
    together: RateLimit | None = None
    """Requests of whatever kind, where a connection that sends more of them is cut."""


class Venue(Protocol):
    """One venue and environment (live, demo or a simulator), without any state of its own.

    ``now_ms`` is the venue's time.
    """

    exchange: ExchangeType
    account_type: str
    limits: Limits
    visibility_lag_ms: int  # queries may miss a placed order this long; a setting may say more

    # sockets; trade None: orders go by REST alone; private None: pushes come on the trade socket;
    # public: by name, one for each of those that share the books; login None: keys that need none
    def trade_socket(self) -> SocketPlan | None: ...
    def private_socket(self) -> SocketPlan | None: ...
    def public_sockets(self) -> Mapping[str, SocketPlan]: ...
    def book_socket(self, instrument: Instrument) -> str: ...  # its name
    def login(self, credentials: Credentials, now_ms: int) -> str | None: ...
    def subscribe(
        self, channels: Sequence[str], credentials: Credentials, now_ms: int
    ) -> list[str]: ...
    def subscribe_books(self, instruments: Sequence[Instrument]) -> list[str]: ...
    def unsubscribe_books(self, instruments: Sequence[Instrument]) -> list[str]: ...

    # requests by socket; ``commands`` are all of one kind, at most ``limits.batch_size``
    def encode(
        self, request_id: str, commands: Sequence[Command], credentials: Credentials, now_ms: int
    ) -> str: ...
    def decode(self, text: str, instruments: "Instruments") -> list[VenueEvent]: ...

    # requests by REST
    def rest_url(self) -> str: ...
    def sign(self, request: RestRequest, credentials: Credentials, now_ms: int) -> RestRequest: ...
    def rest_command(self, command: Command) -> RestRequest: ...
    def read_command(self, reply: RestReply, command: Command) -> Answer: ...

    # queries: describe, then read. Readers raise UnexpectedReply unless the venue answered.
    # Of several requests for one question: an order is found if one of them finds it, and not
    # found if all say so. Lists of orders and fills go on by ``Page.next``, those of positions and
    # instruments by ``next_page``.
    def query_order(self, instrument: Instrument, client_id: str, venue_id: str) -> Queries: ...
    def read_order(self, reply: RestReply, instruments: "Instruments") -> OrderReport | None: ...
    def query_open_orders(self, instrument: Instrument | None = None) -> Queries: ...
    # ``until_ms``: nothing made later is looked for, where a list can end; 0: until now.
    def query_history(
        self, instrument: Instrument, since_ms: int, until_ms: int = 0
    ) -> Queries: ...
    def query_fills(
        self, instrument: Instrument, venue_id: str, since_ms: int, now_ms: int, until_ms: int = 0
    ) -> Queries: ...
    def read_page(
        self, request: RestRequest, reply: RestReply, instruments: "Instruments"
    ) -> Page: ...
    def query_balances(self) -> RestRequest: ...
    def read_balances(self, reply: RestReply) -> tuple[BalanceReport, ...]: ...
    def query_positions(self) -> Queries: ...  # []: it keeps none
    def read_positions(
        self, reply: RestReply, instruments: "Instruments"
    ) -> tuple[PositionReport, ...]: ...
    def query_instruments(self) -> Queries: ...
    def read_instruments(self, reply: RestReply) -> list[Instrument]: ...
    def next_page(self, request: RestRequest, reply: RestReply) -> RestRequest | None: ...
    def query_time(self) -> RestRequest: ...
    def read_time(self, reply: RestReply) -> int: ...
    def query_account_mode(self) -> RestRequest | None: ...
    def check_account_mode(self, reply: RestReply) -> str | None: ...


class Instruments:
    """The instruments of one venue, found by our symbol or by the venue's own name."""

    def __init__(self, instruments: Sequence[Instrument] = ()) -> None:
        self._by_symbol = {one.symbol: one for one in instruments}
        named = Counter(one.venue_symbol for one in instruments)
        self._by_venue_symbol: dict[tuple[str, str], Instrument] = {
            **{(one.venue_symbol, one.kind): one for one in instruments},
            **{(one.venue_symbol, ""): one for one in instruments if named[one.venue_symbol] == 1},
        }

    def __len__(self) -> int:
        return len(self._by_symbol)

    def __repr__(self) -> str:
        return f"Instruments({len(self)})"

    def symbol(self, symbol: str) -> Instrument | None:
        """Return the instrument with our symbol; None if the venue does not list it."""
        return self._by_symbol.get(symbol)

    def venue_symbol(self, name: str, kind: str = "") -> Instrument | None:
        """Return the instrument that the venue calls ``name``; None if it is unknown.

        ``kind`` is that of the instrument, for venues that give a pair and a contract one name:
        without it, such a name says nothing.
        """
        return self._by_venue_symbol.get((name, kind))

    def all(self) -> list[Instrument]:
        return list(self._by_symbol.values())

    def only(self, wanted: Callable[[Instrument], bool]) -> "Instruments":
        """Return those that are wanted: among fewer, a name may say more."""
        return Instruments([one for one in self._by_symbol.values() if wanted(one)])

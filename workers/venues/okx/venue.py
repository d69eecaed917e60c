"""OKX v5 as one ``Venue``: ties the codec's parts together, with no state of its own."""

from collections.abc import Sequence
from dataclasses import replace

import orjson

from router.enums import ExchangeType
from router.ids import PLAIN_CLIENT_ID
from router.instruments import Instrument
from workers.venue import (
    Command,
    Instruments,
    Pong,
    RestReply,
    RestRequest,
    SocketPlan,
    Unreadable,
    VenueEvent,
)
from workers.venues.okx import answers, orders, pushes, queries, session, signing
from workers.venues.okx.settings import LIMITS, Settings


class Okx:
    """OKX v5 for one environment."""

    exchange = ExchangeType.OKX
    limits = LIMITS
    client_id_pattern = PLAIN_CLIENT_ID

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.timing = settings.timing
        self.account_type = "demo" if settings.demo else "live"
        # Public calls need it too: without it demo is told the live instruments ("Demo trading
        # services", read 2026-11; github.com/burakoner/OKX.Api issue 42).
        self._headers = {"x-simulated-trading": "1"} if settings.demo else {}

    def __repr__(self) -> str:
        return f"Okx({self.account_type}, {self._settings.rest_url}, {self._settings.ws_url})"

    # --- sockets --------------------------------------------------------------------------------

    login = staticmethod(signing.login_frame)
    subscribe = staticmethod(session.subscribe)

    def trade_socket(self) -> SocketPlan:
        return self._plan("private", login=True)

    def private_socket(self) -> SocketPlan:
        return self._plan("private", login=True, channels=session.PRIVATE_CHANNELS)

    def public_socket(self) -> SocketPlan:
        return self._plan("public")

    def _plan(
        self, path: str, *, login: bool = False, channels: tuple[str, ...] = ()
    ) -> SocketPlan:
        return SocketPlan(
            url=f"{self._settings.ws_url}/{path}",
            login=login,
            channels=channels,
            ping="ping",
            ping_after_s=self._settings.ping_after_s,
            dead_after_s=self._settings.dead_after_s,
        )

    def subscribe_books(self, instruments: Sequence[Instrument]) -> list[str]:
        return session.books("subscribe", [one.venue_symbol for one in instruments])

    def unsubscribe_books(self, instruments: Sequence[Instrument]) -> list[str]:
        return session.books("unsubscribe", [one.venue_symbol for one in instruments])

    def encode(self, request_id: str, commands: Sequence[Command]) -> str:
        return orders.encode(request_id, commands, self._settings.td_mode)

    def decode(self, text: str, instruments: Instruments) -> list[VenueEvent]:
        """Return what one frame says; never raises, [] for a frame that changes nothing."""
        if text == "pong":
            return [Pong()]
        try:
            frame = orjson.loads(text)
        except orjson.JSONDecodeError:
            return [Unreadable("not JSON", text)]
        if type(frame) is not dict:
            return [Unreadable("not an object", text)]
        if "event" in frame:
            return session.read_event(frame, text)
        if "op" in frame:
            return [*answers.read_operation(frame, text)]
        return pushes.read_push(frame, text, instruments)

    # --- REST -----------------------------------------------------------------------------------

    sign = staticmethod(signing.sign_rest)
    read_command = staticmethod(answers.read_command)
    read_order = staticmethod(queries.read_order)
    read_page = staticmethod(queries.read_page)
    read_balances = staticmethod(queries.read_balances)
    read_positions = staticmethod(queries.read_positions)
    read_instruments = staticmethod(queries.read_instruments)
    read_time = staticmethod(queries.read_time)

    def rest_url(self) -> str:
        return self._settings.rest_url

    def rest_command(self, command: Command) -> RestRequest:
        return self._here(orders.rest_command(command, self._settings.td_mode))

    def query_order(self, instrument: Instrument, client_id: str, venue_id: str) -> RestRequest:
        return self._here(queries.order(instrument, client_id, venue_id))

    def query_open_orders(self) -> RestRequest:
        return self._here(queries.open_orders())

    def query_history(self, instrument: Instrument, since_ms: int) -> list[RestRequest]:
        return [self._here(one) for one in queries.history(instrument, self._begin(since_ms))]

    def query_fills(
        self, instrument: Instrument, venue_id: str, since_ms: int, now_ms: int
    ) -> list[RestRequest]:
        requests = queries.fills(instrument, venue_id, self._begin(since_ms), now_ms)
        return [self._here(one) for one in requests]

    def query_balances(self) -> RestRequest:
        return self._here(queries.get("/api/v5/account/balance"))

    def query_positions(self) -> RestRequest:
        return self._here(queries.get("/api/v5/account/positions"))

    def query_instruments(self) -> list[RestRequest]:
        return [self._here(one) for one in queries.listings(self._settings.inst_types)]

    def query_time(self) -> RestRequest:
        return self._here(queries.get("/api/v5/public/time"))

    def query_account_mode(self) -> RestRequest | None:
        return self._here(queries.get("/api/v5/account/config"))

    def check_account_mode(self, reply: RestReply) -> str | None:
        return queries.account_problem(reply, self._settings.required_types)

    def _here(self, request: RestRequest) -> RestRequest:
        return replace(request, headers={**request.headers, **self._headers})

    def _begin(self, since_ms: int) -> int:
        # The filter compares with the venue's clock, which may be behind ours.
        return max(0, since_ms - self.timing.clock_skew_ms)

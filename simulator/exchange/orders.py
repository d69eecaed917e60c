"""Orders and fills as the exchange holds them, and why it refuses or cancels one."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, NamedTuple

from simulator.exchange.instruments import ZERO, Instrument

if TYPE_CHECKING:
    from simulator.exchange.accounts import Account

_AVERAGE_DIGITS = 12

Side = Literal["buy", "sell"]
OrderKind = Literal["limit", "market", "post_only", "fok", "ioc"]
State = Literal["live", "partially_filled", "filled", "canceled"]
Transport = Literal["ws", "rest", "control"]
StpMode = Literal["none", "cancel_maker", "cancel_taker", "cancel_both"]
CancelSource = Literal[
    "",
    "system",
    "user",
    "fok",
    "ioc",
    "post_only",
    "self_trade",
    "cancel_all_after",
    "reduce_only",
    "expired",
    "rejected",
]
Reason = Literal[
    "duplicate_client_id",
    "insufficient_balance",
    "price_band",
    "too_many_open",
    "no_position",
    "wrong_direction",
    "not_open",
    "not_found",
    "size_lot",
    "size_min",
    "size_max",
    "tick",
    "would_take",
]


class Refusal(NamedTuple):
    """Why a request was refused; ``detail`` fills the blanks of the venue's text."""

    reason: Reason
    detail: tuple[str, ...] = ()


class AmendNote(NamedTuple):
    """What became of an amendment: told with the order update that it caused."""

    request_id: str
    result: Literal["done", "failed", "canceled"]
    reason: Reason | None = None


@dataclass(slots=True, eq=False)
class Fill:
    """One trade of one order. ``fee`` is positive when paid; ``leaves`` what was left after it.

    ``name`` is the fill's id where that is not the trade's number.
    """

    trade_id: int
    bill_id: int
    order: Order
    price: Decimal
    size: Decimal
    fee: Decimal
    profit: Decimal
    role: Literal["maker", "taker"]
    ts_ms: int
    leaves: Decimal = ZERO
    name: str = ""


@dataclass(slots=True, eq=False)
class Order:
    """One order. Sizes are in the venue's units (base, or contracts)."""

    account: Account
    instrument: Instrument
    side: Side
    kind: OrderKind
    size: Decimal
    price: Decimal | None
    client_id: str = ""
    tag: str = ""
    # The dialect's own words for kind and margin mode, repeated in its frames.
    kind_word: str = "limit"
    margin_word: str = "cash"
    margin_ccy: str = ""
    target_word: str = ""
    position_word: str = ""
    quote_sized: bool = False
    reduce_only: bool = False
    no_shrink: bool = False
    stp: StpMode = "cancel_maker"
    # When the venue ends it by itself; 0 means never.
    expires_ms: int = 0
    transport: Transport = "ws"
    external: bool = False

    venue_id: str = ""
    state: State = "live"
    filled: Decimal = ZERO
    # Sum of size*price over the fills; of size/price for inverse contracts.
    turnover: Decimal = ZERO
    fee: Decimal = ZERO
    profit: Decimal = ZERO
    frozen: Decimal = ZERO
    created_ms: int = 0
    updated_ms: int = 0
    visible_ms: int = 0
    cancel_source: CancelSource = ""
    last_fill: Fill | None = None

    @property
    def is_open(self) -> bool:
        """Return whether the order is still pending."""
        return self.state == "live" or self.state == "partially_filled"

    @property
    def leaves(self) -> Decimal:
        """Return what is left to fill."""
        return self.size - self.filled

    @property
    def average(self) -> Decimal:
        """Return the average fill price; 0 if nothing is filled."""
        if not self.filled:
            return ZERO
        if self.instrument.kind == "inverse":
            return round(self.filled / self.turnover, _AVERAGE_DIGITS)
        return round(self.turnover / self.filled, _AVERAGE_DIGITS)

    @property
    def fee_currency(self) -> str:
        """Return what fees are paid in: for spot what is received, else the settlement currency."""
        instrument = self.instrument
        if instrument.kind != "spot":
            return instrument.settle
        return instrument.base if self.side == "buy" else instrument.quote

    @property
    def frozen_currency(self) -> str:
        """Return what an open order ties up."""
        instrument = self.instrument
        if instrument.kind != "spot":
            return instrument.settle
        return instrument.quote if self.side == "buy" else instrument.base

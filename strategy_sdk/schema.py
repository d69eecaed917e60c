"""What callbacks receive and the cache answers: plain values, money as Decimal."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from router.enums import (
    ExchangeType,
    OrderSide,
    OrderStatus,
    OrderType,
    PositionSide,
    TimeInForce,
)

__all__ = ["AccountBalance", "Balance", "BatchOrder", "BookL1", "Order", "Position"]

ZERO = Decimal(0)
_ON_FLIGHT = frozenset({OrderStatus.INITIALIZED, OrderStatus.PENDING, OrderStatus.CANCELING})


class Order(NamedTuple):
    """One order. Amounts in base units, prices in quote units, times in ms.

    ``status`` is what a callback tells; ``standing`` is how the order is. They differ in events
    that end nothing: after CANCEL_FAILED the standing is, for example, ACCEPTED. The ``is_…``
    properties speak of the standing.

    A tuple, since three are made for each order and a frozen dataclass of as many fields costs
    four times as much; ``order._replace(…)`` is a changed copy. Name the fields when you make one:
    their order is no promise.
    """

    exchange: ExchangeType
    symbol: str
    status: OrderStatus
    standing: OrderStatus
    oid: str
    amount: Decimal
    side: OrderSide
    type: OrderType
    time_in_force: TimeInForce = TimeInForce.GTC
    client_oid: str | None = None
    client_id: str | None = None
    """The id that the venue sees: ``client_oid`` where that is legal there, else its stand-in."""
    eid: str | None = None
    """The venue's own id; None until it is known."""
    remaining: Decimal = ZERO
    timestamp: int = 0
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    reduce_only: bool = False
    reason: str | None = None
    strategy: str = ""
    account: str = ""
    filled: Decimal = ZERO
    average: Decimal | None = None
    last_filled: Decimal | None = None
    last_filled_price: Decimal | None = None
    trade_id: str | None = None
    fee: Decimal = ZERO
    """All fees so far in ``fee_currency``; negative for rebates."""
    fee_currency: str | None = None
    cost: Decimal = ZERO
    """The last fill's value in quote units."""
    cum_cost: Decimal = ZERO
    """All fills' value in quote units."""
    position_side: PositionSide | None = None

    @property
    def avg_price(self) -> Decimal | None:
        """The average price of the fills; None before the first."""
        return self.average

    @property
    def is_opened(self) -> bool:
        return not self.standing.is_closed

    @property
    def is_closed(self) -> bool:
        return self.standing.is_closed

    @property
    def is_filled(self) -> bool:
        return self.standing is OrderStatus.FILLED

    @property
    def is_canceled(self) -> bool:
        return self.standing is OrderStatus.CANCELED

    @property
    def on_flight(self) -> bool:
        """Whether a request of it awaits the venue."""
        return self.standing in _ON_FLIGHT

    @property
    def is_buy(self) -> bool:
        return self.side is OrderSide.BUY

    @property
    def is_sell(self) -> bool:
        return self.side is OrderSide.SELL


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """One position in base units; negative when short, 0 when flat."""

    symbol: str
    exchange: ExchangeType
    signed_amount: Decimal = ZERO
    entry_price: Decimal = ZERO
    unrealized_pnl: Decimal = ZERO
    realized_pnl: Decimal = ZERO
    account: str = ""
    """The id of the account that holds it."""

    @property
    def side(self) -> PositionSide:
        if self.signed_amount == 0:
            return PositionSide.FLAT
        return PositionSide.LONG if self.signed_amount > 0 else PositionSide.SHORT

    @property
    def amount(self) -> Decimal:
        return abs(self.signed_amount)

    @property
    def is_opened(self) -> bool:
        return self.signed_amount != 0

    @property
    def is_closed(self) -> bool:
        return self.signed_amount == 0

    @property
    def is_long(self) -> bool:
        return self.signed_amount > 0

    @property
    def is_short(self) -> bool:
        return self.signed_amount < 0


@dataclass(frozen=True, slots=True)
class Balance:
    """One asset: free to trade, locked in orders or margin."""

    asset: str
    free: Decimal = ZERO
    locked: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        return self.free + self.locked


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """All balances of one account, by asset."""

    balances: Mapping[str, Balance] = field(default_factory=dict)
    account: str = ""

    @property
    def balance_total(self) -> dict[str, Decimal]:
        return {asset: balance.total for asset, balance in self.balances.items()}

    @property
    def balance_free(self) -> dict[str, Decimal]:
        return {asset: balance.free for asset, balance in self.balances.items()}


@dataclass(frozen=True, slots=True)
class BookL1:
    """The best bid and ask as floats, for signals only.

    An empty side is NaN, so that every comparison with it is False. ``timestamp`` in ms.
    """

    exchange: ExchangeType
    symbol: str
    bid: float
    ask: float
    bid_size: float
    ask_size: float
    timestamp: int

    @property
    def mid(self) -> float:
        return (self.bid + self.ask) / 2

    @property
    def spread(self) -> float:
        return self.ask - self.bid

    @property
    def weighted_mid(self) -> float:
        """The mid weighted by the opposite side's size; the plain mid if both sizes are 0."""
        size = self.bid_size + self.ask_size
        if not size:
            return self.mid
        return (self.bid * self.ask_size + self.ask * self.bid_size) / size


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """One order of ``create_batch_orders``; ``kwargs`` are venue parameters."""

    symbol: str
    side: OrderSide
    type: OrderType
    amount: Decimal
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    client_oid: str | None = None
    idempotency_key: str | None = None

"""The field's words: sides, order types, statuses, results. Values equal names unless shown."""

from enum import StrEnum


class ExchangeType(StrEnum):
    """A venue; the value is its lower-case name as it stands in results (``"okx"``)."""

    BINANCE = "binance"
    OKX = "okx"
    BYBIT = "bybit"
    BITGET = "bitget"
    HYPERLIQUID = "hyperliquid"


class OrderSide(StrEnum):
    BUY = "BUY"
    SELL = "SELL"

    @property
    def is_buy(self) -> bool:
        return self is OrderSide.BUY

    @property
    def is_sell(self) -> bool:
        return self is OrderSide.SELL


class OrderType(StrEnum):
    MARKET = "MARKET"
    LIMIT = "LIMIT"
    POST_ONLY = "POST_ONLY"
    TAKE_PROFIT_MARKET = "TAKE_PROFIT_MARKET"
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT_LIMIT"
    STOP_LOSS_MARKET = "STOP_LOSS_MARKET"
    STOP_LOSS_LIMIT = "STOP_LOSS_LIMIT"

    @property
    def is_market(self) -> bool:
        return self in _MARKET_TYPES

    @property
    def is_limit(self) -> bool:
        return self in _LIMIT_TYPES

    @property
    def is_post_only(self) -> bool:
        return self is OrderType.POST_ONLY

    @property
    def needs_price(self) -> bool:
        """Whether an order of this type must name a price."""
        return not self.is_market


_MARKET_TYPES = frozenset(
    {OrderType.MARKET, OrderType.TAKE_PROFIT_MARKET, OrderType.STOP_LOSS_MARKET}
)
_LIMIT_TYPES = frozenset({OrderType.LIMIT, OrderType.TAKE_PROFIT_LIMIT, OrderType.STOP_LOSS_LIMIT})


class TimeInForce(StrEnum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class PositionSide(StrEnum):
    LONG = "LONG"
    SHORT = "SHORT"
    FLAT = "FLAT"


class OrderStatus(StrEnum):
    """What a strategy is told about an order.

    ``CANCEL_FAILED`` is an event, never an order's standing: the order lives on.
    """

    INITIALIZED = "INITIALIZED"
    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELING = "CANCELING"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    FAILED = "FAILED"
    CANCEL_FAILED = "CANCEL_FAILED"

    @property
    def is_closed(self) -> bool:
        return self in CLOSED_STATUSES


CLOSED_STATUSES = frozenset(
    {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.FAILED}
)


class WsOrderResultType(StrEnum):
    """How a request ended when it was not a plain success (the four of the guide)."""

    REQUEST_NOT_SENT = "REQUEST_NOT_SENT"
    ACK_REJECTED = "ACK_REJECTED"
    ACK_TIMEOUT = "ACK_TIMEOUT"
    ACK_TIMEOUT_CONFIRMED = "ACK_TIMEOUT_CONFIRMED"


class Exists(StrEnum):
    """Whether the venue has the order, as far as it is proven."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"


class RequestKind(StrEnum):
    """What a strategy asks for in an intent."""

    CREATE = "create"
    CANCEL = "cancel"
    MODIFY = "modify"
    QUERY = "query"


class Via(StrEnum):
    """The way a request goes to the venue."""

    WS = "ws"
    REST = "rest"

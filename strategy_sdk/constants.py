"""The enums a strategy uses; their values equal the names unless the API page shows otherwise."""

from router.enums import (
    ExchangeType,
    OrderSide,
    OrderStatus,
    OrderType,
    PositionSide,
    TimeInForce,
    WsOrderResultType,
)

__all__ = [
    "ExchangeType",
    "OrderSide",
    "OrderStatus",
    "OrderType",
    "PositionSide",
    "TimeInForce",
    "WsOrderResultType",
]

"""Write create, cancel and modify requests, for WebSocket and for REST: the same params for both.

"order.place", "order.cancel", "order.modify" and their REST twins, read 2026-11.
"""

import re
from decimal import Decimal
from urllib.parse import urlencode

from router.enums import OrderType, TimeInForce
from workers.venue import Cancel, CannotEncode, Command, Modify, Place, RestRequest
from workers.venues.binance.settings import Product
from workers.venues.commands import allowed, legal_id, limit_price, order_word, plain

Params = dict[str, str | int]

# The venue takes [.A-Z:/a-z0-9_-]{1,36}. Without : and / an id stands in a signed text as it is,
# whether or not the signer percent-encodes (the official SDK does, the documents' example not).
CLIENT_ID = r"[.A-Za-z0-9_-]{1,36}"
_CLIENT_ID = re.compile(CLIENT_ID)
METHODS: dict[type, tuple[str, str]] = {
    Place: ("order.place", "POST"),
    Cancel: ("order.cancel", "DELETE"),
    Modify: ("order.modify", "PUT"),
}
_BOTH = {
    (OrderType.LIMIT, TimeInForce.GTC): "LIMIT GTC",
    (OrderType.LIMIT, TimeInForce.IOC): "LIMIT IOC",
    (OrderType.LIMIT, TimeInForce.FOK): "LIMIT FOK",
    (OrderType.MARKET, TimeInForce.GTC): "MARKET",
    (OrderType.MARKET, TimeInForce.IOC): "MARKET",
}
#: Type and timeInForce. Stop and take-profit orders are algo orders since 2025-12-09: not here.
WORDS = {
    Product.FUTURES: {**_BOTH, (OrderType.POST_ONLY, TimeInForce.GTC): "LIMIT GTX"},
    Product.SPOT: {**_BOTH, (OrderType.POST_ONLY, TimeInForce.GTC): "LIMIT_MAKER"},
}
#: What a caller may add. Not here: priceMatch, goodTillDate, positionSide and quoteOrderQty (they
#: would trade at another price, time or size than the order says).
_PARAMS = {"selfTradePreventionMode": str}


def params(command: Command, product: Product) -> Params:
    """Return what a request says, without key, time and signature.

    Raises:
        CannotEncode: If the product has no way to say it.
    """
    if isinstance(command, Place):
        return _place(command, product)
    named: Params = {"symbol": command.instrument.venue_symbol}
    if command.venue_id.isdecimal():
        named["orderId"] = int(command.venue_id)
    else:
        named["origClientOrderId"] = legal_id("client_id", command.client_id, _CLIENT_ID)
    return named if isinstance(command, Cancel) else _modify(command, named, product)


def rest_command(command: Command, product: Product, path: str) -> RestRequest:
    """Return the same request for REST: all of it in the query.

    Raises:
        CannotEncode: If the product has no way to say it.
    """
    named = params(command, product)
    if "newOrderRespType" in named:  # the socket may be down, and with it spot's pushes
        named["newOrderRespType"] = "RESULT"
    query = urlencode(named)
    expires_ms = 0 if isinstance(command, Cancel) else command.expires_ms
    return RestRequest(METHODS[type(command)][1], f"{path}?{query}", expires_ms=expires_ms)


def _place(command: Place, product: Product) -> Params:
    kind, _, time_in_force = order_word(command, WORDS[product]).partition(" ")
    out: Params = {
        "symbol": command.instrument.venue_symbol,
        "side": command.side.value,
        "type": kind,
        "quantity": _positive(command.amount),
        "newClientOrderId": legal_id("client_id", command.client_id, _CLIENT_ID),
    }
    if time_in_force:
        out["timeInForce"] = time_in_force
    if kind != "MARKET":
        out["price"] = plain(limit_price(command))
    if product is Product.SPOT:
        out["newOrderRespType"] = "ACK"  # its default tells the fills too, which the stream does
    if command.reduce_only:
        if product is Product.SPOT:
            symbol = command.instrument.symbol
            raise CannotEncode("reduce_only", f"{symbol} has no position to reduce")
        out["reduceOnly"] = "true"
    if command.params:
        out.update(allowed(command.params, _PARAMS))
    return out


def _modify(command: Modify, named: Params, product: Product) -> Params:
    if product is Product.SPOT:
        raise CannotEncode("modify", "spot changes no open order; cancel it and create another")
    if command.price is None and command.amount is None:
        raise CannotEncode("price", "nothing to change: give a price, an amount or both")
    price = command.standing_price if command.price is None else command.price
    amount = command.standing_amount if command.amount is None else command.amount
    if command.side is None or price is None or amount is None:
        raise CannotEncode("price", "all terms are repeated, and only limit orders have them all")
    terms = {"quantity": _positive(amount), "price": _positive(price)}
    return {**named, "side": command.side.value, **terms}


def _positive(value: Decimal) -> str:
    if not value.is_finite() or value <= 0:
        raise CannotEncode("amount", f"{value} is not a positive number")
    return plain(value)

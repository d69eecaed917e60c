"""Bitget's words and codes as tables: v3 documents ("UTA"), read 2026-11, and captured frames."""

from router.enums import OrderType, RequestKind, TimeInForce
from router.evidence import VenueState
from workers.venue import Proof
from workers.venues.codes import Codes

#: What we trade, by REST's word for it, and what that is in ``Instrument.kind``. Frames write the
#: same words small: the venue answered "Param category=SPOT error" (captured 2025-08).
CATEGORIES = {"SPOT": "spot", "USDT-FUTURES": "linear"}

#: The topic by WebSocket; REST's path ends the same.
TOPICS = {
    RequestKind.CREATE: "place-order",
    RequestKind.CANCEL: "cancel-order",
    RequestKind.MODIFY: "modify-order",
}

#: orderType and timeInForce. A market order has none, and is shown with gtc.
ORDER_TYPES: dict[tuple[OrderType, TimeInForce], str] = {
    (OrderType.LIMIT, TimeInForce.GTC): "limit gtc",
    (OrderType.LIMIT, TimeInForce.IOC): "limit ioc",
    (OrderType.LIMIT, TimeInForce.FOK): "limit fok",
    (OrderType.POST_ONLY, TimeInForce.GTC): "limit post_only",
    (OrderType.MARKET, TimeInForce.IOC): "market",
    (OrderType.MARKET, TimeInForce.GTC): "market",
}
#: The way back; types that we never send have no row and keep both words empty.
READ_TYPES: dict[str, tuple[str, str]] = {
    word: (of.value, tif.value) for (of, tif), word in ORDER_TYPES.items()
}
SIDES = {"buy": "BUY", "sell": "SELL"}

#: What a caller may add to an order, with its JSON type. Not here: posSide (one-way mode is
#: required), take-profit and stop-loss fields (they would place more than the order says).
PARAMS: dict[str, type] = {"stpMode": str}

#: Pushes say live, replies new; both spellings of canceled were seen. Every end that is not a fill
#: is a cancel here, of IOC's rest and of a post-only order that would take, too: cancelReason.
STATES = {
    **dict.fromkeys(("live", "new", "partially_filled"), VenueState.OPEN),
    "filled": VenueState.FILLED,
    **dict.fromkeys(("cancelled", "canceled"), VenueState.CANCELED),
}

#: 25212 and the four after it say that an order with the id is there: it may be an earlier copy of
#: this one. 429 may be said of what was acted on, and only an order that is still open makes a
#: second copy a duplicate, so it counts as no proof. 25204 and its like stand for filled,
#: canceled, not visible yet and never existed.
CODES = Codes(
    {
        Proof.UNKNOWN: "429 25212 40708 40786 43118 45034 40010 40015 40200 40604 40725 45001",
        Proof.LOCKED_OUT: """
            30004 30011 30012 30015 40001 40002 40003 40006 40009 40011 40012 40014 40016 40018
            40022 40037 40038
        """,
        Proof.REJECTED: """
            22002 25202 25203 25206 40005 40008 40017 40019 40020 40305 40309 40762 40808 41101
            43011 43012 43027 45110 45111
        """,
        Proof.GONE: "25204 40109 43001",
    },
    absent=("25204", "40109", "43001"),
)
CLOCK_CODES = frozenset({"40005", "40008"})
#: Login refusals that other keys would not cure: too many requests, clock.
LOGIN_RETRY = frozenset({"30006", "30007", "30013", "30014"})
#: Login refusals: "WebSocket error codes". 30005 is "login failed" whatever the reason.
LOGIN = LOGIN_RETRY | {"30005"}

"""Reads the arguments of order operations; what OKX would refuse raises a Problem."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from simulator.exchange.accounts import Account
from simulator.exchange.exchange import Amendment
from simulator.exchange.instruments import Instrument
from simulator.exchange.orders import Order, OrderKind, Side, StpMode, Transport
from simulator.okx.codes import Problem

Item = Mapping[str, Any]

CLIENT_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_TAG = re.compile(r"[A-Za-z0-9]{1,16}")
_NUMBER = re.compile(r"\d+(\.\d*)?|\.\d+")

_KINDS: dict[str, OrderKind] = {
    "limit": "limit",
    "market": "market",
    "post_only": "post_only",
    "fok": "fok",
    "ioc": "ioc",
    "optimal_limit_ioc": "market",
}
_SIDES: dict[str, Side] = {"buy": "buy", "sell": "sell"}
_STP: dict[str, StpMode] = {
    "cancel_maker": "cancel_maker",
    "cancel_taker": "cancel_taker",
    "cancel_both": "cancel_both",
}
_SPOT_MODES = frozenset(("cash",))
_SWAP_MODES = frozenset(("cross", "isolated"))
# An order with no other keys than these has no options to read.
_PLAIN_KEYS = frozenset(
    ("instIdCode", "instId", "tdMode", "side", "ordType", "sz", "px", "clOrdId", "tag")
)
_OTHER_MODES = frozenset(("cash", "cross", "isolated", "spot_isolated"))


class Listing:
    """The instruments by id and by numeric code."""

    def __init__(self) -> None:
        self.by_id: dict[str, Instrument] = {}
        self.by_code: dict[int, Instrument] = {}

    def add(self, instrument: Instrument) -> None:
        """List ``instrument``."""
        self.by_id[instrument.symbol] = instrument
        self.by_code[instrument.code] = instrument

    def peek(self, item: Item) -> Instrument | None:
        """Return the instrument that ``item`` names in either way; None if it names none."""
        code = item.get("instIdCode")
        if isinstance(code, int):
            return self.by_code.get(code)
        name = item.get("instId")
        return self.by_id.get(name) if isinstance(name, str) else None

    def resolve(self, item: Item, transport: Transport) -> Instrument:
        """Return the instrument that ``item`` names.

        WebSocket operations need ``instIdCode`` and ignore ``instId`` (OKX change log, 2026-03);
        REST uses ``instId`` and takes the code too.
        """
        code = item.get("instIdCode")
        if code is not None and code != "":
            instrument = self.by_code.get(code) if isinstance(code, int) else None
        elif transport == "ws":
            raise Problem("50014", "instIdCode")
        else:
            name = item.get("instId")
            if not name:
                raise Problem("50014", "instId")
            instrument = self.by_id.get(name) if isinstance(name, str) else None
        if instrument is None:
            raise Problem("51001")
        return instrument


def read_order(item: Item, listing: Listing, account: Account, transport: Transport) -> Order:
    """Return the order that ``item`` asks for."""
    instrument = listing.resolve(item, transport)
    kind_word = item.get("ordType", "")
    kind = _KINDS.get(kind_word) if isinstance(kind_word, str) else None
    if kind is None or (kind_word == "optimal_limit_ioc" and instrument.kind == "spot"):
        raise Problem("51000", "ordType")
    side_word = item.get("side")
    side = _SIDES.get(side_word) if isinstance(side_word, str) else None
    if side is None:
        raise Problem("51000", "side")
    client_id = _name(item, "clOrdId", CLIENT_ID) if item.get("clOrdId") else ""
    tag = _name(item, "tag", _TAG) if item.get("tag") else ""
    order = Order(
        account,
        instrument,
        side,
        kind,
        _number(item, "sz"),
        None if kind == "market" else _number(item, "px"),
        client_id,
        tag,
        kind_word,
        _margin_word(item, instrument),
    )
    order.transport = transport
    if instrument.kind != "spot":
        order.position_word = "net"
    if kind == "market" or not _PLAIN_KEYS.issuperset(item):
        _read_options(order, item)
    return order


def read_ids(item: Item) -> tuple[str, str]:
    """Return (ordId, clOrdId) of a cancel, an amendment or a query; ordId wins if both."""
    venue_id, client_id = _word(item, "ordId"), _name(item, "clOrdId", CLIENT_ID)
    if not venue_id and not client_id:
        raise Problem("51407")
    return venue_id, client_id


def read_amendment(item: Item) -> Amendment:
    """Return what ``item`` wants changed."""
    if not item.get("newSz") and not item.get("newPx"):
        raise Problem("51500")
    request_id = _name(item, "reqId", CLIENT_ID)
    return Amendment(
        size=_number(item, "newSz") if item.get("newSz") else None,
        price=_number(item, "newPx") if item.get("newPx") else None,
        request_id=request_id,
        cancel_on_fail=_flag(item, "cxlOnFail"),
    )


def _read_options(order: Order, item: Item) -> None:
    """Read what most orders leave out."""
    spot = order.instrument.kind == "spot"
    if _word(item, "posSide") not in ("", "net"):
        raise Problem("51000", "posSide")
    if not spot and item.get("reduceOnly"):
        order.reduce_only = _flag(item, "reduceOnly")
    if spot and order.kind == "market":
        _read_target(order, item)
    stp = _word(item, "stpMode")
    if stp:
        if stp not in _STP or (stp == "cancel_both" and order.kind == "fok"):
            raise Problem("51000", "stpMode")
        order.stp = _STP[stp]
    order.margin_ccy = _name(item, "ccy", CLIENT_ID)


def _read_target(order: Order, item: Item) -> None:
    # Default unit: quote for a buy, base for a sell. OKX v5 documents, "Place order", 2026-07.
    word = _word(item, "tgtCcy") or ("quote_ccy" if order.side == "buy" else "base_ccy")
    if word not in ("base_ccy", "quote_ccy"):
        raise Problem("51000", "tgtCcy")
    order.target_word = word
    order.quote_sized = word == "quote_ccy"
    order.no_shrink = _flag(item, "banAmend")


def _margin_word(item: Item, instrument: Instrument) -> str:
    word = item.get("tdMode", "")
    if not isinstance(word, str):
        raise Problem("51000", "tdMode")
    if instrument.kind == "spot":
        if word in _SPOT_MODES:
            return "cash"
        # Spot and futures mode: margin trading of spot pairs is not served here.
        raise Problem("51010") if word in _OTHER_MODES else Problem("51000", "tdMode")
    if word not in _SWAP_MODES:
        raise Problem("51000", "tdMode")
    return word


def _number(item: Item, name: str) -> Decimal:
    value = item.get(name)
    number = _positive(value) if isinstance(value, str) else None
    if number is None:
        raise Problem("51000", name)
    return number


@lru_cache(maxsize=8192)
def _positive(value: str) -> Decimal | None:
    """Return plain digits as a number; None for anything else and for 0."""
    return (Decimal(value) or None) if _NUMBER.fullmatch(value) else None


def _flag(item: Item, name: str) -> bool:
    value = item.get(name)
    if value is None or value == "":
        return False
    if value in (True, "true"):
        return True
    if value in (False, "false"):
        return False
    raise Problem("51000", name)


def _word(item: Item, name: str) -> str:
    """Return a text field; "" if it is left out."""
    value = item.get(name)
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    raise Problem("51000", name)


def _name(item: Item, name: str, pattern: re.Pattern[str]) -> str:
    """Return a text field that must fit ``pattern`` unless it is left out or empty."""
    value = _word(item, name)
    if value and not pattern.fullmatch(value):
        raise Problem("51000", name)
    return value

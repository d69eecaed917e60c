"""A strategy's arguments checked and turned into intents; no Redis, fresh ids only.

Nothing is rounded silently: a price or amount off its grid is refused with its legal neighbours.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Literal, TypeVar

import orjson
from pydantic import ValidationError

from router import ids
from router.contracts import (
    MAX_PARAMS_LENGTH,
    CancelIntent,
    CreateIntent,
    ModifyIntent,
    QueryIntent,
    first_problem,
    plain,
)
from router.enums import OrderSide, OrderType, TimeInForce, Via
from router.errors import InvalidArgument
from router.instruments import Instrument, is_on_step, to_step
from strategy_sdk.schema import BatchOrder

_Word = TypeVar("_Word", bound=StrEnum)
SCOPES = ("strategy", "account")
ACCOUNT_OWNER = "@account"
#: Types that a port may name and that no venue folder can say; the venue would never see them.
_TRIGGER_TYPES = frozenset(
    {
        OrderType.TAKE_PROFIT_MARKET,
        OrderType.TAKE_PROFIT_LIMIT,
        OrderType.STOP_LOSS_MARKET,
        OrderType.STOP_LOSS_LIMIT,
    }
)
_LEAST, _MOST = Decimal("1e-18"), Decimal("1e18")  # any venue's numbers; beyond is a mistake


@dataclass(slots=True)  # frozen would triple the cost of making one
class CreateForm:
    """The arguments of one create call, unchecked."""

    symbol: str
    side: OrderSide
    type: OrderType
    amount: Decimal
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    client_oid: str | None = None
    idempotency_key: str | None = None
    account_type: str | None = None
    ws_fallback: bool = True
    valid_for_ms: int | None = None
    idempotency_scope: str = "strategy"
    params: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_batch(cls, one: BatchOrder, account_type: str | None, scope: str) -> "CreateForm":
        """Return the form of one order of a batch."""
        return cls(  # by position: by name it costs three times as much
            one.symbol,
            one.side,
            one.type,
            one.amount,
            one.price,
            one.time_in_force,
            one.reduce_only,
            one.client_oid,
            one.idempotency_key,
            account_type,
            True,
            None,
            scope,
            one.kwargs,
        )


def create_intent(form: CreateForm, instrument: Instrument, tag: str, via: Via) -> CreateIntent:
    """Return the intent for ``form`` with a fresh oid.

    Raises:
        InvalidArgument: If anything in the form is wrong; the text names the field and a remedy.
    """
    if not instrument.tradable:
        raise InvalidArgument("symbol", f"{form.symbol} is listed but cannot be traded now")
    side = word(OrderSide, "side", form.side)
    kind = _kind(form.type)
    tif = word(TimeInForce, "time_in_force", form.time_in_force)
    if kind.is_post_only and tif is not TimeInForce.GTC:
        raise InvalidArgument("time_in_force", f"a POST_ONLY order rests, so {tif} contradicts it")
    amount = legal_amount(form.amount, instrument)
    price = _price(form, kind, instrument)
    _check_cost(form, amount, price, instrument)
    oid = ids.new_oid(tag)
    return CreateIntent(  # by position: by name it costs three times as much
        oid,
        _client_id(form.client_oid, oid, tag, instrument),
        form.symbol,
        side,
        kind,
        amount,
        price,
        tif,
        flag("reduce_only", form.reduce_only),
        form.client_oid or "",
        _key(form.idempotency_key),
        _scope(form.idempotency_scope),
        via,
        flag("ws_fallback", form.ws_fallback),
        _params(form.params),
    )


def modify_intent(
    oid: str, price: Any, amount: Any, instrument: Instrument, via: Via, ws_fallback: bool
) -> ModifyIntent:
    """Return the intent that changes an order's price and/or total amount.

    Raises:
        InvalidArgument: If neither is given, or one is off its grid or out of range.
    """
    if price is None and amount is None:
        raise InvalidArgument("price", "a modify must name a new price or a new amount")
    try:
        return ModifyIntent(
            id=ids.new_request_id(),
            oid=own_oid(oid),
            price=None if price is None else legal_price(price, instrument),
            amount=None if amount is None else legal_amount(amount, instrument),
            via=via,
            ws_fallback=flag("ws_fallback", ws_fallback),
        )
    except ValidationError as error:
        raise first_problem(error) from None


def cancel_intent(oid: str, via: Via, ws_fallback: bool) -> CancelIntent:
    """Return the intent that cancels an order.

    Raises:
        InvalidArgument: If ``oid`` is no oid.
    """
    return CancelIntent(
        id=ids.new_request_id(),
        oid=own_oid(oid),
        via=via,
        ws_fallback=flag("ws_fallback", ws_fallback),
    )


def query_intent(oid: str) -> QueryIntent:
    """Return the intent that asks the venue for an order.

    Raises:
        InvalidArgument: If ``oid`` is no oid.
    """
    return QueryIntent(id=ids.new_request_id(), oid=own_oid(oid))


def no_params(params: Mapping[str, Any]) -> None:
    """Return if no venue parameter is given with a modify, which carries none.

    Raises:
        InvalidArgument: If one is; left out silently, it would be missed at the venue.
    """
    if params:
        raise InvalidArgument(
            "venue_params",
            f"a modify changes price and amount only; {', '.join(params)} cannot be passed on. "
            "Cancel the order and create another",
        )


def own_oid(oid: str) -> str:
    """Return ``oid`` if it has an oid's form.

    Raises:
        InvalidArgument: If not, which is a mistake of another kind than an oid not ours.
    """
    if not isinstance(oid, str) or not ids.OID.fullmatch(oid):
        raise InvalidArgument("oid", f"{oid!r} is no oid; pass what create_order_ws returned")
    return oid


def word(kind: type[_Word], name: str, value: object) -> _Word:
    """Return the enum member that ``value`` is or equals.

    Raises:
        InvalidArgument: If there is none.
    """
    if isinstance(value, kind):
        return value
    try:
        return kind(value)  # type: ignore[arg-type]
    except ValueError:
        raise InvalidArgument(name, f"{value!r} is none of {', '.join(kind)}") from None


def _kind(value: object) -> OrderType:
    kind = word(OrderType, "type", value)
    if kind in _TRIGGER_TYPES:
        raise InvalidArgument(
            "type",
            f"{kind} is a trigger order, which is not supported at any venue yet; nothing was "
            "admitted. Watch the price in on_bookl1 and create a MARKET or LIMIT order, with an "
            "idempotency_key, once it is reached",
        )
    return kind


def flag(name: str, value: object) -> bool:
    """Return ``value`` if it is a bool.

    Raises:
        InvalidArgument: If it is anything else, since "False" would count as true.
    """
    if not isinstance(value, bool):
        raise InvalidArgument(name, f"{value!r} is neither True nor False")
    return value


def exact(name: str, value: object) -> Decimal:
    """Return ``value`` as a finite Decimal of any sign.

    Raises:
        InvalidArgument: If it is a float, no number or not finite.
    """
    read = _decimal(name, value)
    if not read.is_finite():
        raise InvalidArgument(name, f"{value} is not a finite number")
    return read


def number(name: str, value: object) -> Decimal:
    """Return ``value`` as a finite Decimal above 0.

    Raises:
        InvalidArgument: If it is a float, no number, not finite, 0 or negative.
    """
    read = _decimal(name, value)
    if not read.is_finite() or read <= 0:
        raise InvalidArgument(name, f"{value} is not a finite number above 0")
    if len(read.as_tuple().digits) > 36:
        raise InvalidArgument(name, f"{str(value)[:60]} has more than 36 digits")
    if not _LEAST <= read <= _MOST:
        raise InvalidArgument(name, f"{str(value)[:60]} does not lie between 1e-18 and 1e18")
    return read


def _decimal(name: str, value: object) -> Decimal:
    if isinstance(value, float):
        raise InvalidArgument(
            name,
            f"{value!r} is a float, which cannot hold decimal steps; pass Decimal('{value!r}')",
        )
    if isinstance(value, bool) or not isinstance(value, (Decimal, int, str)):
        raise InvalidArgument(name, f"{value!r} is no number; pass a Decimal")
    try:
        return Decimal(value)
    except InvalidOperation:
        raise InvalidArgument(name, f"{value!r} is no number; pass a Decimal") from None


def legal_price(value: object, instrument: Instrument) -> Decimal:
    """Return a price that is a multiple of the tick.

    Raises:
        InvalidArgument: If it is no number or off the grid; the nearest legal prices are named.
    """
    price = number("price", value)
    _check_step("price", price, instrument.tick_size, "tick", instrument.symbol)
    return price


def legal_amount(value: object, instrument: Instrument) -> Decimal:
    """Return an amount in base units that is a multiple of the lot and within the limits.

    Raises:
        InvalidArgument: If it is no number, off the grid, too small or too large.
    """
    amount = number("amount", value)
    _check_step("amount", amount, instrument.lot_size, "lot", instrument.symbol)
    if amount < instrument.min_amount:
        raise InvalidArgument(
            "amount",
            f"{plain(amount)} is below {instrument.symbol}'s least amount "
            f"{plain(instrument.min_amount)}",
        )
    if instrument.max_amount is not None and amount > instrument.max_amount:
        raise InvalidArgument(
            "amount",
            f"{plain(amount)} is above {instrument.symbol}'s largest amount "
            f"{plain(instrument.max_amount)}; send several orders",
        )
    return amount


def _check_step(name: str, value: Decimal, step: Decimal, called: str, symbol: str) -> None:
    if step <= 0 or is_on_step(value, step):
        return
    below, above = to_step(value, step, "floor"), to_step(value, step, "ceil")
    legal = f"{plain(below)} or {plain(above)}" if below > 0 else plain(above)
    raise InvalidArgument(
        name,
        f"{plain(value)} is no multiple of {symbol}'s {called} {plain(step)}; nearest: {legal}. "
        f"self.{name}_to_precision rounds it",
    )


def _price(form: CreateForm, kind: OrderType, instrument: Instrument) -> Decimal | None:
    if form.price is None:
        if kind.needs_price:
            raise InvalidArgument("price", f"a {kind} order needs a price")
        return None
    if kind.is_market:  # dropped silently, it would bound nothing
        raise InvalidArgument(
            "price",
            f"a {kind} order takes the price of the book; leave it out, or bound what you pay by a "
            "LIMIT order with time_in_force=TimeInForce.IOC",
        )
    return legal_price(form.price, instrument)


def _check_cost(
    form: CreateForm, amount: Decimal, price: Decimal | None, instrument: Instrument
) -> None:
    # Venues exempt reducing orders; a market order's cost is not known here.
    if price is None or form.reduce_only or instrument.kind == "inverse":
        return
    if amount * price < instrument.min_cost:
        raise InvalidArgument(
            "amount",
            f"{plain(amount)} at {plain(price)} is worth {plain(amount * price)}, below "
            f"{instrument.symbol}'s least order value {plain(instrument.min_cost)}",
        )


def _key(key: str | None) -> str:
    if key is None:
        return ""
    if not isinstance(key, str):
        raise InvalidArgument("idempotency_key", f"{key!r} is no str")
    return ids.check_idempotency_key(key)


def _scope(scope: str) -> Literal["", "account"]:
    if scope not in SCOPES:
        raise InvalidArgument("idempotency_scope", f"{scope!r} is none of {', '.join(SCOPES)}")
    return "account" if scope == "account" else ""


def _client_id(client_oid: str | None, oid: str, tag: str, instrument: Instrument) -> str:
    if client_oid is None:
        return oid
    if not isinstance(client_oid, str):
        raise InvalidArgument("client_oid", f"{client_oid!r} is no str")
    return ids.wire_client_id(client_oid, tag, instrument.client_id_pattern)


def _params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return venue parameters as JSON holds them; a Decimal becomes its digits."""
    if not params:
        return {}
    if params.get("trigger_price") not in (None, ""):
        number("trigger_price", params["trigger_price"])
    try:
        text = orjson.dumps(dict(params), default=_json_value)
    except TypeError as error:
        raise InvalidArgument("venue_params", f"cannot be written as JSON: {error}") from None
    if len(text) > MAX_PARAMS_LENGTH:
        raise InvalidArgument(
            "venue_params", f"{len(text)} characters are more than the {MAX_PARAMS_LENGTH} allowed"
        )
    read: dict[str, Any] = orjson.loads(text)
    return read


def _json_value(value: object) -> str:
    if isinstance(value, Decimal) and value.is_finite():
        return plain(value)
    raise TypeError(f"{value!r}")

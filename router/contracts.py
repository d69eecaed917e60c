"""What crosses a process: intents, control messages, registrations. Flat text fields in streams.

Every message carries ``v``, the schema version. A reader refuses a version it does not know.
The owner of an intent is the strategy in the stream's name; no field can claim another (P5).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Self

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from router.enums import OrderSide, OrderType, RequestKind, TimeInForce, Via
from router.errors import InvalidArgument

SCHEMA_VERSION: Literal["1"] = "1"
MAX_PARAMS_LENGTH = 2_000
_SET_BY_ADMIT = ("created_ms", "expires_ms")


def _positive(value: Decimal) -> Decimal:
    # 36 digits within 1e-18 to 1e18 hold any venue's number. Beyond it is an attack or a mistake:
    # 1E+999999999 is one digit here and a gigabyte in a frame.
    if not value.is_finite() or value <= 0 or len(value.as_tuple().digits) > 36:
        raise ValueError("must be a finite number above 0 with at most 36 digits")
    if not -18 <= value.adjusted() <= 18 or int(value.as_tuple().exponent) < -36:
        raise ValueError("must lie between 1e-18 and 1e18")
    return value


def plain(value: Decimal) -> str:
    """Return the number as plain digits, never with an exponent."""
    return format(value, "f")


def _flag(value: object) -> object:
    return {"1": True, "0": False}.get(value, value) if isinstance(value, str) else value


def _absent(value: object) -> object:
    return None if value == "" else value


def _json_object(value: str) -> object:
    try:
        return orjson.loads(value or "{}")
    except orjson.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error}") from None


PositiveDecimal = Annotated[Decimal, AfterValidator(_positive), PlainSerializer(plain)]
OptionalDecimal = Annotated[PositiveDecimal | None, BeforeValidator(_absent)]
Flag = Annotated[bool, BeforeValidator(_flag), PlainSerializer(lambda flag: "1" if flag else "0")]
Params = Annotated[dict[str, Any], BeforeValidator(_json_object)]
Oid = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
ShortText = Annotated[str, Field(max_length=128)]


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    v: Literal["1"] = SCHEMA_VERSION

    def fields(self) -> dict[str, str]:
        """Return the message as flat text fields for a stream entry; empty ones left out."""
        out: dict[str, str] = {}
        for name, value in self.model_dump(mode="python").items():
            if value is None or value in ("", {}) or (value == 0 and name in _SET_BY_ADMIT):
                continue
            out[name] = orjson.dumps(value).decode() if isinstance(value, dict) else str(value)
        return out


@dataclass(slots=True)  # frozen would double the cost of making one
class CreateIntent:
    """Create one order. ``client_id`` is what the venue sees. ``expires_ms`` is set by admit."""

    request: ClassVar[RequestKind] = RequestKind.CREATE

    oid: str
    client_id: str
    symbol: str
    side: OrderSide
    type: OrderType
    amount: Decimal
    price: Decimal | None = None
    tif: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    client_oid: str = ""
    idem: str = ""
    scope: Literal["", "account"] = ""
    via: Via = Via.WS
    ws_fallback: bool = True
    params: dict[str, Any] = field(default_factory=dict)
    created_ms: int = 0
    expires_ms: int = 0

    def fields(self) -> dict[str, str]:
        """Return the intent as flat text fields, those left out that have their default.

        Fewer fields are the largest saving there is: each is packed, stored in a hash and a
        stream, read and parsed (``benchmarks/README.md``).
        """
        out = {
            "v": SCHEMA_VERSION,
            "request": "create",
            "oid": self.oid,
            "symbol": self.symbol,
            "side": self.side,
            "type": self.type,
            "amount": plain(self.amount),
        }
        if self.price is not None:
            out["price"] = plain(self.price)
        if self.client_id != self.oid:
            out["client_id"] = self.client_id
        self._add_choices(out)
        if self.created_ms:
            out["created_ms"] = str(self.created_ms)
        if self.expires_ms:
            out["expires_ms"] = str(self.expires_ms)
        return out

    def _add_choices(self, out: dict[str, str]) -> None:
        if self.tif is not TimeInForce.GTC:
            out["tif"] = self.tif
        if self.reduce_only:
            out["reduce_only"] = "1"
        if self.via is not Via.WS:
            out["via"] = self.via
        if not self.ws_fallback:
            out["ws_fallback"] = "0"
        for name in ("client_oid", "idem", "scope"):
            if value := getattr(self, name):
                out[name] = value
        if self.params:
            out["params"] = orjson.dumps(self.params).decode()


class _CreateMessage(_Message):
    """What a create intent's fields must be; says what is wrong with those that are not."""

    request: Literal[RequestKind.CREATE] = RequestKind.CREATE
    oid: Oid
    client_id: Annotated[str, Field(pattern=r"^[\x21-\x7e]{0,64}$")] = ""
    client_oid: ShortText = ""
    idem: ShortText = ""
    scope: Literal["", "account"] = ""
    symbol: Annotated[str, Field(max_length=64)]
    side: OrderSide
    type: OrderType
    amount: PositiveDecimal
    price: OptionalDecimal = None
    tif: TimeInForce = TimeInForce.GTC
    reduce_only: Flag = False
    via: Via = Via.WS
    ws_fallback: Flag = True
    params: Params = {}
    created_ms: int = 0
    expires_ms: int = 0

    @model_validator(mode="after")
    def _price_fits_the_type(self) -> Self:
        if self.type.needs_price and self.price is None:
            raise ValueError(f"price: a {self.type} order needs a price")
        return self

    def intent(self) -> CreateIntent:
        """Return the intent; without a client id the oid is the one that the venue sees."""
        values = {name: getattr(self, name) for name in CreateIntent.__slots__}
        return CreateIntent(**values | {"client_id": self.client_id or self.oid})


class CancelIntent(_Message):
    """Cancel one order of the same strategy."""

    request: Literal[RequestKind.CANCEL] = RequestKind.CANCEL
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{24}$")]
    oid: Oid
    via: Via = Via.WS
    ws_fallback: Flag = True
    created_ms: int = 0
    expires_ms: int = 0


class ModifyIntent(_Message):
    """Change price and/or total amount of one order of the same strategy."""

    request: Literal[RequestKind.MODIFY] = RequestKind.MODIFY
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{24}$")]
    oid: Oid
    price: OptionalDecimal = None
    amount: OptionalDecimal = None
    via: Via = Via.WS
    ws_fallback: Flag = True
    created_ms: int = 0
    expires_ms: int = 0

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.price is None and self.amount is None:
            raise ValueError("price: a modify must name a price or an amount")
        return self


class QueryIntent(_Message):
    """Ask the venue for one own order; the answer goes to the reply list ``id``."""

    request: Literal[RequestKind.QUERY] = RequestKind.QUERY
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{24}$")]
    oid: Oid
    created_ms: int = 0
    expires_ms: int = 0


class QueryReply(BaseModel):
    """The answer to a query, as JSON on the reply list.

    ``found``: True with ``order`` (fields of an ``order`` result); False when the venue answered
    cleanly that it has no such order; None when it could not be asked (``reason`` says why).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    v: Literal["1"] = SCHEMA_VERSION
    found: bool | None
    reason: str = ""
    order: dict[str, str] = {}


Intent = CreateIntent | CancelIntent | ModifyIntent | QueryIntent
_MESSAGE: TypeAdapter[_CreateMessage | CancelIntent | ModifyIntent | QueryIntent] = TypeAdapter(
    Annotated[
        _CreateMessage | CancelIntent | ModifyIntent | QueryIntent, Field(discriminator="request")
    ]
)


def read_intent(fields: Mapping[str, str]) -> Intent:
    """Return the intent in a stream entry.

    Raises:
        InvalidArgument: If it is none; the text names the field and what is wrong with it.
    """
    if fields.get("request") == "create" and (intent := _plain_create(fields)) is not None:
        return intent
    size = sum(len(name) + len(value) for name, value in fields.items())
    if size > 8_000:
        raise InvalidArgument("intent", f"{size} characters are more than the 8000 allowed")
    try:
        message = _MESSAGE.validate_python(dict(fields))
    except ValidationError as error:
        raise first_problem(error) from None
    return message.intent() if isinstance(message, _CreateMessage) else message


def read_create(fields: Mapping[str, str]) -> CreateIntent:
    """Return the create intent in an order's hash or a stream entry.

    Raises:
        InvalidArgument: If it is none; the text names the field and what is wrong with it.
    """
    if (intent := _plain_create(fields)) is not None:
        return intent
    try:
        return _CreateMessage.model_validate({**fields, "request": "create"}).intent()
    except ValidationError as error:
        raise first_problem(error) from None


_OID = re.compile(r"[0-9a-f]{32}")
_CLIENT_ID = re.compile(r"[\x21-\x7e]{1,64}")
_NUMBER = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,18})?")
_MOST_FIELDS = 24
_MS = re.compile(r"[0-9]{1,15}")
_SIDES: dict[str | None, OrderSide] = {one.value: one for one in OrderSide}
_TYPES: dict[str | None, OrderType] = {one.value: one for one in OrderType}
_TIFS: dict[str | None, TimeInForce] = {one.value: one for one in TimeInForce}
_VIAS: dict[str | None, Via] = {one.value: one for one in Via}
_FLAGS = {"1": True, "0": False}
_SCOPES: dict[str, Literal["", "account"]] = {"": "", "account": "account"}


def _number(text: str | None) -> Decimal | None:
    """Return a number above 0 of plain digits; None for anything else."""
    value = Decimal(text) if text and _NUMBER.fullmatch(text) else None
    return value or None


def _plain_create(fields: Mapping[str, str]) -> CreateIntent | None:
    """Return the intent if its fields are as the SDK writes them; None: let the model judge.

    What it takes the model takes, with equal values (a property test); the model costs 4 times as
    much, and every order passes here.
    """
    get = fields.get
    oid, symbol, short = get("oid", ""), get("symbol", ""), (get("client_oid", ""), get("idem", ""))
    client_id = get("client_id") or oid
    times = get("created_ms", "0"), get("expires_ms", "0")
    amount, price, kind = _number(get("amount")), _number(get("price")), _TYPES.get(get("type"))
    if (
        get("v") != SCHEMA_VERSION
        or kind is None
        or amount is None
        or (price is None and (kind.needs_price or get("price")))
        or len(fields) > _MOST_FIELDS
        or get("params")
        or not (_OID.fullmatch(oid) and _CLIENT_ID.fullmatch(client_id) and len(symbol) <= 64)
        or not (_MS.fullmatch(times[0]) and _MS.fullmatch(times[1]))
        or len(short[0]) > 128
        or len(short[1]) > 128
    ):
        return None
    try:
        return CreateIntent(
            oid,
            client_id,
            symbol,
            _SIDES[get("side")],
            kind,
            amount,
            price,
            _TIFS[get("tif", "GTC")],
            _FLAGS[get("reduce_only", "0")],
            short[0],
            short[1],
            _SCOPES[get("scope", "")],
            _VIAS[get("via", "ws")],
            _FLAGS[get("ws_fallback", "1")],
            {},
            int(times[0]),
            int(times[1]),
        )
    except KeyError:
        return None


def first_problem(error: ValidationError) -> InvalidArgument:
    """Return the first complaint of a pydantic error as one of ours."""
    problem = error.errors(include_url=False, include_context=False)[0]
    where = [str(part) for part in problem["loc"] if part not in tuple(RequestKind)]
    shown = repr(problem.get("input"))[:80]
    return InvalidArgument(".".join(where) or "intent", f"{problem['msg']} (got {shown})")


class ControlKind:
    """Kinds of messages on the control stream."""

    REGISTERED = "registered"  # a strategy came or changed its registration
    EVIDENCE = "evidence"  # a job asked the venue about an unknown order; here is the answer
    HALT = "halt"  # trading was halted or resumed


class Registration(BaseModel):
    """What a strategy tells of itself; one JSON value in the ``strategies`` hash."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    v: Literal["1"] = SCHEMA_VERSION
    tag: str
    grace_ms: dict[str, int] = {}

    def json_text(self) -> str:
        return self.model_dump_json()


class ResultsGap(BaseModel):
    """Results that were cut before an instance read them: JSON in the ``gaps`` hash, by trim.

    ``last_id`` is the entry of ``last_seq``; it alone is kept, and reading goes on behind it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    first_seq: int
    last_seq: int
    last_id: Annotated[str, Field(pattern=r"^\d+-\d+$")]
    cut_ms: int
    reason: str


class ResultType:
    """The ``type`` field of an entry on a result stream."""

    ORDER = "order"
    REQUEST = "ws_order_request_result"
    STATUS = "private_ws_status"
    DIFF = "private_ws_resync_diff"
    BALANCE = "balance"
    POSITION = "position"

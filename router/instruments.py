"""What can be traded: one instrument's steps, limits and ids, as published to Redis."""

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, localcontext
from functools import lru_cache
from typing import Literal

from pydantic import BaseModel, ConfigDict

from router.enums import ExchangeType
from router.errors import InvalidArgument
from router.ids import PLAIN_CLIENT_ID

Rounding = Literal["round", "ceil", "floor"]
_ROUNDING = {"round": ROUND_HALF_UP, "ceil": ROUND_CEILING, "floor": ROUND_FLOOR}
#: An intent may hold 36 digits, a step 18 more; the default context's 28 would be too few.
_DIGITS = 80
_CONTEXT = Context(prec=_DIGITS)
_SYMBOL = re.compile(r"[A-Z0-9]{1,30}(-PERP|-[0-9]{6})?\.[A-Z]{2,20}")


class Instrument(BaseModel):
    """One instrument; amounts in base units, prices in quote units.

    ``contract_size`` is the base amount of one contract (1 for spot). For an inverse contract it
    is the contract's value in quote units, since its base amount depends on the price.
    ``venue_ids`` holds what only the venue's own codec reads.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    symbol: str
    exchange: ExchangeType
    kind: Literal["spot", "linear", "inverse"]
    base: str
    quote: str
    settle: str
    tick_size: Decimal
    lot_size: Decimal
    min_amount: Decimal
    min_cost: Decimal = Decimal(0)
    max_amount: Decimal | None = None
    contract_size: Decimal = Decimal(1)
    tradable: bool = True
    client_id_pattern: str = PLAIN_CLIENT_ID
    venue_symbol: str
    venue_ids: dict[str, str] = {}

    def price_to_precision(self, price: Decimal, mode: Rounding = "round") -> Decimal:
        """Return ``price`` on the tick grid; "round" is half up."""
        return to_step(price, self.tick_size, mode)

    def amount_to_precision(self, amount: Decimal, mode: Rounding = "round") -> Decimal:
        """Return ``amount`` on the lot grid; "round" is half up."""
        return to_step(amount, self.lot_size, mode)


def to_step(value: Decimal, step: Decimal, mode: Rounding) -> Decimal:
    """Return ``value`` as a multiple of ``step``, written with the step's decimals.

    Raises:
        InvalidArgument: If ``value`` is not finite or ``mode`` is unknown.
    """
    if mode not in _ROUNDING:
        raise InvalidArgument("mode", f"{mode!r} is none of round, ceil, floor")
    if not value.is_finite():
        raise InvalidArgument("value", f"{value} is not a finite number")
    with localcontext(prec=_DIGITS):
        steps = (value / step).quantize(Decimal(1), rounding=_ROUNDING[mode])
        return (steps * step).quantize(step.normalize()) if step < 1 else steps * step


def is_on_step(value: Decimal, step: Decimal) -> bool:
    """Return whether ``value`` is a multiple of ``step``."""
    return _CONTEXT.remainder(value, step) == 0


def is_pair(symbol: str) -> bool:
    """Whether ``BTCUSDT.OKX`` and not a contract such as ``BTCUSDT-PERP.OKX`` is named."""
    return "-" not in symbol


def exchange_of(symbol: str) -> ExchangeType:
    """Return the exchange in ``BTCUSDT-PERP.OKX``.

    Raises:
        InvalidArgument: If the symbol has not that form or names an unknown exchange.
    """
    if not isinstance(symbol, str):
        raise InvalidArgument("symbol", f"{symbol!r} is not a symbol: it is no str")
    return _exchange_of(symbol)


@lru_cache(maxsize=1024)
def _exchange_of(symbol: str) -> ExchangeType:
    if not _SYMBOL.fullmatch(symbol):
        raise InvalidArgument(
            "symbol",
            f"{symbol!r} is not a symbol; write BTCUSDT.OKX (spot), BTCUSDT-PERP.OKX (perpetual) "
            "or BTCUSD-241227.BINANCE (dated)",
        )
    name = symbol.rpartition(".")[2].lower()
    try:
        return ExchangeType(name)
    except ValueError:
        raise InvalidArgument(
            "symbol", f"{symbol!r} names the exchange {name!r}; known: {', '.join(ExchangeType)}"
        ) from None

"""Write requests: what every codec checks of a command first. Each no is a ``CannotEncode``."""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from router.enums import OrderType, RequestKind, TimeInForce
from workers.venue import Cancel, CannotEncode, Command, Modify, Place, RestRequest

T = TypeVar("T")
_KINDS: dict[type, RequestKind] = {
    Place: RequestKind.CREATE,
    Cancel: RequestKind.CANCEL,
    Modify: RequestKind.MODIFY,
}


def kind_of(command: Command) -> RequestKind:
    return _KINDS[type(command)]


def one_kind(commands: Sequence[Command], most: int) -> RequestKind:
    """Return what all commands of one frame, at most ``most``, ask for."""
    if len(commands) == 1:
        return _KINDS[type(commands[0])]
    kinds = {type(command) for command in commands}
    if len(kinds) != 1 or len(commands) > most:
        raise CannotEncode("commands", f"1 to {most} commands of one kind are needed")
    return _KINDS[kinds.pop()]


def legal_id(name: str, value: str, pattern: "re.Pattern[str]") -> str:
    """Return ``value`` if the whole of it is what the venue allows as an id."""
    if not pattern.fullmatch(value):
        raise CannotEncode(name, f"{value!r} is not {pattern.pattern}")
    return value


def order_word(command: Place, words: Mapping[tuple[OrderType, TimeInForce], str]) -> str:
    """Return the venue's word for an order of this type and time in force."""
    word = words.get((command.type, command.time_in_force))
    if word is not None:
        return word
    if any(of is command.type for of, _ in words):
        problem = f"the venue has no {command.type} order that is {command.time_in_force}"
        raise CannotEncode("time_in_force", problem)
    raise CannotEncode("type", f"{command.type} orders are not supported at this venue")


def limit_price(command: Place) -> Decimal:
    """Return the price of an order whose type needs one."""
    if command.price is None or not command.price.is_finite() or command.price <= 0:
        raise CannotEncode("price", f"a {command.type} order needs a positive price")
    return command.price


def allowed(params: Mapping[str, Any], types: Mapping[str, type]) -> dict[str, Any]:
    """Return the caller's own parameters if the venue may be told all of them."""
    if unknown := sorted(set(params) - set(types)):
        raise CannotEncode(", ".join(unknown), f"not allowed; allowed: {', '.join(types)}")
    for name, value in params.items():
        if type(value) is not types[name]:
            raise CannotEncode(name, f"{value!r} is not of type {types[name].__name__}")
    return dict(params)


def get(path: str, headers: Mapping[str, str], query: Mapping[str, object]) -> RestRequest:
    """Return a GET whose query holds what is not empty, in the order given."""
    pairs = [f"{name}={value}" for name, value in query.items() if value not in ("", None)]
    return RestRequest("GET", f"{path}?{'&'.join(pairs)}" if pairs else path, headers=headers)


def plain(value: Decimal) -> str:
    """Return ``value`` without an exponent."""
    return format(value, "f")


def spans(since_ms: int, now_ms: int, most_ms: int, count: int) -> list[tuple[int, int]]:
    """Return first and last ms of the spans that cover the time, the latest ``count`` at most."""
    starts = range(since_ms, now_ms, most_ms)[-count:]
    return [(start, start + most_ms - 1) for start in starts]


def portions(items: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    """Yield the items in order, at most ``most`` at a time."""
    for start in range(0, len(items), most):
        yield items[start : start + most]

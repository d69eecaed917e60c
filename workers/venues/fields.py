"""Read single values of a venue's JSON items: absent is "" or null, and numbers are decimals."""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from router.evidence import ZERO

Item = Mapping[str, Any]

#: No price or size has more digits before or after the point; larger exponents are nonsense that
#: would fill the memory when written out.
_MOST_DIGITS = 40


class Malformed(ValueError):
    """An item that does not say what it must; the text says which field."""


class UnknownInstrument(Malformed):
    """An item about an instrument that was not loaded."""


def json_object(text: str) -> dict[str, Any] | None:
    """Return the JSON object in ``text``; None if it holds none (a proxy's HTML page)."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return found if type(found) is dict else None


def quoted_object(text: str) -> dict[str, Any]:
    """Return the first JSON object inside a text, as errors quote requests; {} if there is none."""
    start = text.find("{")
    if start < 0:
        return {}
    try:
        found, _ = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):  # not JSON, a number of 5,000 digits, endless nesting
        return {}
    return found if type(found) is dict else {}


def mapping(value: object, what: str) -> dict[str, Any]:
    """Return ``value`` if it is a JSON object; raise Malformed otherwise."""
    if type(value) is not dict:
        raise Malformed(f"{what} is not an object")
    return value


def rows(item: Item, key: str) -> list[Any]:
    """Return the list under ``key``; raise Malformed if there is none."""
    value = item.get(key)
    if type(value) is not list:
        raise Malformed(f"{key} is not a list: {value!r:.60}")
    return value


def text(item: Item, key: str) -> str:
    """Return the text under ``key``; "" if it is absent."""
    value = item.get(key)
    if type(value) is str:
        return value
    if value is None:
        return ""
    raise Malformed(f"{key} is not a text: {value!r:.60}")


def required(item: Item, key: str) -> str:
    """Return the text under ``key``; raise Malformed if there is none."""
    if found := text(item, key):
        return found
    raise Malformed(f"{key} is missing")


def number(item: Item, key: str) -> str:
    """Return the id that stands as a number under ``key``, as text; "" if it is absent, 0 or -1."""
    value = item.get(key)
    if type(value) is int and value > 0:
        return str(value)
    if value is None or (type(value) is int and value >= -1):
        return ""
    raise Malformed(f"{key} is not an id: {value!r:.60}")


def said(item: Item, key: str) -> str:
    """Return the text under ``key``; "" if there is none, or something that is no text.

    For what is only quoted or compared, so that a strange value spoils nothing else.
    """
    value = item.get(key)
    return value if type(value) is str else ""


def decimal(value: object, key: str) -> Decimal:
    """Return the decimal that ``value`` writes; a binary float is refused."""
    if type(value) is not str and type(value) is not int:
        raise Malformed(f"{key} is not a decimal text: {value!r:.60}")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise Malformed(f"{key} is not a decimal: {value!r:.60}") from None
    if not number.is_finite() or abs(number.adjusted()) > _MOST_DIGITS:
        raise Malformed(f"{key} is out of range: {value!r:.60}")
    return number


def amount(item: Item, key: str) -> Decimal:
    """Return the number under ``key``; 0 if it is absent."""
    value = item.get(key)
    return ZERO if value is None or value in ("", "0") else decimal(value, key)


def positive(item: Item, key: str) -> Decimal:
    """Return the number under ``key``; raise Malformed unless it is greater than 0."""
    number = decimal(item.get(key), key)
    if number <= 0:
        raise Malformed(f"{key} is {number}")
    return number


def price(item: Item, key: str) -> Decimal | None:
    """Return the price under ``key``; None if it is absent or 0 (an unfilled average)."""
    return amount(item, key) or None


def moment(item: Item, key: str) -> int:
    """Return the time under ``key`` in ms; 0 if it is absent."""
    value = item.get(key)
    if value is None or value == "":
        return 0
    if type(value) is int:
        return value
    if type(value) is str and value.isdecimal() and len(value) <= 20:
        return int(value)
    raise Malformed(f"{key} is not a time: {value!r:.60}")

"""Bad input made of good: frames with parts replaced, and texts from the venue's own words."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import orjson
from hypothesis import strategies as st

JUNK = ["", "0", "-1", "NaN", "sNaN", "1e40", "1e999999999", "9" * 5_000, "\u0000", "null"]
#: What a single place of a real frame is replaced by, one after the other.
STRANGE: list[Any] = [*JUNK, None, True, 1.5, -1, 10**30, [], {}, [[]], {"id": "1"}]


def values(words: list[str]) -> "st.SearchStrategy[Any]":
    """Return JSON values, many of them words that mean something to the venue."""
    scalars = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=8),
        st.sampled_from([*JUNK, *words]),
    )
    return st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.one_of(st.sampled_from(words), st.text(max_size=5)), inner),
        ),
        max_leaves=8,
    )


def words_of(texts: list[str]) -> list[str]:
    """Return the keys and short texts of these frames, sorted."""
    found: set[str] = {"id"}
    for text in texts:
        for _, key, value in _places(_parsed(text)):
            found |= {one for one in (key, value) if isinstance(one, str) and len(one) < 40}
    return sorted(found)


def spoilt(text: str, data: "st.DataObject", anything: "st.SearchStrategy[Any]") -> str:
    """Return a frame with one to three of its parts replaced, dropped or doubled."""
    thing = deepcopy(_parsed(text))
    for _ in range(data.draw(st.integers(1, 3))):
        places = list(_places(thing))
        if not places:
            break
        holder, key, value = data.draw(st.sampled_from(places))
        change = data.draw(st.sampled_from(["replace", "drop", "wrap", "double"]))
        if change == "drop":
            del holder[key]
        elif change == "double" and isinstance(holder, list):
            holder.append(deepcopy(value))
        else:
            holder[key] = [value] if change == "wrap" else data.draw(anything)
    return json.dumps(thing)


def spoilt_once(text: str) -> Iterator[str]:
    """Yield the frame with each one of its parts dropped, and replaced by each strange value."""
    thing = _parsed(text)
    for holder, key, value in list(_places(thing)):
        for strange in STRANGE:
            holder[key] = strange
            yield json.dumps(thing)
        holder[key] = value
        if isinstance(holder, dict):
            del holder[key]
            yield json.dumps(thing)
            holder[key] = value


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return {"text": text}


def _places(thing: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yield each place in a JSON value: what holds it, its key, and what stands there."""
    pairs = thing.items() if isinstance(thing, dict) else ()
    if isinstance(thing, list):
        pairs = enumerate(thing)  # type: ignore[assignment]
    for key, value in list(pairs):
        yield thing, key, value
        yield from _places(value)

"""Golden transcripts: the ``$`` call makes the ``>`` frames; a ``<`` frame decodes to its ``=``."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import orjson
import pytest

from router import evidence
from router.enums import OrderSide, OrderType, TimeInForce
from tests.venues.okx import samples
from workers import venue as port
from workers.venue import Command

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))


def encode(request_id: str, *commands: Command) -> list[str]:
    return [samples.VENUE.encode(request_id, commands, samples.KEYS, 0)]


def login(credentials: port.Credentials, now_ms: int) -> list[str]:
    frame = samples.VENUE.login(credentials, now_ms)
    assert frame is not None
    return [frame]


def subscribe(channels: Sequence[str]) -> list[str]:
    return samples.VENUE.subscribe(channels, samples.KEYS, 0)


WORDS: dict[str, Any] = {
    **{name: thing for name, thing in vars(port).items() if isinstance(thing, type)},
    **{name: thing for name, thing in vars(evidence).items() if isinstance(thing, type)},
    **OrderSide.__members__,
    **OrderType.__members__,
    **TimeInForce.__members__,
    **evidence.VenueState.__members__,
    **evidence.Source.__members__,
    "SPOT": samples.SPOT,
    "LTC": samples.LTC,
    "SWAP": samples.SWAP,
    "INVERSE": samples.INVERSE,
    "D": Decimal,
    "ANY": ANY,
    "encode": encode,
    "login": login,
    "subscribe": subscribe,
    "subscribe_books": samples.VENUE.subscribe_books,
    "unsubscribe_books": samples.VENUE.unsubscribe_books,
}


@dataclass
class Case:
    name: str
    line: str
    expected: list[str] = field(default_factory=list)


def cases(mark: str, answer: str) -> Iterator[Any]:
    for path in TRANSCRIPTS:
        case: Case | None = None
        for number, line in enumerate(path.read_text().splitlines(), 1):
            kind, text = line[:2].strip(), line[2:]
            assert kind in ("", "#", "$", ">", "<", "="), f"{path.name}:{number}"
            if kind == answer and case is not None:
                case.expected.append(text)
                continue
            if case is not None and kind in ("$", "<", mark):
                yield pytest.param(case, id=case.name)
                case = None
            if kind == mark:
                case = Case(f"{path.stem}:{number}", text)
        if case is not None:
            yield pytest.param(case, id=case.name)


@pytest.mark.parametrize("case", list(cases("$", ">")))
def test_writes_the_frames(case: Case) -> None:
    frames = eval(case.line, WORDS)
    assert case.expected, "a call without frames"
    assert [orjson.loads(frame) for frame in frames] == [
        orjson.loads(frame) for frame in case.expected
    ]


@pytest.mark.parametrize("case", list(cases("<", "=")))
def test_reads_the_frame(case: Case) -> None:
    events = samples.VENUE.decode(case.line, samples.INSTRUMENTS)
    assert events == [eval(expected, WORDS) for expected in case.expected]


@pytest.mark.parametrize("case", list(cases("<", "=")))
def test_unknown_fields_change_nothing(case: Case) -> None:
    """OKX adds fields at any time."""
    before = samples.VENUE.decode(case.line, samples.INSTRUMENTS)
    if not case.line.startswith("{") or any(isinstance(one, port.Unreadable) for one in before):
        return  # what is unreadable quotes the whole text
    frame = orjson.loads(case.line)
    for item in frame.get("data") or [frame]:
        item["newField"] = {"of": ["tomorrow", 1, None]}
    assert samples.VENUE.decode(orjson.dumps(frame).decode(), samples.INSTRUMENTS) == before


def test_there_are_transcripts() -> None:
    assert len(list(cases("$", ">"))) > 12
    assert len(list(cases("<", "="))) > 45

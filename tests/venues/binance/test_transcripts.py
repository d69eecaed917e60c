"""Golden transcripts: the ``$`` call makes the ``>`` frames; a ``<`` frame decodes to its ``=``.

The folders of ``transcripts`` are the two products.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from router import evidence
from router.enums import OrderSide, OrderType, TimeInForce
from tests.venues.binance import samples
from workers import venue as port
from workers.venue import Command, Instruments, Venue

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*/*.txt"))


@dataclass
class Case:
    venue: Venue
    instruments: Instruments
    line: str
    expected: list[str] = field(default_factory=list)

    def words(self) -> dict[str, Any]:
        """Return what the lines of a transcript may call."""

        def encode(request_id: str, *commands: Command, now_ms: int) -> list[str]:
            return [self.venue.encode(request_id, commands, samples.KEYS, now_ms)]

        def subscribe(channels: Sequence[str], *, now_ms: int) -> list[str]:
            return self.venue.subscribe(channels, samples.KEYS, now_ms)

        return {
            **{name: thing for name, thing in vars(port).items() if isinstance(thing, type)},
            **{name: thing for name, thing in vars(evidence).items() if isinstance(thing, type)},
            **{name: getattr(samples, name) for name in ("BTC", "ETH")},
            **OrderSide.__members__,
            **OrderType.__members__,
            **TimeInForce.__members__,
            **evidence.VenueState.__members__,
            **evidence.Source.__members__,
            "D": Decimal,
            "encode": encode,
            "subscribe": subscribe,
            "subscribe_books": self.venue.subscribe_books,
            "unsubscribe_books": self.venue.unsubscribe_books,
        }

    def decoded(self) -> list[port.VenueEvent]:
        return self.venue.decode(self.line, self.instruments)


def cases(mark: str, answer: str) -> Iterator[Any]:
    for path in TRANSCRIPTS:
        spot = path.parent.name == "spot"
        venue = samples.SPOT if spot else samples.FUTURES
        instruments = samples.PAIRS if spot else samples.CONTRACTS
        case: Case | None = None
        name = ""
        for number, line in enumerate(path.read_text().splitlines(), 1):
            kind, text = line[:2].strip(), line[2:]
            assert kind in ("", "#", "$", ">", "<", "="), f"{path.name}:{number}"
            if kind == answer and case is not None:
                case.expected.append(text)
                continue
            if case is not None and kind in ("$", "<", mark):
                yield pytest.param(case, id=name)
                case = None
            if kind == mark:
                case, name = Case(venue, instruments, text), f"{path.stem}:{number}"
        if case is not None:
            yield pytest.param(case, id=name)


@pytest.mark.parametrize("case", list(cases("$", ">")))
def test_writes_the_frames(case: Case) -> None:
    frames = eval(case.line, case.words())
    assert [orjson.loads(frame) for frame in frames] == [
        orjson.loads(frame) for frame in case.expected
    ]


@pytest.mark.parametrize("case", list(cases("<", "=")))
def test_reads_the_frame(case: Case) -> None:
    assert case.decoded() == [eval(expected, case.words()) for expected in case.expected]


@pytest.mark.parametrize("case", list(cases("<", "=")))
def test_unknown_fields_change_nothing(case: Case) -> None:
    """Binance adds fields at any time: st and ps, er, M, ia within one year."""
    before = case.decoded()
    if any(isinstance(one, port.Unreadable) for one in before):
        return  # what is unreadable quotes the whole text
    frame = orjson.loads(case.line)
    places = [frame, frame.get("result"), frame.get("data"), frame.get("event"), frame.get("o")]
    for place in places:
        if isinstance(place, dict):
            place["newField"] = {"of": ["tomorrow", 1, None]}
    case.line = orjson.dumps(frame).decode()
    assert case.decoded() == before


def test_there_are_transcripts() -> None:
    assert len(list(cases("$", ">"))) >= 12
    assert len(list(cases("<", "="))) >= 40

"""Golden transcripts: the ``$`` call makes the ``>`` frames; a ``<`` frame decodes to its ``=``.

Calls and events are Python in the words of the port and of ``router/``; ``D`` is Decimal, ``ANY``
equals anything, and the sample names its instruments. ``#`` is a comment: where the frame is from.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from unittest.mock import ANY

from router import evidence
from router.enums import OrderSide, OrderType, TimeInForce
from tests.venues.conformance.sample import Sample, samples
from workers import venue as port

_WORDS: dict[str, Any] = {
    **{name: thing for name, thing in vars(port).items() if isinstance(thing, type)},
    **{name: thing for name, thing in vars(evidence).items() if isinstance(thing, type)},
    **OrderSide.__members__,
    **OrderType.__members__,
    **TimeInForce.__members__,
    **evidence.VenueState.__members__,
    **evidence.Source.__members__,
    "D": Decimal,
    "ANY": ANY,
}


@dataclass
class Case:
    """One line of a transcript, and the lines that answer it."""

    sample: Sample
    name: str
    line: str
    expected: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"{self.sample}-{self.name}"

    def value(self, text: str) -> Any:
        """Return what a call or an event of this transcript evaluates to."""
        venue = self.sample.venue
        calls = {
            "encode": self.sample.encode,
            "login": self.sample.login,
            "subscribe": self.sample.subscribe,
            "subscribe_books": venue.subscribe_books,
            "unsubscribe_books": venue.unsubscribe_books,
        }
        own = self.sample.words(self.sample)
        return eval(text, {**_WORDS, **self.sample.named, **calls, **own})


def written() -> list[Case]:
    """Return the calls of all transcripts, with the frames that they make."""
    return [case for sample in samples() for case in _cases(sample, "$", ">")]


def read(sample: Sample | None = None) -> list[Case]:
    """Return the venue's frames, of one sample or of all, with their events."""
    wanted = samples() if sample is None else [sample]
    return [case for one in wanted for case in _cases(one, "<", "=")]


def _cases(sample: Sample, mark: str, answer: str) -> Iterator[Case]:
    for path in sample.transcripts:
        case: Case | None = None
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            kind, text = line[:2].strip(), line[2:]
            assert kind in ("", "#", "$", ">", "<", "="), f"{path.name}:{number}"
            if kind == answer and case is not None:
                case.expected.append(text)
                continue
            if case is not None and kind in ("$", "<"):
                yield case
                case = None
            if kind == mark:
                case = Case(sample, f"{path.stem}:{number}", text)
        if case is not None:
            yield case

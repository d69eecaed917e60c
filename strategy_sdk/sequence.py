"""Which results of one account were handled: repeats, gaps and rewinds told apart. Pure.

Rules:
1. The number after the last is new.
2. A number handled before with the same text is a repeat and is dropped.
3. A number handled before with another text is a rewind: Redis lost writes (a failover) or was
   emptied, and counts anew. It is delivered, since dropping it would lose an outcome.
4. A number further on is a gap: results are missing. It is delivered, and the gap is named.
"""

from collections.abc import Mapping
from enum import Enum

REMEMBERED = 2_048


class Verdict(Enum):
    """What a result's number says."""

    NEW = "new"
    REPEAT = "repeat"
    REWOUND = "rewound"
    GAP = "gap"


class Sequence:
    """The numbers of one account's results; ``last`` is None until one is known."""

    def __init__(self, last: int | None = None) -> None:
        self.last = last
        self._texts: dict[int, int] = {}

    def __repr__(self) -> str:
        return f"Sequence(last={self.last})"

    def missing_before(self, number: int) -> tuple[int, int] | None:
        """Return the first and last number missing before ``number``; None if none are."""
        if self.last is None or number <= self.last + 1:
            return None
        return self.last + 1, number - 1

    def judge(self, number: int, fields: Mapping[str, str]) -> Verdict:
        """Return what ``number`` says, and take it as the last unless it is a repeat."""
        text = _hashed(fields)
        last = self.last
        if last is not None and number <= last:
            if self._texts.get(number) == text:
                return Verdict.REPEAT
            self._texts.clear()
            verdict = Verdict.REWOUND
        else:
            verdict = Verdict.NEW if last is None or number == last + 1 else Verdict.GAP
        self.last = number
        self._texts[number] = text
        self._texts.pop(number - REMEMBERED, None)
        return verdict

    def knows(self, number: int, fields: Mapping[str, str]) -> bool:
        """Return whether this very result was handled by this run, or last by the one before."""
        return self._texts.get(number) == _hashed(fields)

    def start_at(self, number: int, fields: Mapping[str, str]) -> None:
        """Take a result that an earlier run handled as the last."""
        self.last = number
        self._texts[number] = _hashed(fields)


def _hashed(fields: Mapping[str, str]) -> int:
    # Names, then values: half the cost of as many pairs, and as telling.
    return hash((*fields, *fields.values()))

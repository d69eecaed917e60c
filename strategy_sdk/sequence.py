"""Which results of one account were handled: repeats, gaps and rewinds told apart. Pure.

Rules:
1. The number after the last is new.
2. A text told before, whatever its number, is a repeat and is dropped: every result names its time
   to the millisecond and all that it says. It comes under another number where Redis lost a batch
   (a failover, a power loss) after we had read it and before its writer had the answer.
3. A number handled before with a text never told is a rewind: Redis lost writes or was emptied, and
   counts anew. It is delivered, since dropping it would lose an outcome.
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
        self._told: dict[int, None] = {}  # texts, the oldest first

    def __repr__(self) -> str:
        return f"Sequence(last={self.last})"

    def missing_before(self, number: int) -> tuple[int, int] | None:
        """Return the first and last number missing before ``number``; None if none are."""
        if self.last is None or number <= self.last + 1:
            return None
        return self.last + 1, number - 1

    def judge(self, number: int, fields: Mapping[str, str]) -> Verdict:
        """Return what the result says that has ``number``, and take it as told."""
        text = _hashed(fields)
        last = self.last
        goes_on = last is None or number > last
        if text in self._told:
            if goes_on:
                self.last = number
            return Verdict.REPEAT
        self.last = number
        self._remember(text)
        if not goes_on:
            return Verdict.REWOUND
        return Verdict.NEW if last is None or number == last + 1 else Verdict.GAP

    def knows(self, fields: Mapping[str, str]) -> bool:
        """Return whether this very result was handled by this run, or last by the one before."""
        return _hashed(fields) in self._told

    def start_at(self, number: int, fields: Mapping[str, str]) -> None:
        """Take a result that an earlier run handled as the last."""
        self.last = number
        self._remember(_hashed(fields))

    def _remember(self, text: int) -> None:
        self._told[text] = None
        if len(self._told) > REMEMBERED:
            del self._told[next(iter(self._told))]


def _hashed(fields: Mapping[str, str]) -> int:
    # Names, then values: half the cost of as many pairs, and as telling. The number is the first
    # text equal to it, among the values (a name is no number).
    texts = [*fields, *fields.values()]
    if "seq" in fields:
        texts.remove(fields["seq"])
    return hash(tuple(texts))

"""Which results of one account were handled: repeats, gaps and rewinds told apart. Pure.

Rules:
1. The number after the last is new.
2. A number handled before with the same text is a repeat and is dropped.
3. A number handled before with another text is a rewind: Redis lost writes (a failover) or was
   emptied, and counts anew. It is delivered, since dropping it would lose an outcome.
4. A number further on is a gap: results are missing. It is delivered, and the gap is named.
5. After a rewind or a gap a text told before it is a repeat, whatever its number: its batch was
   lost after we had read it, and its writer, never answered, has written it again. Texts name
   their time to the millisecond. Without a loss two results may well have one text: a cancel asked
   for twice is refused twice.
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
        self._before: dict[int, None] = {}  # texts told before the last loss, the oldest first

    def __repr__(self) -> str:
        return f"Sequence(last={self.last})"

    def missing_before(self, number: int) -> tuple[int, int] | None:
        """Return the first and last number missing before ``number``; None if none are."""
        if self.last is None or number <= self.last + 1:
            return None
        return self.last + 1, number - 1

    def judge(self, number: int, fields: Mapping[str, str]) -> Verdict:
        """Return what the result says that has ``number``, and take it as told."""
        text, last = _hashed(fields), self.last
        verdict = Verdict.NEW
        if last is not None and number <= last:
            if self._texts.get(number) == text:
                return Verdict.REPEAT
            verdict = Verdict.REWOUND
        elif last is not None and number > last + 1:
            verdict = Verdict.GAP
        if verdict is not Verdict.NEW:
            self._lost()
        if text in self._before:
            self.last = max(number, last or 0)
            return Verdict.REPEAT
        self.last = number
        self._texts[number] = text
        self._texts.pop(number - REMEMBERED, None)
        return verdict

    def knows(self, fields: Mapping[str, str]) -> bool:
        """Return whether this very result was handled by this run, or last by the one before."""
        text = _hashed(fields)
        return text in self._before or text in self._texts.values()

    def start_at(self, number: int, fields: Mapping[str, str]) -> None:
        """Take a result that an earlier run handled as the last."""
        self.last = number
        self._texts[number] = _hashed(fields)

    def _lost(self) -> None:
        """Remember what was told by its text alone: Redis gives the numbers again."""
        self._before = dict.fromkeys([*self._before, *self._texts.values()][-REMEMBERED:])
        self._texts.clear()


def _hashed(fields: Mapping[str, str]) -> int:
    # Names, then values: half the cost of as many pairs, and as telling. The number is the first
    # text equal to it, among the values (a name is no number).
    texts = [*fields, *fields.values()]
    if "seq" in fields:
        texts.remove(fields["seq"])
    return hash(tuple(texts))

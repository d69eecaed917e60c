"""What the processes' logs say of defects: a worker recovers from its own, and the verdict is good.

A lost connection, a refused login, a server that is away: each is a line in a log, without a
traceback. What has one was expected by nobody.
"""

from collections.abc import Iterator
from pathlib import Path

_TRACEBACK = "Traceback (most recent call last):"
_WORDS = ("was never retrieved", "was never awaited")


def defects_in(folder: Path) -> list[str]:
    """Return a line for each defect in the logs of this folder: log, what failed, and its error."""
    return [
        f"{log.name}: {line}"
        for log in sorted(folder.glob("*.log"))
        for line in _defects(log.read_text(errors="replace").splitlines())
    ]


def _defects(lines: list[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if line == _TRACEBACK:
            before = lines[number - 1] if number else "a traceback"
            yield f"{before}: {_error(lines[number + 1 :])}"
        elif any(words in line for words in _WORDS):
            yield line


def _error(lines: list[str]) -> str:
    """Return a traceback's last line: the first that is not indented."""
    return next((line for line in lines if line and not line.startswith(" ")), "cut short")

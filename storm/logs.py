"""What the processes' logs say of defects: a worker recovers from its own, and the verdict is good.

A lost connection, a refused login, a server that is away: each is a line in a log, without a
traceback. What has one was expected by nobody; but rq tells a Redis that is away with one.
"""

from collections.abc import Iterator
from pathlib import Path

_TRACEBACK = "Traceback (most recent call last):"
_AWAY = (
    "redis.exceptions.BusyLoadingError",
    "redis.exceptions.ConnectionError",
    "redis.exceptions.TimeoutError",
    "BrokenPipeError",
    "ConnectionRefusedError",
    "ConnectionResetError",
    "TimeoutError",
)
_OF_RQ = "jobs.log"
_WORDS = ("was never retrieved", "was never awaited")


def defects_in(folder: Path) -> list[str]:
    """Return a line for each defect in the logs of this folder: log, what failed, and its error."""
    return [
        f"{log.name}: {line}"
        for log in sorted(folder.glob("*.log"))
        for line in _defects(
            log.read_text(errors="replace").splitlines(), _AWAY if log.name == _OF_RQ else ()
        )
    ]


def _defects(lines: list[str], expected: tuple[str, ...]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if line == _TRACEBACK:
            before = lines[number - 1] if number else "a traceback"
            error = _error(lines[number + 1 :])
            if not error.startswith(expected):
                yield f"{before}: {error}"
        elif any(words in line for words in _WORDS):
            yield line


def _error(lines: list[str]) -> str:
    """Return a traceback's last line: the first that is not indented."""
    return next((line for line in lines if line and not line.startswith(" ")), "cut short")

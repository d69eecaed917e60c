"""What the doctor finds: a check's verdict, what was seen, and what to do."""

from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report."""

    check: str
    grade: Grade
    seen: str
    advice: str = ""


def ok(check: str, seen: str) -> Finding:
    """Return a finding that needs nothing."""
    return Finding(check, Grade.OK, seen)


def warn(check: str, seen: str, advice: str) -> Finding:
    """Return a finding that should be looked at."""
    return Finding(check, Grade.WARN, seen, advice)


def fail(check: str, seen: str, advice: str) -> Finding:
    """Return a finding without which orders cannot be routed safely."""
    return Finding(check, Grade.FAIL, seen, advice)

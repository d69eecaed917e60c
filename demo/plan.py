"""What one demo strategy is to do; handed to its process as JSON in a variable."""

import os
from decimal import Decimal
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from router.errors import ConfigError

VARIABLE = "DEMO_PLAN"
SIGNAL_KEY = "signal:"


class Hours(BaseModel):
    """When all trade. Times are of the wall clock, shared by all processes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    begin_ms: int
    end_ms: int
    signals_ms: tuple[int, ...] = ()
    """When all strategies fire the same signal, each once, with one key for the account."""


class Market(BaseModel):
    """One instrument to trade, and how much of it an order is about, in base units."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    symbol: str
    account: str
    amount: Decimal
    modifies: bool


class Plan(BaseModel):
    """A strategy's part of the traffic."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    record: Path
    seed: int
    orders: int
    markets: tuple[Market, ...]
    """What to trade; what rests in the first half of them is cancelled at the end."""
    hours: Path
    """Holds the ``Hours`` once every strategy is up; nobody knows before how long that takes."""


def read_plan() -> Plan:
    """Return the plan in the environment.

    Raises:
        ConfigError: If there is none: the strategy was started outside of the demo.
    """
    text = os.environ.get(VARIABLE)
    if not text:
        raise ConfigError(VARIABLE, "is not set; the demo's strategies are started by the demo")
    return Plan.model_validate_json(text)


def write_hours(path: Path, hours: Hours) -> None:
    """Write the file at once: a reader finds all of it or none."""
    draft = path.with_suffix(".draft")
    draft.write_text(hours.model_dump_json(), encoding="utf-8")
    draft.replace(path)


def read_hours(path: Path) -> Hours | None:
    """Return the hours; None as long as they are not known."""
    try:
        return Hours.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None

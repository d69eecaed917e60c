"""What one demo strategy is to do; handed to its process as JSON in a variable."""

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from router.errors import ConfigError

VARIABLE = "DEMO_PLAN"
SIGNAL_KEY = "signal:"


class Plan(BaseModel):
    """A strategy's part of the traffic. Times are of the wall clock, shared by all processes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    record: Path
    seed: int
    orders: int
    begin_ms: int
    end_ms: int
    signals_ms: tuple[int, ...] = ()
    """When all strategies fire the same signal, each once, with one key for the account."""


def read_plan() -> Plan:
    """Return the plan in the environment.

    Raises:
        ConfigError: If there is none: the strategy was started outside of the demo.
    """
    text = os.environ.get(VARIABLE)
    if not text:
        raise ConfigError(VARIABLE, "is not set; the demo's strategies are started by the demo")
    return Plan.model_validate_json(text)

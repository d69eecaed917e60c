"""What the demo is asked to do."""

from dataclasses import dataclass
from typing import Literal

ACCOUNT = "okx-main"
"""The router's name of the account."""

VENUE_ACCOUNT = "okx-demo"
"""The simulator's name of the same account."""

FaultsWord = Literal["none", "default", "storm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """The command's options."""

    orders: int = 300
    strategies: int = 3
    seconds: float = 30.0
    faults: FaultsWord = "default"
    seed: int = 1
    keep: bool = False
    redis_url: str | None = None
    as_json: bool = False

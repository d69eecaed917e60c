"""What the demo is asked to do."""

from dataclasses import dataclass
from typing import Literal

from demo.venues import OKX, DemoVenue

FaultsWord = Literal["none", "default", "storm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """The command's options."""

    venues: tuple[DemoVenue, ...] = (OKX,)
    orders: int = 300
    strategies: int = 3
    seconds: float = 30.0
    faults: FaultsWord = "default"
    seed: int = 1
    keep: bool = False
    redis_url: str | None = None
    as_json: bool = False

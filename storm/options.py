"""What a storm is asked to do."""

from dataclasses import dataclass

from demo.options import DemoOptions
from demo.venues import DemoVenue, venues_named

ORDERS_PER_S = 20.0
"""Of all together; with cancels, modifies and repeats it is the double."""
TRADERS = ("maker", "taker", "maker-2")
_FEWER_BELOW_S = 20.0


def _venues() -> tuple[DemoVenue, ...]:
    return venues_named("okx,binance-usdm")


@dataclass(frozen=True, slots=True, kw_only=True)
class StormOptions:
    """The command's options, for one seed."""

    seed: int = 1
    seconds: float = 60.0
    keep: bool = False
    as_json: bool = False

    @property
    def traders(self) -> tuple[str, ...]:
        """The strategies; a short storm has fewer, for starting one takes a second."""
        return TRADERS[:2] if self.seconds < _FEWER_BELOW_S else TRADERS

    def demo(self) -> DemoOptions:
        """Return the same for the processes that storm and demo share."""
        return DemoOptions(
            venues=_venues(),
            orders=int(ORDERS_PER_S * self.seconds),
            strategies=len(self.traders),
            seconds=self.seconds,
            faults="storm",
            seed=self.seed,
            keep=self.keep,
            as_json=self.as_json,
        )

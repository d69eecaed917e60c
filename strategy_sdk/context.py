"""What a run lends its strategy."""

import logging
import threading
from dataclasses import dataclass, field

from strategy_sdk.cache import Cache
from strategy_sdk.clock import Clock
from strategy_sdk.desk import OrderDesk
from strategy_sdk.instruments import Instruments
from strategy_sdk.market_data import Books
from strategy_sdk.schedule import Schedule


@dataclass(slots=True, kw_only=True)
class Context:
    """The parts of one run that a strategy's methods reach."""

    desk: OrderDesk
    cache: Cache
    books: Books
    instruments: Instruments
    schedule: Schedule
    stopping: threading.Event
    log: logging.Logger
    clock: Clock = field(default_factory=Clock)
    started: bool = False

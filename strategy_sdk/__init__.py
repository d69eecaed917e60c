"""What a strategy author imports: ``Strategy``, ``run``, and the modules named on the API page."""

from strategy_sdk.loader import run_file
from strategy_sdk.runner import Runner, run
from strategy_sdk.strategy import Strategy
from strategy_sdk.timing import Timing

__all__ = ["Runner", "Strategy", "Timing", "run", "run_file"]

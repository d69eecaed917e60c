"""``python -m simulator [FILE.toml]``: run the simulator as a process."""

from __future__ import annotations

import sys

from simulator.config import SimulatorConfig
from simulator.server import serve

if __name__ == "__main__":
    serve(SimulatorConfig.from_toml(sys.argv[1]) if len(sys.argv) > 1 else None)

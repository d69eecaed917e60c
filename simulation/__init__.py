"""The whole router in one process, under a clock of its own: see docs/simulation.md."""

"""Processes that end themselves at a crash point, and what must hold whoever dies where."""

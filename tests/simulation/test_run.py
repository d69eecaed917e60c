"""Many seeds at once: the processes that play them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from demo.children import ROOT
from tests.scenarios.stack import until


def players_of(pid: int) -> list[int]:
    """Return the processes that play for ``pid``."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [
        int(child)
        for child in children
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_players_end_with_whoever_started_them() -> None:
    """They would play on for hours, and nobody hear of it."""
    command = [sys.executable, "-m", "simulation", "--seeds", "1000", "--processes", "2"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT)}
    ) as process:
        until(lambda: len(players_of(process.pid)) == 2, "both play")
        players = players_of(process.pid)
        process.send_signal(signal.SIGKILL)
    until(lambda: not any(map(lives, players)), "both have ended")

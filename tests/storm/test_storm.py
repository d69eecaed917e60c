"""A storm, short: real processes, faults of all kinds, and every promise kept."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from demo.children import ROOT
from storm.invariants import PROMISES


def run_storm(folder: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """Return the storm's exit code and its JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "commands.main", "storm", "--json", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)},
        capture_output=True,
        check=False,
    )
    assert done.stdout, done.stderr.decode()
    return done.returncode, orjson.loads(done.stdout)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_short_storm_breaks_no_promise(tmp_path: Path) -> None:
    code, report = run_storm(tmp_path, "--seed", "1", "--minutes", "0.1")
    assert report["differences"] == [], report["faults"]
    assert report["not_settled"] == report["defects"] == []
    assert code == 0
    assert report["venue"]["orders"] > 0
    assert max(report["starts"].values()) > 1, "a strategy was started again"
    said = " ".join(one["what"] for one in report["faults"])
    for what in ("killed", "paused", "lines to", "Redis is back", "halted", "resumed"):
        assert what in said
    assert not any(tmp_path.iterdir()), "a good storm leaves nothing behind"


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(101, 106))
def test_a_storm_breaks_no_promise(tmp_path: Path, seed: int) -> None:
    code, report = run_storm(tmp_path, "--seed", str(seed), "--minutes", "1")
    assert (code, report["broken"], report["not_settled"], report["defects"]) == (0, {}, [], [])


def test_the_promises_are_ten() -> None:
    assert list(PROMISES) == [f"I{number}" for number in range(1, 11)]

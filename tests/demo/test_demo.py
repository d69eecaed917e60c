"""The whole demo, short: real processes, the default faults, and no difference."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from commands.main import MISTAKE, app
from demo.children import ROOT
from demo.show import look_inside
from demo.venues import venues_named
from router.errors import ConfigError


def run_demo(folder: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """Return the demo's exit code and its JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "commands.main", "demo", "--json", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)},
        capture_output=True,
        check=False,
    )
    assert done.stdout, done.stderr.decode()
    return done.returncode, orjson.loads(done.stdout)


def test_the_demo_finds_no_difference(tmp_path: Path) -> None:
    code, report = run_demo(tmp_path, "--seconds", "8", "--orders", "80", "--seed", "3")
    assert report["differences"] == []
    assert report["not_settled"] == []
    assert code == 0
    hits = report["fault_hits"]
    for fault in ("lose_ack", "lose_push", "hangup_before", "hangup_after", "reject"):
        assert hits[fault] > 0, fault
    assert report["venue"]["orders"] > 40
    assert {one["strategy"] for one in report["strategies"]} == {"robust-entry", "maker", "taker"}
    assert not any(tmp_path.iterdir()), "a good demo leaves nothing behind"


def test_the_demo_routes_on_several_venues_at_once(tmp_path: Path) -> None:
    options = ("--venues", "okx,binance,bybit", "--seconds", "8", "--orders", "110", "--seed", "3")
    code, report = run_demo(tmp_path, *options)
    assert report["differences"] == []
    assert report["not_settled"] == []
    assert code == 0
    assert min(report["venue"]["orders_by_account"].values()) > 5
    assert set(report["venue"]["orders_by_account"]) == {
        "okx-demo",
        "binance-demo",
        "binance-spot-demo",
        "bybit-demo",
    }
    for fault in ("lose_ack", "hangup_before", "hangup_after", "reject"):
        met = {at for at, hits in report["fault_hits_by_account"][fault].items() if hits}
        assert len(met) > 1, f"{fault} met {met} alone"


@pytest.mark.long
def test_the_demo_keeps_the_limits_of_a_connection(tmp_path: Path) -> None:
    """Bitget cuts one that sends more than ten messages a second."""
    options = ("--venues", "okx,bitget", "--seconds", "8", "--orders", "90", "--seed", "3")
    code, report = run_demo(tmp_path, *options)
    assert report["differences"] == []
    assert report["not_settled"] == []
    assert code == 0
    assert min(report["venue"]["orders_by_account"].values()) > 5
    assert set(report["venue"]["orders_by_account"]) == {"okx-demo", "bitget-demo"}


@pytest.mark.parametrize(
    ("venues", "problem"), [("okx,nyse", "'nyse' is none of"), ("binance", "okx")]
)
def test_the_demo_says_which_venue_it_does_not_know(venues: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        venues_named(venues)


def test_the_demo_takes_no_folder_of_settings() -> None:
    """It writes its own, and says where."""
    refused = CliRunner().invoke(app, ["demo", "--config-dir", "config"])
    assert refused.exit_code == MISTAKE
    assert "No such option" in refused.output


def test_what_the_demo_prints_to_look_inside_names_its_redis() -> None:
    line = look_inside(Path("/tmp/demo"), "redis://:geheim@127.0.0.1:7000/0")
    assert "status --config-dir /tmp/demo --redis-url redis://:***@127.0.0.1:7000/0" in line


def test_the_demo_uses_a_given_redis_and_leaves_it_clean(
    redis_url: str, redis_client: Any, tmp_path: Path
) -> None:
    options = ("--seconds", "5", "--orders", "20", "--faults", "none", "--redis-url", redis_url)
    code, report = run_demo(tmp_path, *options)
    assert code == 0, report
    assert [key for key in redis_client.keys("*") if key.startswith("demo-")] == []

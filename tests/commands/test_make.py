"""Makefile, constraints and CI: they name what they need, and no address."""

import os
import re
import shutil
import subprocess
import tomllib

import pytest

from demo.children import ROOT

_OF_MAKE = {"MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "ARGS"}

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def recipe(*goals: str) -> str:
    """Return what make would do, called afresh even when make runs these tests."""
    return subprocess.run(
        ["make", "--no-print-directory", "-n", *goals],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in _OF_MAKE},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@needs_make
@pytest.mark.parametrize(
    "goals",
    [
        ("demo", "ARGS=--seconds 20 --faults none"),
        ("demo", "--", "--seconds", "20", "--faults", "none"),
    ],
)
def test_make_demo_takes_options(goals: tuple[str, ...]) -> None:
    assert "order-router demo --seconds 20 --faults none" in recipe(*goals)


@needs_make
def test_the_targets() -> None:
    assert "pytest" in recipe("test")
    assert "tests.coverage_gates" in recipe("coverage")
    check = recipe("check")
    for tool in ("ruff format --check", "ruff check", "mypy"):
        assert tool in check
    assert "order-router bench" in recipe("bench")
    assert "-m simulation --seed 17" in recipe("simulate", "--", "--seed", "17")
    assert "order-router storm --seeds 20 --seed 7" in recipe("storm", "--", "--seed", "7")


def test_constraints_pin_every_dependency_without_an_address() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    for pin in pins:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", pin)
    pinned = {re.sub(r"[-_.]+", "-", pin.partition("==")[0]).lower() for pin in pins}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(one for extra in extras for one in extra)]
    for requirement in wanted:
        found = re.match(r"[A-Za-z0-9._-]+", requirement)
        assert found is not None
        assert re.sub(r"[-_.]+", "-", found[0]).lower() in pinned


def test_ci_is_a_sound_script() -> None:
    script = ROOT / ".ci" / "run"
    assert script.read_text(encoding="utf-8").splitlines()[0] == "#!/usr/bin/env bash"
    assert "set -euo pipefail" in script.read_text(encoding="utf-8")
    assert script.stat().st_mode & 0o100
    subprocess.run(["bash", "-n", str(script)], check=True)

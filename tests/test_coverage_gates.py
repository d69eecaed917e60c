"""The gates of ``make coverage``: closed by one branch of a pure module, or one weak package."""

from typing import Any

from tests.coverage_gates import complaints, shares
from tests.test_architecture import pure_files, shown


def file(*, covered: int = 10, lines: int = 10, **missing: Any) -> dict[str, Any]:
    summary = {
        "covered_lines": covered,
        "num_statements": lines,
        "covered_branches": 0,
        "num_branches": 0,
    }
    return {"summary": summary, "missing_lines": [], "missing_branches": []} | missing


def own(**changes: dict[str, Any]) -> dict[str, Any]:
    """Return a report in which the pure modules are whole, but for these changes."""
    return {"files": {shown(path): file() for path in pure_files()} | changes}


EVERY = {"files": {f"{name}/a.py": file() for name in ("router", "workers", "strategy_sdk")}}


def test_all_covered_opens_the_gates() -> None:
    assert complaints(own(), EVERY) == []


def test_one_branch_of_a_pure_module_closes_them() -> None:
    report = own(**{"router/state.py": file(missing_branches=[[5, 7]], missing_lines=[7])})
    assert complaints(report, EVERY) == ["router/state.py: 7, 5->7"]


def test_a_pure_module_that_no_test_imports_closes_them() -> None:
    report = own()
    del report["files"]["router/state.py"]
    [said] = complaints(report, EVERY)
    assert "router/state.py: no test" in said


def test_a_weak_or_missing_package_closes_them() -> None:
    weak = {"files": EVERY["files"] | {"workers/b.py": file(covered=1)}}
    assert complaints(own(), weak) == ["workers: 55.0% is less than 90%"]
    assert shares(weak)["router"] == 1.0
    del weak["files"]["router/a.py"]
    assert complaints(own(), weak)[0] == "router: 0.0% is less than 90%"

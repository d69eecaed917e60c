"""``python -m tests.coverage_gates OWN.json ALL.json``: is enough covered? Ends with 1 if not.

The pure modules (the list in test_architecture.py) wholly, each branch, by the tests of their own
package, so that no end-to-end test hides what they lack; each package to nine tenths by all tests.
"""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from tests.test_architecture import ROOT, pure_files, shown

PACKAGES = ("router", "workers", "strategy_sdk")
LEAST_SHARE = 0.9


def gaps_of_pure(report: dict[str, Any]) -> list[str]:
    """Return what is not covered of each pure module, by lines and branches."""
    found = []
    for path in pure_files():
        file = report["files"].get(shown(path))
        if file is None:
            if path.read_text(encoding="utf-8").strip():
                found.append(f"{shown(path)}: no test of its own imports it")
            continue
        missing = [*map(str, file["missing_lines"])]
        missing += [f"{begin}->{end}" for begin, end in file["missing_branches"]]
        if missing:
            found.append(f"{shown(path)}: {', '.join(missing)}")
    return found


def shares(report: dict[str, Any]) -> dict[str, float]:
    """Return the covered share of each package's lines and branches."""
    covered: Counter[str] = Counter()
    there: Counter[str] = Counter()
    for name, file in report["files"].items():
        package, of = name.partition("/")[0], file["summary"]
        covered[package] += of["covered_lines"] + of["covered_branches"]
        there[package] += of["num_statements"] + of["num_branches"]
    return {package: covered[package] / there[package] for package in PACKAGES if there[package]}


def complaints(own: dict[str, Any], every: dict[str, Any]) -> list[str]:
    """Return what keeps the gates closed; [] if they are open."""
    found = gaps_of_pure(own)
    share = shares(every)
    for package in PACKAGES:
        if share.get(package, 0.0) < LEAST_SHARE:
            found.append(f"{package}: {share.get(package, 0.0):.1%} is less than {LEAST_SHARE:.0%}")
    return found


def main(own: Path, every: Path) -> int:
    """Print the shares and what is missing; return the exit code."""
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in (own, every)]
    for package, share in shares(reports[1]).items():
        print(f"{package}: {share:.1%}")  # noqa: T201
    found = complaints(*reports)
    print("\n".join(found) or "every pure module is covered by its own tests")  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*(ROOT / name for name in sys.argv[1:3])))

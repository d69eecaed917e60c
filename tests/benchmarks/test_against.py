"""One tree beside another commit: each side runs its own, and the verdict is of ratios by round."""

import shutil
from pathlib import Path

import pytest

from benchmarks import against, report
from benchmarks.against import Against
from benchmarks.children import ROOT, BenchFailed
from benchmarks.side import Run
from tests.benchmarks.test_bench import TINY

has_commits = pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(),
    reason="these files are no clone, so there is no other commit",
)


def rounds(*factors: float) -> list[against._Round]:
    """Return a round for each factor, by which all of it is slower."""
    return [
        against._Round(
            alone=Run(1.0, [100.0 * one], {"worker": 30.0 * one, "redis": 10.0 * one}),
            burst=Run(1_000 / one, [], {"worker": 20.0 * one}),
        )
        for one in factors
    ]


@pytest.mark.parametrize(
    ("now", "met"), [((1.0, 2.0), True), ((1.04, 2.08), True), ((1.1, 2.2), False)]
)
def test_each_figure_is_compared_within_its_round(now: tuple[float, ...], met: bool) -> None:
    found = against.costs(rounds(1.0, 2.0), rounds(*now))
    assert len(found) == 5
    assert {one.met for one in found} == {met}
    assert {round(one.ratio.median, 3) for one in found} == {now[0]}
    sheet = report.against_sheet(Against("HEAD", found, 1.0))
    assert [row[-1] for row in sheet.rows] == (["met"] if met else ["MISSED"]) * 5


@has_commits
def test_a_commit_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchFailed, match="no commit nowhere"):
        against._unpack("nowhere", tmp_path)


@has_commits
@pytest.mark.timeout(300)
def test_each_side_runs_its_own_tree() -> None:
    trees: list[str] = []
    start = against._side

    def noted(stack: object, options: object, name: str, tree: Path) -> object:
        trees.append(str(tree))
        return start(stack, options, name, tree)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(against, "_side", noted)
        found = against.run(TINY, "HEAD", lambda words: None)
    assert (found.before, len(found.costs)) == ("HEAD", 5)
    assert trees[1] == str(ROOT)
    assert trees[0] != trees[1]
    assert all(one.before.low > 0 < one.now.low for one in found.costs)

"""Crash points: what the variable may say, when a pass counts, and that they are off if unset.

That nothing is lost whoever dies where: ``tests/scenarios/test_e_crash_points.py``.
"""

import asyncio
import inspect
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import strategy_sdk
from router import crash_points
from router.crash_points import Order, Point, after, before
from router.errors import ConfigError
from router.settings import CRASH_VARIABLE, Settings
from strategy_sdk.crash_points import SDK
from tests.crashes import table
from tests.scenarios.stack import Recorder
from workers import jobs, process
from workers.crash_points import JOBS, WORKER

ROOT = Path(__file__).resolve().parents[2]
TABLES = {"worker": WORKER, "jobs": JOBS, "sdk": SDK}
EVERY = {name: point for points in TABLES.values() for name, point in points.items()}


class Parcel:
    """Something with effects."""

    def __init__(self) -> None:
        self.story: list[str] = []

    def wrap(self, paper: str) -> str:
        self.story.append(f"wrap {paper}")
        return paper

    async def send(self) -> None:
        await asyncio.sleep(0)
        self.story.append("send")

    def lose(self) -> None:
        raise LookupError("lost")


HERE = f"{__name__}:Parcel"


@pytest.fixture
def died(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The points at which this process would have ended; what was wrapped is put back."""
    names: list[str] = []
    monkeypatch.setattr(crash_points, "end_here", names.append)
    methods = dict(vars(Parcel))
    yield names
    for name in ("wrap", "send", "lose"):
        setattr(Parcel, name, methods[name])


def arm(text: str, **points: Point) -> list[str]:
    return crash_points.arm("sdk", {f"sdk.{name}": one for name, one in points.items()}, text)


# --- what the variable may say ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "orders", "file"),
    [
        ("sdk.a", [Order("sdk.a", 1)], ""),
        ("sdk.a:3", [Order("sdk.a", 3)], ""),
        ("sdk.a, worker.b:2@/tmp/go", [Order("sdk.a", 1), Order("worker.b", 2)], "/tmp/go"),
    ],
)
def test_names_passes_and_the_file_are_read(text: str, orders: list[Order], file: str) -> None:
    assert crash_points.read(text) == (orders, file)


@pytest.mark.parametrize("text", ["sdk.a:", "sdk.a:0", "sdk.a:-1", "sdk.a:two"])
def test_a_pass_is_a_number_above_0(text: str) -> None:
    with pytest.raises(ConfigError, match="above 0"):
        crash_points.read(text)


@pytest.mark.parametrize("text", ["sdk.typo", "typo", "", "nobody.knows"])
def test_an_unknown_name_is_told_with_those_that_are_known(text: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{CRASH_VARIABLE}: .*known: sdk\.one, sdk\.two$"):
        arm(text, one=before(f"{HERE}.wrap", ""), two=after(f"{HERE}.wrap", ""))


def test_the_points_of_other_kinds_of_process_are_theirs(died: list[str]) -> None:
    assert arm("worker.frame_written,jobs.archived", one=before(f"{HERE}.wrap", "")) == []


# --- when a pass counts -------------------------------------------------------------------------


def test_before_is_before_any_effect_and_after_is_after_all(
    died: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parcel = Parcel()
    monkeypatch.setattr(crash_points, "end_here", parcel.story.append)
    points = {"early": before(f"{HERE}.wrap", ""), "late": after(f"{HERE}.wrap", "")}
    assert arm("sdk.early,sdk.late", **points) == ["sdk.early", "sdk.late"]
    assert parcel.wrap("blue") == "blue"
    assert parcel.story == ["sdk.early", "wrap blue", "sdk.late"]


async def test_what_is_awaited_is_passed_when_it_is_done(died: list[str]) -> None:
    parcel = Parcel()
    arm("sdk.late", late=after(f"{HERE}.send", ""))
    sending = asyncio.ensure_future(parcel.send())
    await asyncio.sleep(0)
    assert died == []
    await sending
    assert (died, parcel.story) == (["sdk.late"], ["send"])


def test_the_pass_that_was_asked_for_counts_and_no_other(died: list[str]) -> None:
    parcel = Parcel()
    blue = after(f"{HERE}.wrap", "", lambda parcel, paper: paper == "blue")
    arm("sdk.blue:2", blue=blue)
    for paper, deaths in (("red", 0), ("blue", 0), ("red", 0), ("blue", 1), ("blue", 1)):
        parcel.wrap(paper)
        assert len(died) == deaths, paper


def test_what_raises_was_not_passed(died: list[str]) -> None:
    arm("sdk.late", late=after(f"{HERE}.lose", ""))
    with pytest.raises(LookupError):
        Parcel().lose()
    assert died == []


def test_passes_count_while_the_file_exists(died: list[str], tmp_path: Path) -> None:
    parcel, file = Parcel(), tmp_path / "go"
    arm(f"sdk.early@{file}", early=before(f"{HERE}.wrap", ""))
    parcel.wrap("blue")
    assert died == []
    file.touch()
    parcel.wrap("blue")
    assert died == ["sdk.early"]


# --- the tables ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_each_point_lies_at_a_function(name: str) -> None:
    holder, function = crash_points.find(EVERY[name].target)
    assert inspect.isfunction(inspect.getattr_static(holder, function))


def test_names_begin_with_the_kind_of_process() -> None:
    assert set(TABLES) == set(crash_points.PARTS)
    for part, points in TABLES.items():
        assert all(re.fullmatch(rf"{part}\.[a-z_]+", name) for name in points)


def test_each_point_is_passed_by_some_action_and_in_make_test_once() -> None:
    assert table.unreached() == set()
    assert table.short() == sorted(EVERY), "each of them, and none twice"


def test_make_test_has_several_points_of_each_action_and_trouble() -> None:
    assert min(table.short_actions().values()) >= 2
    assert min(table.short_troubles().values()) >= 3


def test_the_page_lists_them_all() -> None:
    page = (ROOT / "docs" / "crash-points.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([a-z_.]+)` \| (.+) \|$", page, re.MULTILINE)
    assert listed == [(name, point.says) for name, point in EVERY.items()]


# --- a process ----------------------------------------------------------------------------------

_IMPORTED = """
import sys, strategy_sdk, workers.jobs, workers.process
print([name for name in sys.modules if name.endswith("crash_points")], flush=True)
from router.crash_points import end_here
end_here("sdk.admitted")
print("alive", flush=True)
"""


def test_who_is_not_armed_does_not_even_import_them_and_who_is_dies_at_once() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _IMPORTED], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, "[]\n")
    assert ended.stderr == "crash point sdk.admitted: ended here\n"


STARTS: dict[str, Callable[[], object]] = {
    "worker": lambda: process.serve(Settings(), []),
    "jobs": lambda: jobs.run(Settings()),
    "sdk": lambda: strategy_sdk.run(Recorder(), "alpha", []),
}


@pytest.mark.parametrize("part", STARTS)
def test_a_process_arms_itself_as_it_starts(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CRASH_VARIABLE, f"{part}.typo")
    known = ", ".join(TABLES[part])
    with pytest.raises(ConfigError, match=f"'{part}.typo' is no crash point; known: {known}$"):
        STARTS[part]()

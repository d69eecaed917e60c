"""The documents: links lead somewhere, the README's strategy loads, its commands exist."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from commands.main import COMMANDS
from demo.children import ROOT
from strategy_sdk.loader import make_strategy
from strategy_sdk.testing import StrategyHarness

PAGES = sorted(
    [
        *(
            ROOT / name
            for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")
        ),
        *(ROOT / "docs").rglob("*.md"),
    ]
)
NAMES = set(COMMANDS)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as the usual renderers make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_are_named_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"^order-router ([a-z]+)", text, re.MULTILINE)
    named += re.findall(r"`order-router ([a-z]+)", text)
    assert set(named) <= NAMES


def test_the_readme_lists_every_command() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| `.*", text, re.MULTILINE)
    assert all(any(name in row for row in table) for name in NAMES)


def test_the_strategy_in_the_readme_loads(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(code.splitlines()) <= 34
    (tmp_path / "readme_entry.py").write_text(code)
    assert make_strategy(f"{tmp_path / 'readme_entry.py'}:Entry")


def test_the_tests_that_the_porting_page_shows_pass() -> None:
    text = (ROOT / "docs" / "porting.md").read_text(encoding="utf-8")
    shown: dict[str, Any] = {}
    exec("\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL)), shown)
    tests = [value for name, value in shown.items() if name.startswith("test_")]
    assert len(tests) == 3
    for test in tests:
        test()


def test_the_porting_page_names_what_the_harness_can_say() -> None:
    text = (ROOT / "docs" / "porting.md").read_text(encoding="utf-8")
    table = text.partition("| the test says |")[2]
    said = {name for name, value in vars(StrategyHarness).items() if inspect.isfunction(value)}
    assert {name for name in said if not name.startswith("_")} <= set(re.findall(r"`(\w+)`", table))


def test_files_that_the_architecture_names_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for name in re.findall(r"`((?:router|workers|strategy_sdk|simulator|demo)/[\w/.]+)`", text):
        assert (ROOT / name).exists(), name

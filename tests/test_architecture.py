"""The tree keeps its own rules: who imports whom, what is pure, what stands where."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from router import functions
from router.enums import ExchangeType
from router.functions import Batch, Call, Caps
from router.keyspace import AccountKeys

ROOT = Path(__file__).parent.parent
PACKAGES = (
    "router",
    "strategy_sdk",
    "workers",
    "simulator",
    "commands",
    "demo",
    "examples",
    "storm",
    "benchmarks",
    "simulation",
)
#: What each package may import of this project besides itself.
MAY_IMPORT: dict[str, set[str]] = {
    "router": set(),
    "strategy_sdk": {"router"},
    "workers": {"router"},
    "simulator": set(),
    "examples": {"strategy_sdk"},
    "commands": set(PACKAGES) - {"simulation"},
    "demo": set(PACKAGES) - {"simulation"},
    "storm": set(PACKAGES) - {"simulation"},
    "benchmarks": set(PACKAGES) - {"simulation"},
    "simulation": set(PACKAGES),  # not installed: it runs from a checkout
}
#: Text in, values out: no I/O, no clock, no randomness, and no module that has them.
PURE = (
    "router/access.py",
    "router/contracts.py",
    "router/enums.py",
    "router/errors.py",
    "router/evidence.py",
    "router/instruments.py",
    "router/keyspace.py",
    "router/orders.py",
    "router/outcomes.py",
    "router/redis_url.py",
    "router/results.py",
    "router/snapshot.py",
    "router/state.py",
    "workers/changes.py",
    "workers/flights.py",
    "workers/histogram.py",
    "workers/pacing.py",
    "workers/reconcile.py",
    "workers/registry.py",
    "workers/venue.py",
    "workers/waiting.py",
    "workers/venues/**/*.py",
    "strategy_sdk/sequence.py",
    "strategy_sdk/precision.py",
)
IMPURE = frozenset(
    """
    aiohttp apscheduler asyncio multiprocessing os random redis requests rq secrets selectors
    signal socket sqlite3 ssl subprocess threading time urllib3 uvloop websockets
    """.split()  # noqa: SIM905
)
#: Modules that are not pure as a whole but lend pure parts; each with its reason.
LENDERS = {
    "router.ids": "makes fresh ids from clock and randomness; its checks and tags are pure",
}
VAGUE = frozenset(
    ("base", "common", "core", "helper", "helpers", "manager", "managers", "misc", "util", "utils")
)
MOST_LINES = 600


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> Iterator[str]:
    """Yield every module that the file imports, wherever in it, by its full name."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (above, node.module) if part)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


# --- arrows -------------------------------------------------------------------------------------


@pytest.mark.parametrize("package", PACKAGES)
def test_arrows_point_inward(package: str) -> None:
    forbidden = ({*PACKAGES, "tests"}) - MAY_IMPORT[package] - {package}
    wrong = {
        f"{shown(path)} imports {name}"
        for path in files(package)
        for name in imports(path)
        if name.split(".")[0] in forbidden
    }
    assert not wrong


def test_every_package_is_under_a_rule() -> None:
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert found == set(PACKAGES) == set(MAY_IMPORT)


# --- purity -------------------------------------------------------------------------------------


def pure_files() -> list[Path]:
    return sorted({path for pattern in PURE for path in ROOT.glob(pattern)})


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_each_pure_pattern_names_a_file() -> None:
    assert [pattern for pattern in PURE if not list(ROOT.glob(pattern))] == []


@pytest.mark.parametrize("path", pure_files(), ids=shown)
def test_pure_modules_import_no_io_and_no_clock(path: Path) -> None:
    assert {name for name in imports(path) if name.split(".")[0] in IMPURE} == set()


@pytest.mark.parametrize("path", pure_files(), ids=shown)
def test_pure_modules_lean_on_pure_modules_only(path: Path) -> None:
    pure = {module_name(one) for one in pure_files()}
    packages = {"workers", "workers.venues", "router"}
    ours = {name for name in imports(path) if (ROOT / name.split(".")[0]).is_dir()}
    modules = {name for name in ours if is_module(name)} - packages
    assert modules - pure - set(LENDERS) == set()


def is_module(name: str) -> bool:
    at = ROOT.joinpath(*name.split("."))
    return at.with_suffix(".py").exists() or (at / "__init__.py").exists()


@pytest.mark.parametrize("path", pure_files(), ids=shown)
def test_pure_modules_never_ask_for_the_present(path: Path) -> None:
    asked = {
        node.attr
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today")
    }
    assert asked == set()


# --- venue names --------------------------------------------------------------------------------

VENUE_NAME = re.compile("|".join(ExchangeType), re.IGNORECASE)
#: Where a venue's name may stand in code outside its folder, besides the list in ``enums``.
NAMES_ALLOWED = {
    ("router/instruments.py", "BTCUSDT.OKX"): "an error shows how a symbol is written",
    ("router/instruments.py", "BTCUSD-241227.BINANCE"): "an error shows how a symbol is written",
    ("strategy_sdk/accounts.py", '{"okx": "okx-main"}'): "an error shows how accounts are given",
    ("strategy_sdk/accounts.py", '{"okx": "'): "an error shows how accounts are given",
    ("strategy_sdk/testing.py", "BTCUSDT-PERP.OKX"): "the harness's default instrument",
    ("strategy_sdk/testing.py", "OKX"): "the harness's default exchange",
}


def neutral_files() -> list[Path]:
    workers = [*(ROOT / "workers").glob("*.py"), *VENUES.glob("*.py")]
    found = [*files("router"), *files("strategy_sdk"), *sorted(workers)]
    return [path for path in found if path != ROOT / "router" / "enums.py"]


def words(path: Path) -> Iterator[str]:
    """Yield the identifiers and texts of the code; docstrings and comments are no code."""
    docs = {
        id(node.value)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value
        for name in ("id", "attr", "arg", "name", "module"):
            if isinstance(value := getattr(node, name, None), str):
                yield value


def test_no_venue_is_named_outside_its_folder() -> None:
    named = {
        (shown(path), word)
        for path in neutral_files()
        for word in words(path)
        if VENUE_NAME.search(word)
    }
    wrong = {
        (path, word)
        for path, word in named
        if not any(path == at and allowed in word for at, allowed in NAMES_ALLOWED)
    }
    assert not wrong
    unused = {
        (at, allowed)
        for at, allowed in NAMES_ALLOWED
        if not any(path == at and allowed in word for path, word in named)
    }
    assert not unused, "these exceptions are needed no more"


def test_no_venue_is_named_in_lua() -> None:
    wrong = [path.name for path in lua_files() if VENUE_NAME.search(body(path))]
    assert not wrong


# --- venue folders: pure codecs, small, apart from each other ------------------------------------

VENUES = ROOT / "workers" / "venues"
MOST_VENUE_LINES = 1_200
#: What a codec may import besides its own folder and what all codecs share.
CODEC_MAY_IMPORT = {
    "router.enums",
    "router.errors",
    "router.evidence",
    "router.ids",
    "router.instruments",
    "workers.venue",
}


def venue_folders() -> list[Path]:
    return sorted(path.parent for path in VENUES.glob("*/__init__.py"))


def venue_parts() -> dict[str, str]:
    """Return the venue of each module in a venue's folder."""
    return {
        module_name(path): folder.name for folder in venue_folders() for path in folder.glob("*.py")
    }


@pytest.mark.parametrize("folder", venue_folders(), ids=shown)
def test_a_venue_is_small_enough_to_hold_no_policy(folder: Path) -> None:
    assert sum(lines(path) for path in folder.rglob("*.py")) <= MOST_VENUE_LINES
    kinds = {path.suffix for path in folder.rglob("*") if path.is_file()}
    assert kinds - {".pyc"} == {".py"}, "a codec is code alone"


@pytest.mark.parametrize("folder", venue_folders(), ids=shown)
def test_a_venue_leans_on_the_port_and_on_what_all_venues_share(folder: Path) -> None:
    shared = {module_name(path) for path in VENUES.glob("*.py")}
    own = {name for name, venue in venue_parts().items() if venue == folder.name}
    packages = {"router", "workers", "workers.venues"}
    for path in folder.glob("*.py"):
        ours = {name for name in imports(path) if name.split(".")[0] in PACKAGES}
        used = {name for name in ours if is_module(name)} - packages
        assert used - CODEC_MAY_IMPORT - shared - own == set(), shown(path)


def test_nobody_reaches_past_the_loader_into_a_venue() -> None:
    inside = venue_parts()
    outside = [*neutral_files(), *files("commands"), *files("demo"), *files("examples")]
    wrong = {(shown(path), name) for path in outside for name in imports(path) if name in inside}
    assert not wrong


# --- size and names -----------------------------------------------------------------------------


def test_no_file_is_too_long_to_read() -> None:
    every = [path for package in (*PACKAGES, "tests") for path in files(package)] + lua_files()
    long = {shown(path): count for path in every if (count := lines(path)) > MOST_LINES}
    assert not long


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_no_module_has_a_name_that_says_nothing() -> None:
    wrong = [
        shown(path)
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.stem.strip("_") in VAGUE and (path.suffix in (".py", ".lua") or path.is_dir())
    ]
    assert not wrong


# --- Lua: the header is the type ----------------------------------------------------------------


def lua_files() -> list[Path]:
    return sorted((ROOT / "router" / "lua").glob("*.lua"))


def header(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    found = re.match(r"(?:--.*\n)+", text)
    assert found, f"{path.name} has no header"
    return found[0]


def body(path: Path) -> str:
    text = path.read_text(encoding="utf-8").removeprefix(header(path))
    return re.sub(r"--.*", "", text)


def documented(path: Path, what: str) -> tuple[set[int], int | None]:
    """Return the numbers that the header names, and where its open end (``[n…]``) begins."""
    fixed = {int(number) for number in re.findall(rf"{what}\[(\d+)\]", header(path))}
    opened = re.findall(rf"{what}\[(\d+)…\]", header(path))
    return fixed, int(opened[0]) if opened else None


def used(path: Path, what: str) -> set[int]:
    return {int(number) for number in re.findall(rf"\b{what}\[(\d+)\]", body(path))}


def example_calls() -> dict[str, Call]:
    """Return one call of each function, as the SDK and the worker make them."""
    keys, fields = AccountKeys("a"), {"oid": "o", "client_id": "c", "id": "i", "request": "cancel"}
    batch = Batch()
    batch.settle(keys.intents("s"), "1-0")
    return {
        "admit": functions.admit(keys, "s", [functions.Admission(fields, "s", 1)], caps=Caps()),
        "request": functions.request(keys, "s", fields, valid_for_ms=1, caps=Caps()),
        "release": functions.release(keys, "s", "s", "k", "o"),
        "register": functions.register(keys, "s", "main", "{}", "who", wake=True),
        "lease": functions.lease(keys, "renew", owner="o", epoch=1, ttl_ms=1),
        "apply": batch.call(keys, 1, 1),
        "restore": functions.restore(
            *(keys, 1, "s", "o", "c", fields),
            key=("s", "k"),
            ended_ms=None,
            keep_ms=1,
            now_ms=1,
        ),
        "gap": functions.gap(keys, 1, ["s"], skipped=1, halted=""),
        "halt": functions.halt(keys, "why"),
        "trim": functions.trim(keys, "s", handled_ms=1, unhandled_ms=1, most=1),
    }


def test_every_lua_file_is_loaded_and_called() -> None:
    assert {path.stem for path in lua_files()} == set(functions.FILES) == set(example_calls())


@pytest.mark.parametrize("path", lua_files(), ids=lambda path: path.stem)
def test_lua_headers_tell_the_keys_and_arguments(path: Path) -> None:
    for what, name in (("KEYS", "keys"), ("ARGV", "args")):
        fixed, opened = documented(path, what)
        assert fixed == set(range(1, len(fixed) + 1)), f"{what} are numbered without a gap"
        assert used(path, name) == fixed, f"{what}: the header and the body differ"
        assert opened in (None, len(fixed) + 1)


@pytest.mark.parametrize("path", lua_files(), ids=lambda path: path.stem)
def test_calls_give_what_lua_headers_ask_for(path: Path) -> None:
    call = example_calls()[path.stem]
    for what, given in (("KEYS", call.keys), ("ARGV", call.args)):
        fixed, opened = documented(path, what)
        assert len(given) >= len(fixed) if opened else len(given) == len(fixed)
    assert call.name == f"or1_{path.stem}"
    assert f"'{call.name}'" in body(path)


@pytest.mark.parametrize("path", lua_files(), ids=lambda path: path.stem)
def test_lua_headers_tell_every_answer(path: Path) -> None:
    promised = header(path).partition("Returns")[2]
    told = set(re.findall(r'"([a-z_]+)"', promised))
    answers = set(re.findall(r"(?:return|answer =) \{?'([a-z_]+)'", body(path)))
    assert answers - told == set(), "answers that the header does not name"
    assert told - answers == set(), "answers that the header promises and the body never gives"


@pytest.mark.parametrize("path", lua_files(), ids=lambda path: path.stem)
def test_lua_takes_its_keys_and_time_from_the_server(path: Path) -> None:
    text = body(path)
    assert "{a}" not in text
    assert not re.search(r"redis\.p?call\('[A-Z ]+', *'[^']*:", text), "a key is built in Lua"
    assert "os.time" not in text
    assert "KEYS[" not in text

"""A strategy named as FILE:CLASS, as the command line does."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from router.errors import ConfigError
from strategy_sdk.accounts import AccountsArgument
from strategy_sdk.runner import run
from strategy_sdk.strategy import Strategy


def run_file(target: str, strategy_id: str, accounts: AccountsArgument, **options: Any) -> None:
    """Run the strategy class that ``target`` names (``"my/entry.py:Entry"``); see ``run``.

    Raises:
        ConfigError: If file or class is missing, the class is no Strategy, or it cannot be made.
    """
    run(make_strategy(target), strategy_id, accounts, **options)


def make_strategy(target: str) -> Strategy:
    """Return a new instance of the strategy class that ``target`` names.

    Raises:
        ConfigError: If file or class is missing, the class is no Strategy, or it cannot be made.
    """
    file, separator, name = target.rpartition(":")
    if not separator or not file or not name.isidentifier():
        raise ConfigError("FILE:CLASS", f"{target!r} is not of the form my/entry.py:Entry")
    path = Path(file).resolve()
    if not path.is_file():
        raise ConfigError(target, f"there is no file {path}")
    module = _load(path, target)
    found = getattr(module, name, None)
    classes = ", ".join(sorted(_strategies(module))) or "none"
    if found is None:
        raise ConfigError(target, f"{path.name} has no class {name}; its strategies: {classes}")
    if not isinstance(found, type) or not issubclass(found, Strategy):
        raise ConfigError(
            target, f"{name} is no strategy_sdk.Strategy; strategies there: {classes}"
        )
    try:
        return found()
    except TypeError as error:
        raise ConfigError(target, f"{name}() cannot be made without arguments: {error}") from error


def _load(path: Path, target: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ConfigError(target, f"{path.name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)  # so that the file can import its neighbours
    sys.modules.setdefault(path.stem, module)
    try:
        spec.loader.exec_module(module)
    except (ImportError, SyntaxError) as error:
        if sys.modules.get(path.stem) is module:
            del sys.modules[path.stem]
        raise ConfigError(target, f"cannot be imported: {error}") from error
    return module


def _strategies(module: ModuleType) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Strategy) and value is not Strategy
    ]

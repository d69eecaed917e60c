"""The latest results: read, and written as JSON, tables and picture."""

from pathlib import Path

import orjson
from pydantic import TypeAdapter, ValidationError

from benchmarks import chart, report
from benchmarks.bench import Report

HERE = Path(__file__).resolve().parent
_REPORT: TypeAdapter[Report] = TypeAdapter(Report)


def last(folder: Path = HERE) -> Report | None:
    """Return the report kept last; None if there is none, or it has another form by now."""
    file = folder / "results" / "latest.json"
    try:
        return _REPORT.validate_json(file.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def keep(found: Report, folder: Path = HERE) -> None:
    """Write the report: results/latest.json, results/latest.svg and the README's tables."""
    results = folder / "results"
    results.mkdir(exist_ok=True)
    text = orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    (results / "latest.json").write_bytes(text)
    (results / "latest.svg").write_text(chart.svg(found), "utf-8")
    readme = folder / "README.md"
    readme.write_text(report.into_readme(readme.read_text("utf-8"), found), "utf-8")

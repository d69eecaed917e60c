"""The report as one picture: bars in plain SVG text, light and readable anywhere. Pure."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from benchmarks.bench import Report
from benchmarks.report import shape_words

WIDTH = 780
_LABEL, _VALUE, _PAD = 250, 90, 16
_BAR, _GAP, _ROW_GAP, _HEAD, _WORD = 11, 2, 8, 46, 40
_INK, _FAINT, _PAPER, _TARGET = "#24292f", "#6b7280", "#ffffff", "#dc2626"
_COLOURS = ("#2563eb", "#93c5fd", "#9ca3af", "#d1d5db")
_FONT = "system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif"


@dataclass(frozen=True, slots=True)
class Row:
    """One group of bars; ``target``: a mark on the same scale."""

    label: str
    values: tuple[float, ...]
    target: float | None = None


@dataclass(frozen=True, slots=True)
class Panel:
    """Bars of one unit on one scale; ``series`` names the bars of each row."""

    title: str
    unit: str
    series: tuple[str, ...]
    rows: Sequence[Row]
    logarithmic: bool = False


def panels(report: Report) -> list[Panel]:
    """Return what the picture shows; parts that were not measured are left out."""
    made = [_stages(report), _rates(report), _outages(report), _durability(report), _flow(report)]
    return [panel for panel in made if panel.rows]


def svg(report: Report) -> str:
    """Return the picture of a report."""
    parts: list[str] = []
    y = float(_PAD)
    for panel in panels(report):
        drawn, y = _draw(panel, y)
        parts += drawn
    height = round(y)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" font-family="{_FONT}" font-size="12">'
    )
    about = f"<title>order-router, measured {escape(report.measured)}</title>"
    paper = f'<rect width="{WIDTH}" height="{height}" fill="{_PAPER}"/>'
    return "\n".join([head, about, paper, *parts, "</svg>", ""])


# --- what is shown --------------------------------------------------------------------------------


def _stages(report: Report) -> Panel:
    path = [one for one in report.stages if "(beside)" not in one.holds and one.name != "whole"]
    rows = [Row(one.name, (one.p50_us,)) for one in path]
    return Panel("Stages of one order, one at a time", "µs", ("p50",), rows)


def _rates(report: Report) -> Panel:
    rows = [
        Row(shape_words(one), (one.router_per_s.median, one.floor_per_s.median))
        for one in report.comparison.throughputs
    ]
    return Panel("Throughput", "orders/s", ("router", "floor"), rows)


def _outages(report: Report) -> Panel:
    rows = [Row(one.name, (one.p50_ms, one.p99_ms), one.p99_target_ms) for one in report.outages]
    return Panel("Outages", "ms", ("p50", "p99"), rows, logarithmic=True)


def _durability(report: Report) -> Panel:
    rows = [
        Row(f"appendfsync {one.appendfsync}", (one.p50_us.median, one.p99_us.median))
        for one in report.durability
    ]
    return Panel("Submit → on_pending_order by durability", "µs", ("p50", "p99"), rows)


def _flow(report: Report) -> Panel:
    found = report.flow
    if found is None:
        return Panel("Memory", "MiB", (), ())
    marks = tuple(f"after {_short(one.orders)}" for one in found.resident)
    rows = [
        Row(name, tuple(one.mib[name] for one in found.resident)) for name in found.resident[0].mib
    ]
    return Panel("Resident memory after orders that came and ended", "MiB", marks, rows)


# --- how it is drawn ------------------------------------------------------------------------------


def _draw(panel: Panel, y: float) -> tuple[list[str], float]:
    """Return a panel's elements from ``y`` on, and where it ends."""
    has_target = any(row.target is not None for row in panel.rows)
    scale = _scale(panel)
    out = [_text(_PAD, y + 14, f"{panel.title}, {panel.unit}", size=14, weight="600")]
    out += _legend(panel, y + 32, has_target=has_target)
    y += _HEAD
    for row in panel.rows:
        tall = len(row.values) * (_BAR + _GAP)
        middle = y + tall / 2 + 3
        out.append(_text(_LABEL - 10, middle, row.label, anchor="end"))
        for number, value in enumerate(row.values):
            top = y + number * (_BAR + _GAP)
            end = _LABEL + max(1.0, scale(value))
            out.append(_rect(_LABEL, top, end - _LABEL, _BAR, _COLOURS[number]))
            if row.target is not None and 0 <= _LABEL + scale(row.target) - end < _WORD:
                end = _LABEL + scale(row.target)  # the mark would cross the number
            out.append(_text(end + 5, top + 9, _short(value), colour=_FAINT))
        if row.target is not None:
            out.append(_rect(_LABEL + scale(row.target), y - 2, 2, tall + 2, _TARGET))
        y += tall + _ROW_GAP
    return out, y + _PAD


def _scale(panel: Panel) -> Callable[[float], float]:
    """Return the function from a value to a length."""
    room = WIDTH - _LABEL - _VALUE - _PAD
    every = [value for row in panel.rows for value in (*row.values, row.target or 0.0)]
    most = max([value for value in every if math.isfinite(value)], default=0.0) or 1.0
    if not panel.logarithmic:
        return lambda value: room * value / most if math.isfinite(value) else 0.0
    # From 1 ms on: what is shorter is as good as none here.
    return lambda value: room * math.log10(max(1.0, value)) / max(1.0, math.log10(most))


def _legend(panel: Panel, y: float, *, has_target: bool) -> Iterable[str]:
    x = float(_LABEL)
    entries = [*zip(panel.series, _COLOURS, strict=False)]
    if has_target:
        entries.append(("aimed at, p99", _TARGET))
    for name, colour in entries:
        yield _rect(x, y - 9, 10, 10, colour)
        yield _text(x + 15, y, name, colour=_FAINT)
        x += 30 + 7 * len(name)
    if panel.logarithmic:
        yield _text(x, y, "(logarithmic)", colour=_FAINT)


def _rect(x: float, y: float, width: float, height: float, colour: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'
    )


def _text(
    x: float,
    y: float,
    words: str,
    *,
    anchor: str = "start",
    size: int = 12,
    weight: str = "400",
    colour: str = _INK,
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
        f'font-weight="{weight}" fill="{colour}">{escape(words)}</text>'
    )


def _short(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ") if value >= 10 else f"{value:.1f}"

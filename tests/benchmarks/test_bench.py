"""A tiny run of everything: what it reports, never how fast it was."""

import os
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import orjson
import pytest

from benchmarks import bench, chart, kept, report, takeovers
from benchmarks.bench import Report
from benchmarks.children import BenchFailed, Children
from benchmarks.options import Options
from benchmarks.outages import GRACE_MS, KINDS

SVG = "{http://www.w3.org/2000/svg}"

TINY = Options(
    rounds=2,
    warm_up_orders=10,
    latency_orders=20,
    burst_orders=40,
    stage_orders=20,
    memory_orders=40,
    strategies=2,
    window=8,
    batch=4,
    settle_s=0.0,
    outages=1,
    takeovers=1,
    open_orders=20,
    durable_orders=10,
    venue_orders=8,
    flow_orders=60,
)


@pytest.mark.timeout(300)
def test_a_tiny_run_measures_everything(tmp_path: Path) -> None:
    # One test, so that a parallel run starts these processes once.
    tiny = bench.run(TINY, lambda words: None)
    check_both_sides(tiny)
    check_stages_and_memory(tiny)
    check_venues(tiny)
    check_durability_and_outages(tiny)
    tiny = replace(tiny, flow=bench.run_flow(TINY, lambda words: None))
    check_flow(tiny)
    check_texts(tiny)
    check_kept(tiny, tmp_path)


def check_both_sides(tiny: Report) -> None:
    found = tiny.comparison
    sides = found.floor, found.floor_at_venue, found.router
    assert {one.samples for one in sides} == {TINY.rounds * TINY.latency_orders}
    for ratio in (found.to_floor.p50, found.to_floor_at_venue.p99):
        assert 0 < ratio.low <= ratio.median <= ratio.high
    shapes = [(one.strategies, one.batch) for one in found.throughputs]
    assert shapes == [(1, 1), (1, 4), (2, 1), (2, 4)]
    assert all(one.router_per_s.low > 0 < one.floor_per_s.low for one in found.throughputs)


def check_stages_and_memory(tiny: Report) -> None:
    assert tiny.stages
    assert all(one.p50_us > 0 for one in tiny.stages)
    assert [one.orders for one in tiny.memory.resident] == [0, TINY.memory_orders]
    assert tiny.memory.redis_bytes_per_ended > 0 < tiny.memory.redis_bytes_per_open


def check_venues(tiny: Report) -> None:
    okx, *others = tiny.venues
    assert okx.name == "okx"
    assert {one.name for one in others} == {"binance-usdm", "binance-spot", "bybit", "bitget"}
    assert (okx.p50_ratio.high, okx.slower.low, okx.worker_ratio.median) == (1, 1, 1)
    assert all(one.p50_us.low > 0 < one.venue_us.low for one in tiny.venues)


def check_durability_and_outages(tiny: Report) -> None:
    assert [one.appendfsync for one in tiny.durability] == ["no", "everysec", "always"]
    assert all(one.p50_us.low > 0 < one.per_s.low for one in tiny.durability)
    assert [one.name for one in tiny.outages] == [name for name, *_ in (*KINDS, *takeovers.KINDS)]
    assert [one for one in tiny.outages if not 0 <= one.p50_ms <= one.p99_ms] == []
    assert all(one.samples >= TINY.outages for one in tiny.outages)
    resynced = next(one for one in tiny.outages if one.name.startswith("reconnect"))
    assert resynced.p50_ms >= GRACE_MS


def check_flow(tiny: Report) -> None:
    assert tiny.flow is not None
    assert [one.orders for one in tiny.flow.resident] == [TINY.flow_orders]
    assert set(tiny.flow.resident[0].mib) == {"strategy", "worker", "venue", "jobs", "redis"}
    assert tiny.flow.redis_data_mib[0] > 0
    assert tiny.flow.redis_keys[0] < TINY.flow_orders, "no order leaves a key behind"


def check_kept(tiny: Report, folder: Path) -> None:
    (folder / "README.md").write_text(f"{report.BEGIN}\n{report.END}\n")
    assert kept.last(folder) is None
    kept.keep(tiny, folder)
    assert kept.last(folder) == tiny
    assert "results/latest.svg" in (folder / "README.md").read_text("utf-8")
    picture = ElementTree.parse(folder / "results" / "latest.svg").getroot()
    check_picture(tiny, picture)


def check_picture(tiny: Report, picture: ElementTree.Element) -> None:
    words = {one.text or "" for one in picture.iter(f"{SVG}text")}
    for panel in chart.panels(tiny):
        assert f"{panel.title}, {panel.unit}" in words
        assert {row.label for row in panel.rows} <= words
    assert len(chart.panels(tiny)) == 5
    for bar in picture.iter(f"{SVG}rect"):
        right = float(bar.get("x", 0)) + float(bar.get("width", 0))
        assert float(bar.get("width", 0)) >= 0
        assert right <= chart.WIDTH


def check_texts(tiny: Report) -> None:
    samples = TINY.rounds * TINY.latency_orders
    assert orjson.loads(orjson.dumps(tiny))["comparison"]["router"]["samples"] == samples
    readme = f"before\n{report.BEGIN}\nstale\n{report.END}\nafter\n"
    made = report.into_readme(readme, tiny)
    assert "stale" not in made
    assert made.startswith("before\n")
    assert made.endswith("after\n")
    assert report.into_readme(made, tiny) == made
    for sheet in report.sheets(tiny):
        assert all(len(row) == len(sheet.columns) for row in sheet.rows)
        assert sheet.title in made


def test_a_child_that_ends_is_reported_with_its_last_words(tmp_path: Path) -> None:
    with Children(tmp_path, os.environ) as children:
        child = children.start("wrong", ["benchmarks.floor.worker", "no-address", "", "", "flo0"])
        with pytest.raises(BenchFailed, match=r"(?s)wrong: ended.*no-address|scheme"):
            child.hear(60)
    assert child.process.returncode is not None


def test_no_child_outlives_its_block(tmp_path: Path) -> None:
    with Children(tmp_path, os.environ) as children:
        child = children.start("venue", ["benchmarks.floor.venue"])
        assert child.hear(60)["port"] > 0
        child.check()
    with pytest.raises(BenchFailed, match="ended with code"):
        child.check()

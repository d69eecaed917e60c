"""What a log says of defects is part of the verdict, though the process recovered from them."""

from pathlib import Path

from storm.logs import defects_in

CALM = """\
2026-11-23 13:43:19,647 INFO workers.lease: okx-main: owner with epoch 9
2026-11-23 13:43:23,773 WARNING workers.connection: trade socket lost: no byte for 2.0 s
2026-11-23 13:43:25,000 ERROR workers.connection: private socket: login refused
"""
RECOVERED = """\
2026-11-23 13:43:15,027 ERROR workers.process: okx-main: a defect; a new epoch recovers
Traceback (most recent call last):
  File "workers/process.py", line 158, in _account
    await worker.run()
RuntimeError: the handler is closed
2026-11-23 13:43:17,825 INFO workers.lease: okx-main: owner with epoch 8
2026-11-23 13:46:31,260 ERROR asyncio: Future exception was never retrieved
"""


def test_calm_logs_name_no_defect(tmp_path: Path) -> None:
    (tmp_path / "worker.log").write_text(CALM)
    (tmp_path / "notes.txt").write_text(RECOVERED)
    assert defects_in(tmp_path) == []


def test_each_traceback_and_each_lost_error_is_one(tmp_path: Path) -> None:
    (tmp_path / "worker.log").write_text(CALM + RECOVERED)
    (tmp_path / "jobs.log").write_text("Traceback (most recent call last):\n  File")
    jobs, recovered, lost = defects_in(tmp_path)
    assert jobs == "jobs.log: a traceback: cut short"
    assert recovered.startswith("worker.log: 2026-11-23 13:43:15,027 ERROR workers.process")
    assert recovered.endswith("RuntimeError: the handler is closed")
    assert lost.endswith("Future exception was never retrieved")


def test_rq_tells_of_a_redis_that_is_away_with_a_traceback(tmp_path: Path) -> None:
    said = "Traceback (most recent call last):\n  File\n{}: it went\n"
    lost = said.format("redis.exceptions.ConnectionError")
    (tmp_path / "jobs.log").write_text(lost + said.format("KeyError"))
    (tmp_path / "worker.log").write_text(lost)
    assert [line.rpartition(": it went")[0] for line in defects_in(tmp_path)] == [
        "jobs.log: redis.exceptions.ConnectionError: it went: KeyError",
        "worker.log: a traceback: redis.exceptions.ConnectionError",
    ]

"""The spool: what an epoch could not write, read by the next one on the host; each batch once."""

import logging
from pathlib import Path

import pytest

from router.functions import Batch, Call
from router.keyspace import AccountKeys
from workers import spool
from workers.spool import Kept, Spool, Unwritten

KEYS = AccountKeys("okx-main")


def call(number: int) -> Call:
    batch = Batch()
    batch.hash(KEYS.status, {"number": str(number)})
    return batch.call(KEYS, 7, number)


def kept(number: int) -> Kept:
    one = call(number)
    assert isinstance(one.args[2], bytes)
    return Kept(one.keys[3:], one.args[2].decode())


def modes(folder: Path) -> list[int]:
    """Return who may do what with each file."""
    return [path.stat().st_mode & 0o777 for path in folder.iterdir()]


async def test_what_is_kept_is_left_to_whoever_follows(tmp_path: Path) -> None:
    first = Spool(str(tmp_path / "new"), "okx-main")
    await first.keep(7, 3, [call(3)])
    await first.keep(7, 3, [call(3), call(4)])
    second = Spool(str(tmp_path / "new"), "okx-main")
    assert second.left() == [Unwritten(7, 3, (kept(3), kept(4)))]
    assert second.left()[0].batches[1].call(KEYS, 9, 1).args[:2] == (9, 1)
    assert second.left()[0].batches[1].call(KEYS, 9, 1).keys == call(4).keys
    assert modes(tmp_path / "new") == [0o600]
    assert Spool(str(tmp_path / "new"), "okx").left() == [], "another account's"
    first.clear()
    assert second.left() == []
    assert modes(tmp_path / "new") == []


async def test_the_newest_epoch_comes_first_and_others_can_be_removed(tmp_path: Path) -> None:
    for epoch in (9, 10):
        await Spool(str(tmp_path), "okx-main").keep(epoch, 1, [call(1)])
    third = Spool(str(tmp_path), "okx-main")
    await third.keep(11, 1, [call(1)])
    assert [one.epoch for one in third.left()] == [11, 10, 9]
    third.remove_others()
    assert [one.epoch for one in third.left()] == [11]


@pytest.mark.parametrize(
    ("epoch", "batch", "expected"),
    [
        (7, 2, (3, 4)),  # none of them arrived
        (7, 3, (4,)),  # the first one did, its reply was lost
        (7, 9, ()),
        (8, 0, None),  # somebody else wrote
        (7, 1, None),  # the server lost what epoch 7 had written before
        (6, 5, None),
        (0, 0, None),
    ],
)
def test_a_batch_is_written_once_or_by_nobody_else(
    epoch: int, batch: int, expected: tuple[int, ...] | None
) -> None:
    left = Unwritten(7, 3, (kept(3), kept(4)))
    want = None if expected is None else tuple(kept(number) for number in expected)
    assert left.after(epoch, batch) == want


@pytest.mark.parametrize("epoch", [0, 6])
def test_an_epoch_that_had_written_nothing_left_all_of_it(epoch: int) -> None:
    assert Unwritten(7, 1, (kept(1),)).after(epoch, 5) == (kept(1),)


async def test_it_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(spool, "MOST_BYTES", 250)
    one = Spool(str(tmp_path), "okx-main")
    await one.keep(7, 1, [call(number) for number in range(1, 50)])
    [left] = one.left()
    assert 0 < len(left.batches) < 49
    assert left.batches[0] == kept(1), "the first ones: those behind need them"
    assert "the spool is full" in caplog.text


async def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    one = Spool("", "okx-main")
    await one.keep(7, 1, [call(1)])
    one.clear()
    one.remove_others()
    assert one.left() == []


async def test_a_folder_that_cannot_be_written_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    one = Spool(str(tmp_path / "file"), "okx-main")
    one.prepare()
    assert [record.levelno for record in caplog.records] == [logging.ERROR], "before it is needed"
    assert "what Redis cannot take waits in memory only" in caplog.text
    for _ in range(2):
        await one.keep(7, 1, [call(1)])
    assert len(caplog.records) == 1


async def test_what_fails_again_after_it_went_is_told_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "spool"
    one = Spool(str(folder), "okx-main")
    one.prepare()
    assert list(folder.iterdir()) == []
    for told in (1, 2):
        folder.rmdir()
        folder.write_text("")
        await one.keep(7, 1, [call(1)])
        assert len(caplog.records) == told
        folder.unlink()
        await one.keep(7, 1, [call(1)])
        one.clear()


async def test_without_a_folder_nothing_is_made() -> None:
    one = Spool("", "okx-main")
    one.prepare()
    await one.keep(7, 1, [call(1)])
    assert one.left() == []


def test_what_cannot_be_read_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for epoch, text in enumerate(["", "nonsense", "[2,7,1]\n", '[1,7,1]\n["torn'], start=1):
        (tmp_path / f"okx-main.{epoch}.spool").write_text(text)
    one = Spool(str(tmp_path), "okx-main")
    assert one.left() == []
    assert caplog.text.count("cannot be read and is left out") == 4
    one.remove_others()
    assert list(tmp_path.iterdir()) == []

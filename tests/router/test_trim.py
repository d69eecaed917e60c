"""trim and the cap on unread results: nothing that somebody has not handled goes silently."""

from typing import Any

import pytest
import redis

from router import functions
from router.contracts import Registration, ResultsGap
from tests.router.test_functions import KEYS, TAG, admit, call, client, intent

__all__ = ["client"]
RESULTS = KEYS.results("alpha")
DAY_MS = 86_400_000


def write(client: Any, count: int, *, age_ms: int = 0) -> list[str]:
    """Append results that are ``age_ms`` old; return their ids."""
    seconds, micros = client.time()
    at_ms = seconds * 1000 + micros // 1000 - age_ms
    found = []
    for number in range(count):
        seq = client.hincrby(KEYS.seq, "alpha", 1)
        found.append(client.xadd(RESULTS, {"seq": seq, "type": "order"}, id=f"{at_ms}-{number}"))
    return found


def trim(client: Any, *, most: int = 100) -> list[int]:
    """Return how many entries were cut, and how many instances were left a marker."""
    one = functions.trim(KEYS, "alpha", handled_ms=DAY_MS, unhandled_ms=7 * DAY_MS, most=most)
    answer: list[int] = call(client, one)[1:]
    return answer


def read_to(client: Any, entry_id: str, instance: str = "main") -> None:
    client.hset(KEYS.cursor("alpha"), instance, entry_id)


def kept(client: Any) -> list[int]:
    return [int(fields["seq"]) for _, fields in client.xrange(RESULTS)]


def gap(client: Any, instance: str = "main") -> ResultsGap | None:
    text = client.hget(KEYS.gaps("alpha"), instance)
    return ResultsGap.model_validate_json(text) if text else None


def test_what_nobody_has_handled_stays_whatever_its_age_in_days(client: Any) -> None:
    write(client, 5, age_ms=3 * DAY_MS)
    assert trim(client) == [0, 0]
    assert kept(client) == [1, 2, 3, 4, 5]


def test_what_all_have_handled_goes_once_it_is_old(client: Any) -> None:
    ids = write(client, 5, age_ms=3 * DAY_MS)
    new = write(client, 2)
    read_to(client, ids[3])
    assert trim(client) == [3, 0]
    assert kept(client) == [4, 5, 6, 7], "the entry under a cursor always stays"
    read_to(client, new[-1])
    assert trim(client) == [2, 0]
    assert kept(client) == [6, 7]
    assert gap(client) is None


def test_what_all_have_handled_goes_sooner_where_many_are_kept(client: Any) -> None:
    ids = write(client, 60)
    read_to(client, ids[-1])
    assert trim(client, most=200) == [0, 0]
    assert trim(client, most=100) == [59, 0]
    assert kept(client) == [60]


def test_the_slowest_instance_counts(client: Any) -> None:
    ids = write(client, 5, age_ms=3 * DAY_MS)
    read_to(client, ids[4])
    read_to(client, ids[1], "second")
    assert trim(client) == [1, 0]
    assert kept(client) == [2, 3, 4, 5]


def test_unread_and_too_old_is_cut_with_a_marker_for_each_that_missed_it(client: Any) -> None:
    old = write(client, 6, age_ms=8 * DAY_MS)
    new = write(client, 3)
    read_to(client, old[1])
    read_to(client, new[0], "second")
    assert trim(client) == [1 + 4, 1]
    assert kept(client) == [6, 7, 8, 9], "the newest entry given up marks the place"
    found = gap(client)
    assert found is not None
    assert (found.first_seq, found.last_seq, found.last_id) == (3, 6, old[5])
    assert "max_result_age_s" in found.reason
    assert client.hget(KEYS.cursor("alpha"), "main") == old[5]
    assert gap(client, "second") is None
    assert trim(client) == [0, 0], "nothing more to cut"
    assert gap(client) == found


def test_a_marker_that_nobody_has_read_grows(client: Any) -> None:
    write(client, 4, age_ms=9 * DAY_MS)
    trim(client)
    write(client, 4, age_ms=8 * DAY_MS)
    trim(client)
    found = gap(client)
    assert found is not None
    assert (found.first_seq, found.last_seq) == (1, 8)
    client.hdel(KEYS.gaps("alpha"), "main")  # it was told
    write(client, 2, age_ms=8 * DAY_MS - 1)
    assert trim(client)[1] == 1
    found = gap(client)
    assert found is not None
    assert (found.first_seq, found.last_seq) == (9, 10)


def test_too_many_are_cut_with_a_marker_a_part_a_call(client: Any) -> None:
    write(client, 1_300)
    cuts = []
    while (answer := trim(client, most=100))[0]:
        cuts.append(answer)
    assert [marked for _, marked in cuts] == [1, 1]
    assert len(kept(client)) <= 101
    assert kept(client)[-1] == 1_300
    found = gap(client)
    assert found is not None
    assert (found.first_seq, found.last_seq) == (1, kept(client)[0])
    assert "more than 100 results" in found.reason


def test_without_an_instance_nothing_is_cut(client: Any) -> None:
    write(client, 5, age_ms=9 * DAY_MS)
    client.delete(KEYS.cursor("alpha"))
    assert trim(client) == [0, 0]


def test_a_cursor_that_is_none_cuts_nothing(client: Any) -> None:
    write(client, 5, age_ms=9 * DAY_MS)
    read_to(client, "yesterday", "second")
    with pytest.raises(redis.ResponseError, match="holds yesterday"):
        trim(client)
    assert len(kept(client)) == 5


# --- the cap at admission -----------------------------------------------------------------------


def test_new_orders_are_refused_while_too_many_results_wait(client: Any) -> None:
    caps = functions.Caps(unread_results=5)
    ids = write(client, 4)
    assert admit(client, intent(), caps=caps)[0] == "admitted"
    ids += write(client, 3, age_ms=-1)
    fields = intent(idem="k")
    assert admit(client, fields, caps=caps) == ["results_full", "7"]
    assert not client.exists(KEYS.idem("alpha", "k"), KEYS.order("alpha", fields["oid"]))
    read_to(client, ids[3])
    assert admit(client, fields, caps=caps)[0] == "admitted"


def test_an_instance_that_reads_no_more_does_not_stop_the_one_that_does(client: Any) -> None:
    one = functions.register(
        KEYS, "alpha", "gone", Registration(tag=TAG).json_text(), "h 2", wake=False
    )
    call(client, one)
    ids = write(client, 9)
    read_to(client, ids[-1])
    assert admit(client, intent(), caps=functions.Caps(unread_results=5))[0] == "admitted"

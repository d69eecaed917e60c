"""The venue's limits, kept on our side: exact in every window, and no slower than they must be."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.enums import RequestKind
from workers.pacing import COUNT_SHARE, MOST_SHUT_S, PERIOD_SHARE, Pacer, Spread, Window
from workers.venue import Limits, RateLimit

CREATE, CANCEL, MODIFY = RequestKind.CREATE, RequestKind.CANCEL, RequestKind.MODIFY
CONNECTS = RateLimit(3, 1.0, per_symbol=False)


def pacer(
    count: int = 10,
    period_s: float = 2.0,
    *,
    per_symbol: bool = True,
    account: tuple[RateLimit, ...] = (),
    enabled: bool = True,
) -> Pacer:
    limit = RateLimit(count, period_s, per_symbol)
    kinds = dict.fromkeys((CREATE, CANCEL, MODIFY), limit)
    return Pacer(Limits(kinds, account, batch_size=20, connects=CONNECTS), enabled)


def leave(paced: Pacer, kind: RequestKind, symbol: str, now_s: float) -> float:
    """Return when a request leaves that waits as often as it is told to."""
    for _ in range(1_000):
        wait_s = paced.wait_s(kind, symbol, now_s)
        if wait_s <= 0:
            return now_s
        now_s += wait_s
    raise AssertionError("it never leaves")


@given(
    count=st.integers(1, 12),
    period_s=st.floats(0.5, 4.0),
    gaps_s=st.lists(st.floats(0, 1.0), min_size=1, max_size=60),
)
def test_no_window_of_the_venue_ever_sees_too_many(
    count: int, period_s: float, gaps_s: list[float]
) -> None:
    paced = pacer(count, period_s)
    now_s, left_s = 0.0, []
    for gap_s in gaps_s:
        now_s = leave(paced, CREATE, "A", now_s + gap_s)
        left_s.append(now_s)
    for first, last in itertools.pairwise(left_s[::count]):
        assert last - first >= period_s


#: Eighths of a second add up without rounding.
EIGHTHS = st.integers(0, 24).map(lambda eighths: eighths / 8)


@given(
    period_s=EIGHTHS.filter(bool), count=st.integers(1, 20), steps_s=st.lists(EIGHTHS, max_size=80)
)
def test_the_wait_is_just_long_enough(period_s: float, count: int, steps_s: list[float]) -> None:
    window, now_s = Window(count, period_s), 0.0
    for step_s in steps_s:
        now_s += step_s
        wait_s = window.wait_s(now_s)
        assert 0 <= wait_s <= period_s
        later_s = now_s + wait_s
        recent = [at for at in window.departures_s if at > now_s - period_s]
        assert (wait_s == 0) == (len(recent) < count)
        assert Window(count, period_s, window.departures_s.copy()).wait_s(later_s) == 0
        if wait_s == 0:
            window.take(now_s)


def test_a_burst_up_to_the_limit_goes_at_once() -> None:
    paced = pacer(100)
    at_once = int(100 * COUNT_SHARE)
    assert [paced.wait_s(CREATE, "A", 0.0) for _ in range(at_once)] == [0.0] * at_once
    assert paced.wait_s(CREATE, "A", 0.0) == pytest.approx(2.0 * PERIOD_SHARE)


def test_a_refused_departure_is_not_counted() -> None:
    paced = pacer(2)
    assert leave(paced, CREATE, "A", 0.0) == 0.0
    waits = [paced.wait_s(CREATE, "A", 1.0) for _ in range(50)]
    assert len(set(waits)) == 1, "asking again must not lengthen the wait"


def test_symbols_and_kinds_have_windows_of_their_own() -> None:
    paced = pacer(2)
    assert [paced.wait_s(CREATE, symbol, 0.0) for symbol in "ABC"] == [0.0] * 3
    assert paced.wait_s(CREATE, "A", 0.0) > 0
    assert paced.wait_s(CANCEL, "A", 0.0) == 0.0


def test_a_limit_of_all_symbols_is_shared() -> None:
    paced = pacer(2, per_symbol=False)
    assert paced.wait_s(CREATE, "A", 0.0) == 0.0
    assert paced.wait_s(CREATE, "B", 0.0) > 0


def test_the_account_limit_holds_for_creates_and_modifies_but_never_for_cancels() -> None:
    paced = pacer(1_000, account=(RateLimit(4, 2.0, per_symbol=False),))
    for kind, symbol in ((CREATE, "A"), (MODIFY, "B"), (CREATE, "C")):
        assert paced.wait_s(kind, symbol, 0.0) == 0.0
    assert paced.wait_s(CREATE, "D", 0.0) > 0
    assert paced.wait_s(MODIFY, "D", 0.0) > 0
    assert paced.wait_s(CANCEL, "D", 0.0) == 0.0


def test_each_of_the_accounts_limits_holds() -> None:
    short, long = RateLimit(2, 1.0, per_symbol=False), RateLimit(4, 60.0, per_symbol=False)
    paced, left_s = pacer(1_000, account=(short, long)), [0.0]
    for _ in range(4):
        left_s.append(leave(paced, CREATE, "A", left_s[-1]))
    pauses_s = [later - sooner for sooner, later in itertools.pairwise(left_s)]
    assert max(pauses_s[1:3]) < 2 * 1.0 * PERIOD_SHARE, "the short one spreads them"
    assert min(pauses_s[1:3]) >= 1.0
    assert left_s[-1] >= 60, "the long one holds the next"


def test_a_request_held_by_one_window_uses_up_none() -> None:
    paced = pacer(2, account=(RateLimit(1_000, 2.0, per_symbol=False),))
    assert paced.wait_s(CREATE, "A", 0.0) == 0.0
    for _ in range(2_000):
        assert paced.wait_s(CREATE, "A", 0.0) > 0
    assert paced.wait_s(CREATE, "B", 0.0) == 0.0, "the account's window is still open"


@pytest.mark.parametrize("earlier", [0, 3, 9])
def test_a_throttled_window_is_closed_whatever_left_before(earlier: int) -> None:
    paced = pacer(10)
    for _ in range(earlier):
        paced.wait_s(CREATE, "A", 0.0)
    paced.exhaust(CREATE, "A", 2.2)  # all that left at 0.0 no longer counts
    assert paced.wait_s(CREATE, "A", 2.2) > 0
    assert leave(paced, CREATE, "A", 2.2) <= 2.2 + 2.0 * PERIOD_SHARE + 1e-9


def test_one_refusal_shuts_no_window_for_its_minute_or_day() -> None:
    """Which limit it meant the venue does not say: some are for a minute, some for a day."""
    long_ones = tuple(
        RateLimit(count, of_s, False) for count, of_s in ((1_200, 60), (200_000, 86_400))
    )
    paced = pacer(100, 10.0, account=long_ones)
    paced.exhaust(CREATE, "A", 5.0)
    for kind in (CREATE, CANCEL, MODIFY):
        assert leave(paced, kind, "B" if kind is CANCEL else "A", 5.0) <= 5.0 + MOST_SHUT_S


def test_what_left_before_a_refusal_still_counts() -> None:
    paced = pacer(10, 10.0)
    for _ in range(int(10 * COUNT_SHARE)):
        assert paced.wait_s(CREATE, "A", 0.0) == 0.0
    paced.exhaust(CREATE, "A", 0.0)
    assert leave(paced, CREATE, "A", 0.0) >= 10.0


def test_switched_off_it_never_waits() -> None:
    paced = pacer(1, enabled=False)
    assert [paced.wait_s(CREATE, "A", 0.0) for _ in range(100)] == [0.0] * 100


def test_a_kind_without_a_limit_never_waits() -> None:
    paced = Pacer(Limits({}, (), batch_size=20, connects=CONNECTS))
    assert [paced.wait_s(CREATE, "A", 0.0) for _ in range(100)] == [0.0] * 100


@given(
    count=st.integers(2, 40),
    gaps_s=st.lists(st.integers(0, 12).map(lambda quarters: quarters / 4), max_size=120),
)
def test_a_spread_limit_is_kept_in_every_period_and_never_shuts_for_long(
    count: int, gaps_s: list[float]
) -> None:
    spread, now_s, used_s = Spread(RateLimit(count, 10.0, per_symbol=False)), 0.0, []
    longest_s = 10.0 / (max(2, int(count * COUNT_SHARE)) // 2)
    for gap_s in gaps_s:
        now_s += gap_s
        wait_s = spread.wait_s(now_s)
        assert wait_s <= longest_s + 1e-9
        if wait_s == 0.0:
            spread.take(now_s)
            used_s.append(now_s)
    for at, first_s in enumerate(used_s):
        assert sum(one < first_s + 10.0 for one in used_s[at:]) <= count


def test_half_of_a_spread_limit_may_be_used_at_once() -> None:
    spread = Spread(RateLimit(480, 3_600.0, per_symbol=False))
    for _ in range(228):
        assert spread.wait_s(5.0) == 0.0
        spread.take(5.0)
    assert spread.wait_s(5.0) == pytest.approx(3_600 / 228)


def test_switched_off_there_is_nothing_to_give_back() -> None:
    paced = pacer(1, enabled=False)
    paced.give_back(CREATE, "A", batched=False)
    assert paced.wait_s(CREATE, "A", 0.0) == 0.0


def test_a_spread_limit_shows_how_it_spreads() -> None:
    assert repr(Spread(RateLimit(480, 3_600.0, per_symbol=False))).startswith("Spread(")


def test_pairs_count_apart_from_contracts_where_the_venue_does_so() -> None:
    contracts = dict.fromkeys((CREATE, CANCEL), RateLimit(2, 1.0, per_symbol=False))
    pairs = {CREATE: RateLimit(4, 1.0, per_symbol=False)}
    paced = Pacer(Limits(contracts, (), batch_size=1, connects=CONNECTS, pairs=pairs))
    now = [leave(paced, CREATE, f"{name}.V", 0.0) for name in ("AB", "CD", "AB-PERP") for _ in "12"]
    # 95 % of 4 and of 2, whatever the symbol: three pairs and one contract leave at once.
    assert [at_s == 0.0 for at_s in now] == [True, True, True, False, True, False]
    assert leave(paced, CANCEL, "AB.V", 0.0) == 0.0, "what has no limit of its own for pairs"
    assert leave(paced, CANCEL, "AB-PERP.V", 0.0) > 0.0, "counts with the contracts"


def test_requests_of_all_kinds_share_a_window_where_a_connection_counts_them_together() -> None:
    limits = Limits(
        dict.fromkeys((CREATE, CANCEL, MODIFY), RateLimit(10, 1.0, per_symbol=False)),
        account=(),
        batch_size=1,
        connects=CONNECTS,
        together=RateLimit(10, 1.0, per_symbol=False),
    )
    paced = Pacer(limits)
    kinds = itertools.cycle((CREATE, CANCEL, MODIFY))
    left = [paced.wait_s(next(kinds), symbol, 0.0) for symbol in "ABCDEFGHI"]
    assert left == [0.0] * int(10 * COUNT_SHARE)
    assert all(paced.wait_s(kind, "Z", 0.0) > 0 for kind in (CREATE, CANCEL, MODIFY))

"""Schemas, decoding, sequence numbers, accounts and precision: the pure parts."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.enums import ExchangeType, OrderSide, OrderStatus, OrderType, PositionSide
from router.errors import ConfigError, InvalidArgument
from router.settings import AccountSettings, Settings
from strategy_sdk import decode, order_form, precision
from strategy_sdk.accounts import Accounts
from strategy_sdk.clock import Clock
from strategy_sdk.link import backoff_s
from strategy_sdk.schema import Balance, BookL1, Order, Position
from strategy_sdk.sequence import REMEMBERED, Sequence, Verdict
from strategy_sdk.testing import linear_perpetual
from strategy_sdk.timing import Timing
from tests.strategy_sdk.recorder import SYMBOL

SETTINGS = Settings()
OKX = Accounts.read({"okx": "okx-main"}, SETTINGS)


def order(**changes: Any) -> Order:
    values: dict[str, Any] = {
        "exchange": ExchangeType.OKX,
        "symbol": SYMBOL,
        "status": OrderStatus.ACCEPTED,
        "standing": OrderStatus.ACCEPTED,
        "oid": "0" * 32,
        "amount": Decimal(1),
        "side": OrderSide.BUY,
        "type": OrderType.LIMIT,
    }
    return Order(**(values | changes))


@pytest.mark.parametrize("status", [one for one in OrderStatus if one != "CANCEL_FAILED"])
def test_an_order_is_either_open_or_closed(status: OrderStatus) -> None:
    one = order(status=status, standing=status)
    assert one.is_opened is not one.is_closed
    assert one.is_closed is (status in ("FILLED", "CANCELED", "EXPIRED", "FAILED"))


def test_a_failed_cancel_does_not_close_the_order() -> None:
    one = order(status=OrderStatus.CANCEL_FAILED)
    assert one.is_opened
    assert not one.is_canceled


def test_positions_have_a_side() -> None:
    def side(amount: str) -> PositionSide:
        one = Position(symbol=SYMBOL, exchange=ExchangeType.OKX, signed_amount=Decimal(amount))
        return one.side

    assert [side("1"), side("-1"), side("0")] == ["LONG", "SHORT", "FLAT"]


def test_a_balance_is_free_plus_locked() -> None:
    assert Balance("USDT", Decimal(3), Decimal(2)).total == 5


def test_a_book_has_mids_and_an_empty_side_never_compares() -> None:
    book = BookL1(ExchangeType.OKX, SYMBOL, 10.0, 12.0, 3.0, 1.0, 5)
    assert (book.mid, book.spread, book.weighted_mid) == (11.0, 2.0, 11.5)
    half = decode.book_from_fields({"bid": "10", "bid_size": "1"}, SYMBOL, ExchangeType.OKX, "7-0")
    assert not half.ask < 90_000
    assert half.timestamp == 7


@pytest.mark.parametrize(
    ("numbers", "verdicts"),
    [
        ([1, 2, 3], "NEW NEW NEW"),
        ([1, 2, 2, 3], "NEW NEW REPEAT NEW"),
        ([1, 2, 1, 2, 3], "NEW NEW REPEAT REPEAT NEW"),
        ([1, 4, 5], "NEW GAP NEW"),
        ([2, 3], "GAP NEW"),
    ],
)
def test_numbers_tell_repeats_and_gaps(numbers: list[int], verdicts: str) -> None:
    sequence = Sequence(0)
    told = [sequence.judge(number, {"text": str(number)}).name for number in numbers]
    assert told == verdicts.split()
    assert repr(sequence) == f"Sequence(last={max(numbers)})"


@given(st.lists(st.integers(1, 30), max_size=40))
def test_results_read_again_from_anywhere_are_told_once_and_in_order(rereads: list[int]) -> None:
    sequence = Sequence(0)
    # From each of these places the stream is read once more, as after a cursor not stored.
    read = [number for place in rereads for number in range(place, 31)]
    told: list[int] = []
    for number in [*read, *range(1, 31)]:
        if number > len(told) + 1:
            continue  # the stream has no such entry yet
        if sequence.judge(number, {"text": str(number)}) is not Verdict.REPEAT:
            told.append(number)
    assert told == list(range(1, 31))


@given(st.decimals(Decimal("0.01"), Decimal(100_000), places=4))
def test_a_price_is_taken_as_it_is_or_refused_with_its_neighbours(price: Decimal) -> None:
    instrument = linear_perpetual(SYMBOL)
    if price % instrument.tick_size == 0:
        assert order_form.legal_price(price, instrument) == price
        return
    with pytest.raises(InvalidArgument) as caught:
        order_form.legal_price(price, instrument)
    above = instrument.price_to_precision(price, "ceil")
    assert f"{above}" in str(caught.value)
    assert order_form.legal_price(above, instrument) == above


def test_an_old_number_with_another_text_is_a_rewind_not_a_repeat() -> None:
    sequence = Sequence(0)
    for number in (1, 2, 3):
        sequence.judge(number, {"text": f"before {number}"})
    assert sequence.judge(2, {"text": "after 2"}) is Verdict.REWOUND
    assert sequence.judge(3, {"text": "after 3"}) is Verdict.NEW


def test_after_a_loss_a_text_told_before_it_is_a_repeat_under_any_number() -> None:
    """Redis lost a batch that we had read; its writer, never answered, wrote it again."""
    sequence = Sequence(0)
    told = [{"seq": str(number), "text": str(number)} for number in (1, 2, 3)]
    for fields in told:
        sequence.judge(int(fields["seq"]), fields)
    again = [{**fields, "seq": str(50_000 + int(fields["seq"]))} for fields in told[1:]]
    assert [sequence.judge(int(one["seq"]), one) for one in again] == [Verdict.REPEAT] * 2
    assert sequence.judge(50_004, {"seq": "50004", "text": "4"}) is Verdict.NEW
    assert sequence.knows(again[0])
    assert not sequence.knows({"seq": "2", "text": "another"})
    assert sequence.judge(1, {**told[0]}) is Verdict.REPEAT
    assert sequence.last == 50_004


def test_without_a_loss_two_results_may_have_one_text() -> None:
    """A cancel asked for twice is refused twice, within one millisecond."""
    sequence = Sequence(0)
    refusals = [{"seq": str(number), "text": "no such order"} for number in (1, 2)]
    assert [sequence.judge(int(one["seq"]), one) for one in refusals] == [Verdict.NEW] * 2
    assert sequence.judge(1, refusals[0]) is Verdict.REPEAT


def test_only_the_newest_texts_are_remembered() -> None:
    sequence = Sequence(0)
    for number in range(1, REMEMBERED + 2):
        sequence.judge(number, {"text": str(number)})
    assert sequence.knows({"text": "2"})
    assert not sequence.knows({"text": "1"})
    assert sequence.judge(10_000, {"text": "2"}) is Verdict.REPEAT, "lost, and written again"


def test_without_a_known_number_the_first_is_new() -> None:
    assert Sequence().judge(17, {}) is Verdict.NEW


def test_accounts_are_found_by_symbol_id_and_exchange() -> None:
    accounts = Accounts.read({"okx": ["okx-main", "okx-two"], "bybit": "bb"}, SETTINGS)
    assert accounts.of_symbol("BTCUSD-PERP.BYBIT").id == "bb"
    assert accounts.of_symbol(SYMBOL, "okx-two").id == "okx-two"
    assert accounts.named("bybit").id == "bb"
    for symbol, account, says in [
        (SYMBOL, None, "has okx-main, okx-two; name the one"),
        (SYMBOL, "bb", "bb is an account at bybit"),
        (SYMBOL, "nobody", "no account of this strategy"),
        ("BTCUSDT.BINANCE", None, "has no account"),
        ("BTCUSDT", None, "is not a symbol"),
        ("BTCUSDT.NYSE", None, "names the exchange 'nyse'"),
    ]:
        with pytest.raises(InvalidArgument, match=says):
            accounts.of_symbol(symbol, account)


def test_ids_alone_take_their_exchange_from_settings_or_name() -> None:
    known = AccountSettings(exchange=ExchangeType.BYBIT, api_key="env:A", api_secret="env:B")
    settings = Settings(accounts={"main": known})
    assert [one.exchange.value for one in Accounts.read(["main"], settings).all] == ["bybit"]
    assert [one.exchange.value for one in Accounts.read(["okx-two"], SETTINGS).all] == ["okx"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("okx-mian", r"no account 'okx-mian'; configured: main, okx-main. Did you mean 'okx-main'"),
        ("okx", "no account 'okx'; configured"),
        ("quite-another", "configured: main, okx-main$"),
    ],
)
def test_an_id_that_the_configured_accounts_lack_is_refused(name: str, says: str) -> None:
    known = AccountSettings(exchange=ExchangeType.OKX, api_key="env:A", api_secret="env:B")
    settings = Settings(accounts={"main": known, "okx-main": known})
    with pytest.raises(ConfigError, match=says):
        Accounts.read(["main", name], settings)
    stated = Accounts.read({"okx": name}, settings)
    assert [one.id for one in stated.all] == [name], "an exchange that is stated is not inferred"


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ({}, "name at least one"),
        ([], "name at least one"),
        ({"nyse": "x"}, "'nyse' is no exchange"),
        (["mystery"], "exchange of 'mystery' is not known"),
        (["okx-a", "okx-a"], "stands there twice"),
        ({"okx": "OKX"}, "is not a legal name"),
    ],
)
def test_wrong_accounts_are_refused(argument: Any, says: str) -> None:
    with pytest.raises((ConfigError, InvalidArgument), match=says):
        Accounts.read(argument, SETTINGS)


def test_precision_takes_floats_as_they_print() -> None:
    assert precision.exact("price", 0.1) == Decimal("0.1")
    for wrong in (float("nan"), "x", None):
        with pytest.raises(InvalidArgument):
            precision.exact("price", wrong)


def test_the_least_amount_heeds_the_least_value() -> None:
    instrument = linear_perpetual(SYMBOL, min_cost=5)
    assert precision.least_amount(instrument) == Decimal("0.0001")
    assert precision.least_amount(instrument, 10_000) == Decimal("0.0005")
    with pytest.raises(InvalidArgument, match="px"):
        precision.least_amount(instrument, 0)


def test_backoff_doubles_to_its_limit() -> None:
    pauses = backoff_s(1, 5, jitter=lambda: 1.0)
    assert [next(pauses) for _ in range(4)] == [1, 2, 4, 5]


def test_a_blocking_read_must_end_before_the_socket_gives_up() -> None:
    with pytest.raises(ValueError, match="socket_timeout_s"):
        Timing(block_s=2.0, socket_timeout_s=1.0)


def test_the_clock_tells_one_time_in_every_unit() -> None:
    clock = Clock()
    seconds = clock.timestamp()
    others = (
        clock.timestamp_ms() / 1e3,
        clock.timestamp_us() / 1e6,
        clock.timestamp_ns() / 1e9,
        clock.utc_now().timestamp(),
    )
    assert all(0 <= other - seconds + 0.001 < 5 for other in others)


def test_a_restart_goes_on_behind_the_result_that_was_handled_last() -> None:
    sequence = Sequence()
    sequence.start_at(7, {"text": "7"})
    assert sequence.judge(7, {"text": "7"}) is Verdict.REPEAT
    assert sequence.judge(8, {"text": "8"}) is Verdict.NEW
    assert sequence.judge(7, {"text": "another"}) is Verdict.REWOUND

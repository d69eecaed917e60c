"""Words, keys, errors, steps and symbols: what they say of themselves."""

from decimal import Decimal

import pytest

from router import errors
from router.enums import (
    CLOSED_STATUSES,
    ExchangeType,
    OrderSide,
    OrderStatus,
    OrderType,
)
from router.evidence import Fill, OrderReport, Source, VenueState, read_report, report_json
from router.instruments import Instrument, exchange_of, is_on_step, to_step
from router.keyspace import AccountKeys, VenueKeys, index
from router.snapshot import Snapshot

D = Decimal


def test_a_side_is_one_of_two() -> None:
    assert (OrderSide.BUY.is_buy, OrderSide.BUY.is_sell) == (True, False)
    assert (OrderSide.SELL.is_buy, OrderSide.SELL.is_sell) == (False, True)


def test_every_order_type_is_market_limit_or_post_only_and_says_whether_it_needs_a_price() -> None:
    kinds = {one: (one.is_market, one.is_limit, one.is_post_only) for one in OrderType}
    assert all(sum(flags) == 1 for flags in kinds.values())
    assert {one for one in OrderType if not one.needs_price} == {
        OrderType.MARKET,
        OrderType.TAKE_PROFIT_MARKET,
        OrderType.STOP_LOSS_MARKET,
    }


def test_a_failed_cancel_closes_nothing() -> None:
    assert {one for one in OrderStatus if one.is_closed} == CLOSED_STATUSES
    assert not OrderStatus.CANCEL_FAILED.is_closed


def test_errors_carry_what_the_caller_needs() -> None:
    assert errors.InvalidArgument("amount", "is 0").field == "amount"
    assert errors.Denied("HALTED", "lunch").code == "HALTED"
    assert errors.NotYours("o1", "alpha").oid == "o1"
    lost = errors.OutcomeUnknown("o2", "Redis did not answer")
    assert lost.oid == "o2"
    assert "do not send it again" in str(lost)
    superseded = errors.LeaseLost("okx-main", 3, 4)
    assert superseded.epoch == 3
    assert "superseded by 4" in str(superseded)
    assert errors.ConfigError("router.toml", "unreadable").where == "router.toml"


@pytest.mark.parametrize(
    ("value", "step", "mode", "wanted"),
    [
        ("1.26", "0.1", "round", "1.3"),
        ("1.25", "0.1", "round", "1.3"),
        ("1.29", "0.1", "floor", "1.2"),
        ("1.21", "0.1", "ceil", "1.3"),
        ("1234", "100", "floor", "1200"),
        ("7", "0.05", "round", "7.00"),
    ],
)
def test_a_value_is_put_on_its_grid(value: str, step: str, mode: str, wanted: str) -> None:
    found = to_step(D(value), D(step), mode)  # type: ignore[arg-type]
    assert str(found) == wanted
    assert is_on_step(found, D(step))


def test_no_step_for_what_is_no_number_or_no_way_of_rounding() -> None:
    with pytest.raises(errors.InvalidArgument, match="none of round, ceil, floor"):
        to_step(D(1), D("0.1"), "up")  # type: ignore[arg-type]
    with pytest.raises(errors.InvalidArgument, match="not a finite number"):
        to_step(D("NaN"), D("0.1"), "round")


def test_a_symbol_names_its_exchange() -> None:
    assert exchange_of("BTCUSDT-PERP.OKX") is ExchangeType.OKX
    assert exchange_of("BTCUSD-241227.BINANCE") is ExchangeType.BINANCE


@pytest.mark.parametrize("symbol", ["BTCUSDT", "btcusdt.okx", "", "BTC/USDT.OKX"])
def test_what_is_no_symbol_is_told_how_one_is_written(symbol: str) -> None:
    with pytest.raises(errors.InvalidArgument, match=r"write BTCUSDT\.OKX"):
        exchange_of(symbol)


@pytest.mark.parametrize("symbol", [None, 5, ["BTCUSDT.OKX"]])
def test_what_is_no_text_is_no_symbol(symbol: object) -> None:
    with pytest.raises(errors.InvalidArgument, match="is not a symbol: it is no str"):
        exchange_of(symbol)  # type: ignore[arg-type]


def test_an_exchange_that_we_do_not_know_is_named() -> None:
    with pytest.raises(errors.InvalidArgument, match="names the exchange 'nowhere'; known: "):
        exchange_of("BTCUSDT.NOWHERE")


def test_all_keys_of_an_account_share_its_slot_and_no_two_are_equal() -> None:
    keys = AccountKeys("okx-main", "or")
    plain = [name for name in dir(AccountKeys) if isinstance(getattr(AccountKeys, name), property)]
    found = [getattr(keys, name) for name in plain]
    found += [getattr(keys, one)("s") for one in ("intents", "repeats", "open", "ended", "reply")]
    found += [keys.results("s"), keys.cursor("s"), keys.order("s", "o"), keys.idem("s", "k")]
    assert all(key.startswith("or:{okx-main}:") for key in found)
    assert len({*found}) == len(found)


def test_a_venues_keys_share_a_slot_where_they_are_read_together() -> None:
    keys = VenueKeys("okx", "test")
    assert keys.bookl1("BTCUSDT.OKX") == "test:md:{okx}:bookl1:BTCUSDT.OKX"
    assert keys.wanted == "test:md:{okx}:wanted"
    assert keys.instruments == "test:instruments:{okx}"
    assert index() == "or:accounts"


def test_a_report_survives_its_way_through_redis() -> None:
    report = OrderReport(
        symbol="BTCUSDT.OKX",
        client_id="c1",
        venue_id="v1",
        state=VenueState.OPEN,
        filled=D("0.001"),
        source=Source.HISTORY,
        ts_ms=5,
        fill=Fill("t1", D("0.001"), D(90_000), 4),
    )
    assert read_report(report_json(report)) == report
    with pytest.raises(ValueError, match="JSON"):
        read_report("")


def test_a_snapshot_survives_its_way_through_redis() -> None:
    one = Snapshot(epoch=3, since_ms=1, at_ms=2, stages={})
    assert Snapshot.model_validate_json(one.model_dump_json()) == one


def test_prices_and_amounts_go_to_the_grids_of_their_instrument() -> None:
    one = Instrument(
        symbol="BTCUSDT.OKX",
        exchange=ExchangeType.OKX,
        kind="spot",
        base="BTC",
        quote="USDT",
        settle="USDT",
        tick_size=D("0.5"),
        lot_size=D("0.01"),
        min_amount=D("0.01"),
        venue_symbol="BTC-USDT",
    )
    assert one.price_to_precision(D("100.3")) == D("100.5")
    assert one.amount_to_precision(D("0.019"), "floor") == D("0.01")

"""The two venues and the instruments that these tests share, read from ``listing_*.json``."""

from decimal import Decimal
from pathlib import Path

from router.enums import OrderSide, OrderType, TimeInForce
from router.instruments import Instrument
from workers.venue import Credentials, Instruments, Place, RestReply
from workers.venues import load

HERE = Path(__file__).parent
URLS = {"rest_url": "http://127.0.0.1:1", "ws_url": "ws://127.0.0.1:2"}
KEYS = Credentials("KEY", "SECRET")
#: Made for these tests from the seed of RFC 8032, section 7.1, test 2.
PEM = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7
-----END PRIVATE KEY-----"""
ED25519 = Credentials("KEY", PEM)

FUTURES = load("binance", "demo", URLS)
SPOT = load("binance", "demo", {**URLS, "product": "spot"})
CONTRACTS = Instruments(
    FUTURES.read_instruments(RestReply(200, (HERE / "listing_futures.json").read_text()))
)
PAIRS = Instruments(SPOT.read_instruments(RestReply(200, (HERE / "listing_spot.json").read_text())))


def of(instruments: Instruments, name: str) -> Instrument:
    found = instruments.venue_symbol(name)
    assert found is not None
    return found


BTC = of(CONTRACTS, "BTCUSDT")
ETH = of(PAIRS, "ETHUSDT")


def limit(
    instrument: Instrument = BTC,
    amount: str = "0.001",
    price: str = "50000.1",
    client_id: str = "cid-1",
) -> Place:
    return Place(
        instrument=instrument,
        client_id=client_id,
        side=OrderSide.BUY,
        type=OrderType.LIMIT,
        amount=Decimal(amount),
        price=Decimal(price),
        time_in_force=TimeInForce.GTC,
        reduce_only=False,
        expires_ms=1795385485782,
    )


def error(code: int, message: str = "no") -> str:
    return f'{{"code":{code},"msg":"{message}"}}'

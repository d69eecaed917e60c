"""The venue and the instruments that these tests share, read from ``listing.json``."""

from decimal import Decimal
from pathlib import Path

from router.enums import OrderSide, OrderType, TimeInForce
from router.instruments import Instrument
from workers.venue import Credentials, Instruments, Place, RestReply
from workers.venues import load

HERE = Path(__file__).parent
KEYS = Credentials("KEY", "SECRET", "PASS")
VENUE = load("okx", "demo", {"rest_url": "http://127.0.0.1:1", "ws_url": "ws://127.0.0.1:2"})
LISTING = RestReply(200, (HERE / "listing.json").read_text())
INSTRUMENTS = Instruments(VENUE.read_instruments(LISTING))


def instrument(name: str) -> Instrument:
    found = INSTRUMENTS.venue_symbol(name)
    assert found is not None
    return found


SPOT = instrument("BTC-USDT")
LTC = instrument("LTC-USDC")
SWAP = instrument("BTC-USDT-SWAP")
INVERSE = instrument("BTC-USD-SWAP")
WITHOUT_CODE = instrument("XRP-USDT-SWAP")


def limit(
    of: Instrument = SWAP, amount: str = "0.01", price: str = "40000", client_id: str = "a1"
) -> Place:
    return Place(
        instrument=of,
        client_id=client_id,
        side=OrderSide.BUY,
        type=OrderType.LIMIT,
        amount=Decimal(amount),
        price=Decimal(price),
        time_in_force=TimeInForce.GTC,
        reduce_only=False,
        expires_ms=2000,
    )


def ok(data: str) -> RestReply:
    return RestReply(200, f'{{"code":"0","msg":"","data":[{data}]}}')

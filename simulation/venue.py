"""The venue: the simulator's own exchange, dialect, faults and ledger, without its web server.

Sessions and REST calls are those of ``simulator/okx``; only sockets and requests are made here.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from simulation.loop import EPOCH_S
from simulation.network import Network
from simulator import world
from simulator.config import AccountConfig, LimitsConfig, MarketConfig, SimulatorConfig
from simulator.exchange.clock import Clock
from simulator.exchange.faults import Context
from simulator.exchange.ledger import ConnectionRow
from simulator.okx.dead_man import DeadMan
from simulator.okx.dialect import OkxDialect
from simulator.okx.rest import RestEndpoint
from simulator.okx.rest_trading import RestTrading
from simulator.okx.session import MAY_PLAY, Session
from simulator.okx.trading import Trading
from simulator.sockets import Socket

SYMBOL = "BTCUSDT-PERP.OKX"
VENUE_SYMBOL = "BTC-USDT-SWAP"
KEY, SECRET, PASSPHRASE = "key", "secret", "pass"
_ROLES = {"private": "trade", "public": "public"}
_TICK_S = 0.2
#: Contracts at each price, few enough for orders to be filled in parts.
_LEVEL = Decimal(20)
_RICH = {"USDT": Decimal(1_000_000_000), "BTC": Decimal(10_000)}


class Venue:
    """One exchange with one account."""

    def __init__(self, network: Network, account: str) -> None:
        self.network = network
        self.loop = network.loop
        self.process = self.loop.process("venue")
        clock = Clock(lambda: int((EPOCH_S + self.loop.now_s) * 1_000_000))
        self.world = world.build(_config(account, self.loop.seed), clock)
        self.floor = self.world.floors["okx"]
        self.dialect = OkxDialect(self.floor)
        venue = self.dialect.venue
        self.trading = Trading(venue)
        self._rest = RestEndpoint(
            venue, RestTrading(venue, self.trading), DeadMan(self.floor.exchange, 1.0)
        )
        self._connections = 0
        self.frozen = False
        """Whether the market stands still."""
        self.dialect.started(self.loop)
        self.loop.post(self.process, self._tick)

    def __repr__(self) -> str:
        return f"Venue({self.floor!r})"

    @property
    def account(self) -> Any:
        """The account's state at the venue."""
        return next(iter(self.floor.exchange.accounts.values()))

    def price(self) -> Any:
        """Return the middle of the book."""
        return self.floor.exchange.books[VENUE_SYMBOL].mid

    def _tick(self) -> None:
        if not self.frozen:
            self.floor.exchange.tick()
        self.loop.call_later(_TICK_S, self._tick)

    # --- sockets ---------------------------------------------------------------------------------

    def refuses(self, path: str) -> bool:
        """Whether a fault refuses the connection."""
        role = _ROLES[path.rpartition("/")[2]]
        context = Context(*("connect", "connect", "ws"), socket=MAY_PLAY.get(role, role), path=path)
        fault = self.floor.faults.take(("refuse_connections",), context, self.floor.clock.true_ms())
        return fault is not None

    def accept(self, path: str, transport: Any) -> tuple[Session, Socket]:
        """Return the session of a new connection."""
        self._connections += 1
        kind = path.rpartition("/")[2]
        row = ConnectionRow(
            *(f"c{self._connections}", path, self.floor.clock.true_ms(), _ROLES[kind]),
            venue=self.floor.venue,
        )
        self.floor.ledger.connections.append(row)
        socket = Socket(transport, row, self.loop)
        self.floor.sockets.add(socket)
        return Session(self.dialect.venue, self.trading, socket, kind), socket

    def left(self, session: Session, socket: Socket) -> None:
        """Forget a connection that has ended."""
        session.closed()
        self.floor.sockets.remove(socket)
        socket.row.closed_ms = self.floor.clock.true_ms()

    # --- REST ------------------------------------------------------------------------------------

    async def rest(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> web.Response | None:
        """Return the response to one call; None if the venue hung up."""
        request = _Request(method, url, headers, body)
        response: Any = await self._rest.serve(request)  # type: ignore[arg-type]
        return None if request.transport.closed else response


class _Request:
    """What the REST endpoint looks at in a request."""

    def __init__(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> None:
        at = urlsplit(url)
        self.method = method
        self.path = at.path
        self.raw_path = f"{at.path}?{at.query}" if at.query else at.path
        self.query = dict(parse_qsl(at.query))
        self.headers = headers
        self.remote = "simulated"
        self.transport = _Closable()
        self._body = body

    async def read(self) -> bytes:
        return self._body


class _Closable:
    closed = False

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def _config(account: str, seed: str) -> SimulatorConfig:
    default = SimulatorConfig()
    return SimulatorConfig(
        accounts=(
            AccountConfig(
                name=account,
                api_key=KEY,
                secret=SECRET,
                passphrase=PASSPHRASE,
                balances=_RICH,
            ),
        ),
        instruments=tuple(
            one.model_copy(update={"level_size": _LEVEL})
            for one in default.instruments
            if one.symbol == VENUE_SYMBOL
        ),
        market=MarketConfig(
            seed=int.from_bytes(seed.encode()[-6:]), tick_ms=0, volatility_bps=2.0, levels=5
        ),
        limits=LimitsConfig(enabled=False),
    )

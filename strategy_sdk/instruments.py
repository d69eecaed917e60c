"""The venues' instruments as a strategy needs them: read when first asked for, then from memory."""

import difflib
import threading

from pydantic import ValidationError

from router.errors import ConfigError, InvalidArgument
from router.instruments import Instrument, exchange_of
from strategy_sdk.accounts import Accounts
from strategy_sdk.gateway import Gateway


class Instruments:
    """Instruments by symbol; refreshed in the background, never forgotten."""

    def __init__(self, gateway: Gateway, accounts: Accounts) -> None:
        self._gateway = gateway
        self._accounts = accounts
        self._known: dict[str, Instrument] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Instruments({len(self._known)} read)"

    def get(self, symbol: str) -> Instrument:
        """Return the instrument of ``symbol``.

        Raises:
            InvalidArgument: If the symbol is malformed or the venue does not list it.
            ConfigError: If no worker ever published the venue's instruments, or one is unreadable.
            RedisUnavailable: If it had to be read and Redis did not answer.
        """
        if isinstance(symbol, str):
            known = self._known.get(symbol)
            if known is not None:
                return known
        return self._read(symbol)

    def refresh(self) -> None:
        """Read the known instruments again, so that changed steps and halts are seen."""
        for symbol in list(self._known):
            self._read(symbol)

    def _read(self, symbol: str) -> Instrument:
        exchange = exchange_of(symbol)
        key = self._accounts.venue(exchange).instruments
        text = self._gateway.fetch("HGET", key, symbol)
        if text is None:
            raise self._missing(key, symbol, exchange.value)
        try:
            instrument = Instrument.model_validate_json(text)
        except ValidationError as error:
            raise ConfigError(
                f"{key} {symbol}",
                f"is unreadable: {error.errors(include_url=False)[0]['msg']}; nothing was sent. "
                "Restart the worker: it publishes the instruments anew",
            ) from None
        with self._lock:
            self._known[symbol] = instrument
        return instrument

    def _missing(self, key: str, symbol: str, exchange: str) -> Exception:
        listed = self._gateway.fetch("HKEYS", key)
        if not listed:
            return ConfigError(
                key,
                f"no instruments of {exchange} are published, so {symbol} cannot be checked and "
                f"nothing was sent. Start a worker for an {exchange} account: it publishes them",
            )
        near = difflib.get_close_matches(symbol, listed, n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        return InvalidArgument("symbol", f"{symbol!r} is not listed at {exchange}{hint}")

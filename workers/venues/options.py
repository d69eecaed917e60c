"""Read what an account's settings say for its venue; every mistake is a ConfigError."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from router.errors import ConfigError
from router.instruments import Instrument
from workers.venue import SocketPlan

#: The name of the socket that brings all books, where there is but one.
PUBLIC = "public"
#: Options that every venue has.
HEARTBEAT = ("ping_after_s", "dead_after_s")


def the_one_public(instrument: Instrument) -> str:
    """Return the name of the socket that brings all books."""
    return PUBLIC


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how one account reaches its venue; addresses without a slash at the end."""

    rest_url: str
    ws_url: str
    ping_after_s: float
    dead_after_s: float
    ping_every_s: float | None = None

    def socket(
        self, path: str, ping: str | None, *, login: bool = False, channels: tuple[str, ...] = ()
    ) -> SocketPlan:
        """Return how to hold the socket at ``path``."""
        return SocketPlan(
            url=self.ws_url + path,
            login=login,
            channels=channels,
            ping=ping,
            ping_after_s=self.ping_after_s,
            dead_after_s=self.dead_after_s,
            ping_every_s=self.ping_every_s,
        )


class Options:
    """The venue's own options of one account, read by name.

    Raises:
        ConfigError: From the constructor if an option is unknown, from a reader if it is wrong.
    """

    def __init__(self, venue: str, given: Mapping[str, Any], known: Collection[str]) -> None:
        self._venue = venue
        self._given = given
        if unknown := sorted(set(given) - set(known)):
            raise ConfigError(f"{venue} options", f"unknown: {unknown}; known: {', '.join(known)}")

    def __repr__(self) -> str:
        return f"Options({self._venue}, {dict(self._given)})"

    def choice(self, name: str, among: Collection[str]) -> str | None:
        """Return the word chosen; None if the option is left out."""
        value = self._given.get(name)
        if value not in (None, *among):
            raise self._wrong(name, f"{value!r} is none of {', '.join(among)}")
        return value

    def choices(self, name: str, among: Collection[str]) -> tuple[str, ...]:
        """Return the words chosen, from a list or from "A,B"; () if the option is left out."""
        value = self._given.get(name)
        if value is None:
            return ()
        named = value.replace(",", " ").split() if isinstance(value, str) else value
        if not isinstance(named, list | tuple) or not named or set(named) - set(among):
            raise self._wrong(name, f"{value!r} names something else than {', '.join(among)}")
        return tuple(named)

    def positive(self, name: str, default: float) -> float:
        """Return the number given, or ``default``."""
        value = self._given.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise self._wrong(name, f"{value!r} is not a positive number")
        return float(value)

    def endpoint(
        self,
        environment: str,
        hosts: Mapping[str, tuple[str, str]],
        urls: tuple[str | None, str | None],
        *,
        ping_after_s: float,
        dead_after_s: float,
        most_silent_s: float,
        ping_every_s: float | None = None,
    ) -> Endpoint:
        """Return where ``environment`` is reached: its REST and WebSocket hosts.

        ``urls``, if given, replace the two (a simulator). ``ping_after_s`` and ``dead_after_s`` are
        the defaults of the options of these names; ``most_silent_s`` is how long the venue lets a
        silent connection live; ``ping_every_s`` is as in ``SocketPlan``.
        """
        if environment not in hosts:
            problem = f"{environment!r} is unknown; known: {', '.join(hosts)}"
            raise ConfigError(f"{self._venue} environment", problem)
        rest, ws = (url or host for url, host in zip(urls, hosts[environment], strict=True))
        ping = self.positive("ping_after_s", ping_after_s)
        dead = self.positive("dead_after_s", dead_after_s)
        if not ping < dead <= most_silent_s:
            problem = f"ping_after_s < dead_after_s <= {most_silent_s:g} must hold"
            raise ConfigError(f"{self._venue} options", problem)
        return Endpoint(rest.rstrip("/"), ws.rstrip("/"), ping, dead, ping_every_s)

    def _wrong(self, name: str, problem: str) -> ConfigError:
        return ConfigError(f"{self._venue} option {name}", problem)

"""The venue's rate limits, kept on our side so that it never has to say no. Pure."""

import math
from collections import deque
from dataclasses import dataclass, field

from router.enums import RequestKind
from router.instruments import is_pair
from workers.venue import Limits, RateLimit

#: The venue counts arrivals, we departures: leave room for what the network squeezes together.
COUNT_SHARE = 0.95
PERIOD_SHARE = 1.05
#: The longest that a window stays shut because the venue said that it is full. How full it is, and
#: which one it meant, it does not say; others may use the account as well. Asked again every two
#: seconds it tells, while one refusal must not stop the account for a window of minutes or a day.
MOST_SHUT_S = 2.0


@dataclass(slots=True)
class Window:
    """At most ``count`` departures in any ``period_s``; exact, whatever windows the venue uses."""

    count: int
    period_s: float
    departures_s: deque[float] = field(default_factory=deque)
    shut_until_s: float = -math.inf

    def wait_s(self, now_s: float) -> float:
        """Return the seconds until one more may leave; 0.0 if it may now."""
        self._forget(now_s)
        free_s = max(0.0, self.shut_until_s - now_s)
        if len(self.departures_s) < self.count:
            return free_s
        return max(free_s, self.departures_s[-self.count] + self.period_s - now_s)

    def take(self, now_s: float) -> None:
        self.departures_s.append(now_s)

    def give_back(self) -> None:
        """Uncount the last one taken: it did not leave after all."""
        self.departures_s.pop()

    def shut(self, now_s: float) -> None:
        """Let nothing more leave for a period, or for as long as that may be: the venue said no."""
        self.shut_until_s = now_s + min(self.period_s, MOST_SHUT_S)

    def _forget(self, now_s: float) -> None:
        while self.departures_s and self.departures_s[0] <= now_s - self.period_s:
            self.departures_s.popleft()


@dataclass(slots=True)
class Pacer:
    """All windows of one account."""

    limits: Limits
    enabled: bool = True
    _windows: dict[tuple[str, str], Window] = field(default_factory=dict)

    def wait_s(
        self, kind: RequestKind, symbol: str, now_s: float, *, batched: bool = False
    ) -> float:
        """Return the seconds to wait before this request may leave; 0.0 counts it as leaving.

        ``batched``: in a frame with others, which venues may count apart.
        """
        if not self.enabled:
            return 0.0
        windows = self._for(kind, symbol, batched)
        wait = max((window.wait_s(now_s) for window in windows), default=0.0)
        if wait <= 0.0:
            for window in windows:
                window.take(now_s)
            return 0.0
        return wait

    def give_back(self, kind: RequestKind, symbol: str, *, batched: bool) -> None:
        """Uncount the request counted last, which does not leave after all."""
        if self.enabled:
            for window in self._for(kind, symbol, batched):
                window.give_back()

    def exhaust(self, kind: RequestKind, symbol: str, now_s: float) -> None:
        """Shut the windows of a request that the venue throttled nevertheless, for a while."""
        for batched in (False, True):
            for window in self._for(kind, symbol, batched):
                window.shut(now_s)

    def _for(self, kind: RequestKind, symbol: str, batched: bool) -> list[Window]:
        found: list[Window] = []
        if self.limits.pairs and is_pair(symbol) and (limit := self.limits.pairs.get(kind)):
            name = f"pairs {kind.value}"
            found.append(self._window(name, symbol if limit.per_symbol else "", limit))
        elif batched and (limit := self.limits.batches.get(kind)):
            found.append(
                self._window(f"batch {kind.value}", symbol if limit.per_symbol else "", limit)
            )
        elif limit := self.limits.requests.get(kind):
            found.append(self._window(kind.value, symbol if limit.per_symbol else "", limit))
        # Cancels only reduce exposure; no venue here counts them against the account's limit.
        if kind is not RequestKind.CANCEL:
            found += [
                self._window(f"account {limit.period_s}", "", limit)
                for limit in self.limits.account
            ]
        if self.limits.together:
            found.append(self._window("together", "", self.limits.together))
        return found

    def _window(self, name: str, symbol: str, limit: RateLimit) -> Window:
        window = self._windows.get((name, symbol))
        if window is None:
            count = max(1, int(limit.count * COUNT_SHARE))
            window = self._windows[name, symbol] = Window(count, limit.period_s * PERIOD_SHARE)
        return window


class Spread:
    """A limit over a long period, kept so that it never shuts for long.

    Half of it may be used at once; beyond that, each use keeps a distance from the one before with
    which the other half lasts for the period. In no period are there more than the limit allows.
    """

    def __init__(self, limit: RateLimit) -> None:
        count, self._period_s = max(2, int(limit.count * COUNT_SHARE)), limit.period_s
        self._at_once = count // 2
        self._distance_s = limit.period_s / (count - self._at_once)
        self._used_s: deque[float] = deque()

    def __repr__(self) -> str:
        return f"Spread({self._at_once} at once, then each {self._distance_s:g} s)"

    def wait_s(self, now_s: float) -> float:
        """Return the seconds until one more use; 0.0 if it may be now."""
        while self._used_s and self._used_s[0] <= now_s - self._period_s:
            self._used_s.popleft()
        if len(self._used_s) < self._at_once:
            return 0.0
        return max(0.0, self._used_s[-1] + self._distance_s - now_s)

    def take(self, now_s: float) -> None:
        self._used_s.append(now_s)

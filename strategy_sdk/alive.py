"""Signs of life: registration, wanted books and instruments kept fresh in the background."""

import logging
import threading
import time

from router.errors import RouterError
from strategy_sdk.accounts import Account, Accounts
from strategy_sdk.gateway import Gateway, Registered
from strategy_sdk.instruments import Instruments
from strategy_sdk.market_data import Books
from strategy_sdk.timing import Timing


class SignsOfLife:
    """A small thread that tells Redis, every few seconds, that the strategy is here."""

    def __init__(
        self,
        gateway: Gateway,
        accounts: Accounts,
        books: Books,
        instruments: Instruments,
        timing: Timing,
        log: logging.Logger,
    ) -> None:
        self._gateway = gateway
        self._accounts = accounts
        self._books = books
        self._instruments = instruments
        self._timing = timing
        self._log = log
        self._ended = threading.Event()
        self._warned = False
        self._refreshed_at = time.monotonic()
        self._thread = threading.Thread(
            target=self._run, name=f"signs-of-life-{gateway.strategy}", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread, if it was started; return when it has ended."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()

    def beat(self) -> None:
        """Give one sign of life; notice when Redis knows the instance twice."""
        for account in self._accounts.all:
            self.warn_of_a_twin(account, self._gateway.register(account, wake=False))
        self._books.want()
        if time.monotonic() - self._refreshed_at > self._timing.instruments_every_s:
            self._refreshed_at = time.monotonic()
            self._instruments.refresh()

    def warn_of_a_twin(self, account: Account, registered: Registered) -> None:
        """Warn, once, when another process was just seen under this instance's name."""
        age_s = (registered.now_ms - registered.before_ms) / 1000
        gone = age_s > self._timing.instance_gone_after_s
        if self._warned or gone or registered.before in ("", self._gateway.who):
            return
        self._warned = True
        self._log.warning(
            "instance %r of %s was seen at %s %.1f s ago as another process (%s): if that one "
            "still runs, name this one differently with --instance, or each will miss results",
            *(self._gateway.instance, self._gateway.strategy, account.id, age_s, registered.before),
        )

    def warn_of_no_owner(self, account: Account) -> None:
        """Warn when no worker owns the account: its name may be another's, its worker not up."""
        if self._gateway.has_owner(account):
            return
        self._log.warning(
            "no worker owns the account %s now: new orders wait for one, and with "
            "ws_fallback=False they end as NO_WORKER. If its worker is up, the name is another "
            "one: `order-router status` shows those that are served",
            account.id,
        )

    def _run(self) -> None:
        silent = False
        while not self._ended.wait(self._timing.alive_every_s):
            try:
                self.beat()
            except RouterError as error:
                if not silent:
                    self._log.warning("no sign of life could be given: %s", error)
                silent = True
            else:
                silent = False

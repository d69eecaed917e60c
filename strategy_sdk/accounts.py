"""Which accounts a strategy trades, and which of them a call means."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from router.enums import ExchangeType
from router.errors import ConfigError, InvalidArgument
from router.ids import check_name
from router.instruments import exchange_of
from router.keyspace import AccountKeys, VenueKeys
from router.settings import Settings

AccountsArgument = Mapping[str, str | Sequence[str]] | Sequence[str]


@dataclass(frozen=True, slots=True)
class Account:
    """One account with its exchange and keys."""

    id: str
    exchange: ExchangeType
    keys: AccountKeys


class Accounts:
    """The strategy's accounts; never empty."""

    def __init__(self, accounts: Iterable[Account], prefix: str) -> None:
        self.all = tuple(accounts)
        self._by_id = {account.id: account for account in self.all}
        self._by_symbol: dict[str, Account] = {}
        self._prefix = prefix

    @classmethod
    def read(cls, argument: AccountsArgument, settings: Settings) -> "Accounts":
        """Return the accounts of ``run(accounts=…)``: exchange → account id(s), or ids alone.

        Raises:
            ConfigError: If there is none, a name twice, or an exchange is unknown; if ids alone are
                given and the accounts configured lack one.
            InvalidArgument: If an id is not a legal account name.
        """
        pairs = list(_pairs(argument, settings))
        if not pairs:
            raise ConfigError("accounts", 'name at least one, for example {"okx": "okx-main"}')
        ids = [account for _, account in pairs]
        if len(set(ids)) != len(ids):
            raise ConfigError("accounts", f"an account stands there twice: {', '.join(ids)}")
        found = (
            Account(
                check_name(account, "accounts"), exchange, AccountKeys(account, settings.prefix)
            )
            for exchange, account in pairs
        )
        return cls(found, settings.prefix)

    def __repr__(self) -> str:
        return f"Accounts({', '.join(self._by_id)})"

    def venue(self, exchange: ExchangeType) -> VenueKeys:
        """Return the keys of the exchange's public data."""
        return VenueKeys(exchange.value, self._prefix)

    def of_symbol(self, symbol: str, account_type: str | None = None) -> Account:
        """Return the account that trades ``symbol``.

        Raises:
            InvalidArgument: If the symbol is malformed, or no account or several would do.
        """
        if account_type is None:
            if isinstance(symbol, str) and (known := self._by_symbol.get(symbol)) is not None:
                return known
            exchange = exchange_of(symbol)
            found = self._only(exchange, "symbol", f"{symbol} trades at {exchange.value}")
            self._by_symbol[symbol] = found
            return found
        exchange = exchange_of(symbol)
        account = self.named(account_type)
        if account.exchange is not exchange:
            raise InvalidArgument(
                "account_type",
                f"{account.id} is an account at {account.exchange.value}, but {symbol} trades at "
                f"{exchange.value}",
            )
        return account

    def named(self, account_type: str) -> Account:
        """Return the account with this id, or the only one at the exchange of this name.

        Raises:
            InvalidArgument: If the strategy has no such account, or several.
        """
        if account_type in self._by_id:
            return self._by_id[account_type]
        if account_type in tuple(ExchangeType):
            exchange = ExchangeType(account_type)
            return self._only(exchange, "account_type", f"{account_type!r} was asked for")
        raise InvalidArgument(
            "account_type",
            f"{account_type!r} is no account of this strategy; it has {', '.join(self._by_id)}",
        )

    def _only(self, exchange: ExchangeType, field: str, why: str) -> Account:
        found = [account for account in self.all if account.exchange is exchange]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(account.id for account in found)
            raise InvalidArgument(
                "account_type", f"{why}, where this strategy has {names}; name the one you mean"
            )
        raise InvalidArgument(
            field,
            f"{why}, where this strategy has no account (it has {', '.join(self._by_id)}); "
            "add one to accounts=…",
        )


def _pairs(argument: AccountsArgument, settings: Settings) -> Iterable[tuple[ExchangeType, str]]:
    if isinstance(argument, str):
        argument = [argument]
    if not isinstance(argument, Mapping):
        for account in argument:
            yield _exchange_of_account(account, settings), account
        return
    for name, accounts in argument.items():
        exchange = _exchange(name)
        for account in [accounts] if isinstance(accounts, str) else accounts:
            yield exchange, account


def _exchange(name: str) -> ExchangeType:
    try:
        return ExchangeType(name)
    except ValueError:
        raise ConfigError(
            "accounts", f"{name!r} is no exchange; known: {', '.join(ExchangeType)}"
        ) from None


def _exchange_of_account(account: str, settings: Settings) -> ExchangeType:
    if account in settings.accounts:
        return settings.accounts[account].exchange
    if settings.accounts:  # a name that they lack is misspelt, or another exchange's
        near = " or ".join(map(repr, get_close_matches(account, settings.accounts)))
        raise ConfigError(
            "accounts",
            f"no account {account!r}; configured: {', '.join(sorted(settings.accounts))}"
            + (f". Did you mean {near}?" if near else ""),
        )
    name = account.partition("-")[0]
    if name in tuple(ExchangeType):
        return ExchangeType(name)
    raise ConfigError(
        "accounts",
        f"the exchange of {account!r} is not known: give a mapping such as "
        f'{{"okx": "{account}"}}, or add the account to accounts.toml',
    )

"""From settings to what is needed to serve one account."""

from dataclasses import dataclass

from router.errors import ConfigError
from router.settings import AccountSettings, Settings, secret
from workers import venues
from workers.venue import Credentials, Venue


@dataclass(frozen=True)
class AccountSetup:
    """What is needed to serve one account."""

    name: str
    venue: Venue
    credentials: Credentials
    settings: Settings


def account_setup(name: str, settings: Settings) -> AccountSetup:
    """Return what is needed to serve the account ``name``.

    Raises:
        ConfigError: If it is not configured, a secret is missing or the venue unknown.
    """
    account = settings.accounts.get(name)
    if account is None:
        known = ", ".join(sorted(settings.accounts)) or "none"
        raise ConfigError("accounts.toml", f"no account {name!r}; configured: {known}")
    venue = venue_of(account)
    credentials = credentials_of(name, account)
    return AccountSetup(name, venue, credentials, _patient_with(venue, settings))


def _patient_with(venue: Venue, settings: Settings) -> Settings:
    """Return the settings with a visibility lag that is not shorter than the venue's."""
    lag_ms = max(settings.orders.visibility_lag_ms, venue.visibility_lag_ms)
    orders = settings.orders.model_copy(update={"visibility_lag_ms": lag_ms})
    return settings.model_copy(update={"orders": orders})


def venue_of(account: AccountSettings) -> Venue:
    """Return the account's venue in its environment."""
    overrides: dict[str, object] = dict(account.options)
    if account.rest_url or account.ws_url:
        overrides |= {"rest_url": account.rest_url, "ws_url": account.ws_url}
    return venues.load(account.exchange.value, account.environment, overrides)


def credentials_of(name: str, account: AccountSettings) -> Credentials:
    """Return the account's secrets from where its settings point."""
    where = f"accounts.{name}"
    return Credentials(
        secret(account.api_key, f"{where}.api_key"),
        secret(account.api_secret, f"{where}.api_secret"),
        secret(account.passphrase, f"{where}.passphrase"),
    )

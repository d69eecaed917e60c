"""The clients of one account's worker: one for each place that its keys lie in."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.keyspace import AccountKeys, VenueKeys, index
from router.servers import Servers
from workers.setup import AccountSetup

if TYPE_CHECKING:
    import redis.asyncio

#: No repeats by itself: we repeat what is idempotent. No socket timeout: redis-py 8.1 keeps one by
#: ``asyncio.wait_for``, which on Python 3.11 makes a task for each write and can swallow a
#: cancellation. Callers bound their calls with ``asyncio.timeout`` (``answer_in_time``). No name
#: and version told to the server: that reads the package's metadata, 15 ms for each connection.
_OPTIONS = {
    "retry": None,
    "socket_timeout": None,
    "socket_connect_timeout": 2.0,
    "health_check_interval": 0,
    "driver_info": None,
    "decode_responses": True,
    "encoding_errors": "replace",  # whatever was pushed by hand must not end a read
}


def connect(servers: Servers, key: str) -> "redis.asyncio.Redis":
    """Return a client of the server that has ``key``, as the worker's parts need it."""
    return servers.asyncio_client(key, **_OPTIONS)


@dataclass(frozen=True, slots=True)
class Clients:
    """On a Cluster the account, its venue's public data and the index lie in slots of their own."""

    account: "redis.asyncio.Redis"
    venue: "redis.asyncio.Redis"
    index: "redis.asyncio.Redis"

    @classmethod
    def open(cls, servers: Servers, setup: AccountSetup) -> "Clients":
        """Return clients for the account's keys; one serves all where all are on one server."""
        prefix = setup.settings.prefix
        account = connect(servers, AccountKeys(setup.name, prefix).epoch)
        if servers.one_for_all:
            return cls(account, account, account)
        venue = VenueKeys(setup.venue.exchange, prefix)
        return cls(
            account,
            connect(servers, venue.wanted),
            connect(servers, index(prefix)),
        )

    async def aclose(self) -> None:
        """Close all connections."""
        for client in (self.account, self.venue, self.index):
            await client.aclose()

"""A look into Redis where it is no single server."""

from typing import Any

from redis.backoff import ConstantBackoff
from redis.retry import Retry

from router.servers import ClientsByKey, Servers


class KeyedRedis:
    """A plain client's calls, each to the server that has its first key; failovers are waited."""

    def __init__(self, url: str) -> None:
        patient = Retry(ConstantBackoff(0.2), 450)
        self._clients = ClientsByKey(Servers(url), decode_responses=True, retry=patient)

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            key = str(args[0]) if args else ""
            return getattr(self._clients.of(key), name)(*args, **options)

        return call

    def close(self) -> None:
        self._clients.close()

"""The commands' connection to Redis; its errors become ours here, at the edge."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis.exceptions

from router.errors import Denied, RedisUnavailable
from router.redis_url import shown
from router.servers import ClientsByKey, Servers

_CONNECT_TIMEOUT_S = 2.0
_ANSWER_TIMEOUT_S = 10.0


def text_clients(url: str) -> ClientsByKey:
    """Return clients whose replies are text and which never repeat a command by themselves.

    Raises:
        ConfigError: If the address is malformed.
    """
    return ClientsByKey(
        Servers(url),
        protocol=2,  # stream replies are plain nested lists
        decode_responses=True,
        retry=None,
        socket_connect_timeout=_CONNECT_TIMEOUT_S,
        socket_timeout=_ANSWER_TIMEOUT_S,
    )


@contextmanager
def connected(url: str) -> Iterator[ClientsByKey]:
    """Yield clients; what Redis raises inside the block comes out as one of our errors.

    Raises:
        RedisUnavailable: If Redis does not answer.
        Denied: If Redis refuses the user or the command.
    """
    clients = text_clients(url)
    try:
        clients.of("").ping()
        yield clients
    except redis.exceptions.AuthenticationError as error:
        raise Denied("REDIS_LOGIN", f"{shown(url)} refused user or password: {error}") from None
    except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
        raise RedisUnavailable(
            f"Redis does not answer at {shown(url)} ({error}); start it, or name another with "
            "--redis-url or REDIS_URL"
        ) from None
    except redis.exceptions.ResponseError as error:
        raise Denied("REDIS_REFUSED", f"{shown(url)}: {error}") from None
    finally:
        clients.close()

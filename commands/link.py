"""The commands' connection to Redis; its errors become ours here, at the edge."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
import redis.exceptions

from router.errors import ConfigError, Denied, RedisUnavailable
from router.settings import shown

_CONNECT_TIMEOUT_S = 2.0
_ANSWER_TIMEOUT_S = 10.0


def text_client(url: str) -> Any:
    """Return a client whose replies are text and which never repeats a command by itself.

    Raises:
        ConfigError: If the address is malformed.
    """
    try:
        return redis.Redis.from_url(
            url,
            protocol=2,  # stream replies are plain nested lists
            decode_responses=True,
            retry=None,
            socket_connect_timeout=_CONNECT_TIMEOUT_S,
            socket_timeout=_ANSWER_TIMEOUT_S,
        )
    except ValueError as error:
        raise ConfigError("redis url", f"{shown(url)!r} cannot be used: {error}") from None


@contextmanager
def connected(url: str) -> Iterator[Any]:
    """Yield a client; what Redis raises inside the block comes out as one of our errors.

    Raises:
        RedisUnavailable: If Redis does not answer.
        Denied: If Redis refuses the user or the command.
    """
    client = text_client(url)
    try:
        client.ping()
        yield client
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
        client.close()

"""Fixtures that every test may use: a real server a session, an empty one a test."""

import logging
from collections.abc import Iterator

import pytest
import redis
from hypothesis import HealthCheck, settings

from demo.redis_server import RedisServer, temporary_server
from router import functions

# How long an example takes says how busy the machine is, nothing about the code.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Take back what a command under test did to the process's logging."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers[:]:
        if handler not in handlers:
            root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A real Valkey server, one per test process."""
    with temporary_server() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The address of a real, empty server with the functions loaded."""
    client = redis.Redis.from_url(redis_server.url, retry=None)
    client.flushall()
    client.function_load(functions.source(), replace=True)
    client.close()
    return redis_server.url


@pytest.fixture
def redis_client(redis_url: str) -> Iterator["redis.Redis"]:
    """A synchronous client of that server, replies as text."""
    client = redis.Redis.from_url(redis_url, decode_responses=True, retry=None)
    yield client
    client.close()

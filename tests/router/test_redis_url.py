"""Redis addresses: what they name, what is wrong with them, and what is shown of them."""

import pytest

from router.errors import ConfigError
from router.redis_url import Node, RedisUrl, Way, read, shown

SENTINELS = (("a", 1), ("b", 26379))


@pytest.mark.parametrize("url", ["redis://h:1/2", "rediss://h", "unix:///run/redis.sock"])
def test_a_plain_address_is_left_to_redis_py(url: str) -> None:
    assert read(url) == RedisUrl(Way.SERVER, url)


@pytest.mark.parametrize(
    ("url", "way", "login", "nodes", "master"),
    [
        ("redis+sentinel://a:1,b/main", Way.SENTINEL, "redis://found/0", SENTINELS, "main"),
        ("redis+sentinel://a:1,b/main/3", Way.SENTINEL, "redis://found/3", SENTINELS, "main"),
        (
            "rediss+sentinel://u:p%40w@[::1]:5/main?sentinel_password=x",
            Way.SENTINEL,
            "rediss://u:p%40w@found/0?sentinel_password=x",
            (("::1", 5),),
            "main",
        ),
        ("redis+cluster://a,b:7/", Way.CLUSTER, "redis://found/0", (("a", 6379), ("b", 7)), ""),
        ("rediss+cluster://:p@a/0", Way.CLUSTER, "rediss://:p@found/0", (("a", 6379),), ""),
    ],
)
def test_what_an_address_names(
    url: str, way: Way, login: str, nodes: tuple[Node, ...], master: str
) -> None:
    assert read(url) == RedisUrl(way, login, nodes, master)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://h", "begins with none of"),
        ("redis+sentinel://a:1", "/master-name"),
        ("redis+sentinel://a:1/main/0/more", "/master-name"),
        ("redis+sentinel://a:1/main/x", "database is a number"),
        ("redis+cluster://a:1/1", "database 0 only"),
        ("redis+cluster://a:1,,b", "host:port"),
        ("redis+cluster://a:70000", "host:port"),
    ],
)
def test_what_is_wrong_with_an_address(url: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        read(url)


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("redis://:a@geheim@h:1/0", "redis://:***@h:1/0"),
        ("redis://u:a/geheim?@h/0", "redis://u:***@h/0"),
        (
            "redis+sentinel://u:a@geheim@a:1/main?sentinel_password=x@geheim",
            "redis+sentinel://u:***@a:1/main?sentinel_password=***",
        ),
        ("redis://h:1/0", "redis://h:1/0"),
    ],
)
def test_a_password_that_should_have_been_quoted_is_not_shown(url: str, seen: str) -> None:
    assert shown(url) == seen


def test_no_password_is_shown() -> None:
    for url in (
        "redis://u:geheim@h/0",
        "redis+sentinel://u:geheim@a:1,b:2/main?sentinel_password=geheim&x=1",
        "redis+cluster://:geheim@a",
    ):
        assert "geheim" not in shown(url)
        assert shown(url).endswith(url[-2:])
    with pytest.raises(ConfigError) as wrong:
        read("redis+cluster://u:geheim@a/7")
    assert "geheim" not in str(wrong.value)
    assert "geheim" not in repr(read("redis+cluster://u:geheim@a"))

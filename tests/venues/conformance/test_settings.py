"""Where a venue is reached, what its limits are, and how wrong settings are refused."""

import pytest

from router.enums import RequestKind
from router.errors import ConfigError
from tests.venues.conformance.sample import URLS, Sample, sockets_of


def addresses(sample: Sample, environment: str) -> set[str]:
    venue = sample.load(environment)
    return {venue.rest_url(), *(plan.url for plan in sockets_of(venue).values())}


def test_every_environment_is_reached_by_tls(sample: Sample) -> None:
    for environment in sample.environments:
        for address in addresses(sample, environment):
            assert address.startswith(("https://", "wss://"))
            assert not address.endswith("/")


def test_live_and_demo_are_apart(sample: Sample) -> None:
    assert {"live", "demo"} <= set(sample.environments)
    assert addresses(sample, "live") != addresses(sample, "demo")


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_simulator_takes_the_place_of_every_host(sample: Sample, slash: str) -> None:
    for environment in sample.environments:
        venue = sample.load(environment, **{name: url + slash for name, url in URLS.items()})
        assert venue.rest_url() == URLS["rest_url"]
        for plan in sockets_of(venue).values():
            assert plan.url.startswith(URLS["ws_url"] + "/")
        assert "127.0.0.1:1" in repr(venue)


@pytest.mark.parametrize("half", list(URLS))
def test_half_a_simulator_is_refused(sample: Sample, half: str) -> None:
    with pytest.raises(ConfigError, match="together"):
        sample.load("live", **{half: URLS[half]})


def test_an_unknown_environment_names_the_known_ones(sample: Sample) -> None:
    with pytest.raises(ConfigError, match="known: live, demo"):
        sample.load("nowhere")


def test_an_unknown_option_names_the_known_ones(sample: Sample) -> None:
    with pytest.raises(ConfigError, match=r"no_such_option.*known: "):
        sample.load("live", no_such_option=1)


@pytest.mark.parametrize(
    "options",
    [
        {"ping_after_s": 0},
        {"ping_after_s": True},
        {"ping_after_s": "5"},
        {"dead_after_s": -1.0},
        {"ping_after_s": 2.0, "dead_after_s": 1.0},
        {"dead_after_s": 1e9},
    ],
)
def test_a_wrong_heartbeat_is_refused(sample: Sample, options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        sample.load("live", **options)


def test_heartbeats_find_a_dead_socket_in_time(sample: Sample) -> None:
    for plan in sample.sockets.values():
        assert 0 < plan.ping_after_s < plan.dead_after_s <= 60
        assert plan.rotate_after_s is None or plan.rotate_after_s >= 3600
    quick = sample.load("live", ping_after_s=1, dead_after_s=2.5).trade_socket()
    assert quick is not None
    assert (quick.ping_after_s, quick.dead_after_s) == (1.0, 2.5)


def test_limits_are_stated(sample: Sample) -> None:
    limits = sample.venue.limits
    for kind in (RequestKind.CREATE, RequestKind.CANCEL, RequestKind.MODIFY):
        assert kind in limits.requests or (limits.account and kind is not RequestKind.CANCEL)
    limited = (limits.requests, limits.batches, limits.pairs)
    for limit in (*(one for by_kind in limited for one in by_kind.values()), limits.connects):
        assert limit.count >= 1
        assert limit.period_s > 0
    assert limits.batch_size >= 1


def test_the_account_type_and_exchange_are_named(sample: Sample) -> None:
    assert sample.venue.account_type
    assert sample.venue.exchange.value == sample.venue_name


def test_each_book_comes_by_a_socket_that_the_venue_has(sample: Sample) -> None:
    public = sample.venue.public_sockets()
    assert {sample.venue.book_socket(one) for one in sample.named.values()} <= set(public)
    for plan in public.values():
        assert (plan.login, plan.channels) == (False, ())

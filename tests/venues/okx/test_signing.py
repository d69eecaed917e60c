"""Signatures, where the sheet's vectors in ``sample.py`` are not all."""

from tests.venues.okx.sample import KEYS, VENUE, WHEN_MS
from workers.venue import RestRequest
from workers.venues.okx.signing import timestamp


def test_signing_again_replaces_the_signature() -> None:
    request = RestRequest("GET", "/api/v5/account/balance?ccy=BTC", headers={"a": "b"})
    assert VENUE.sign(VENUE.sign(request, KEYS, 0), KEYS, WHEN_MS) == VENUE.sign(
        request, KEYS, WHEN_MS
    )


def test_timestamps_always_have_milliseconds() -> None:
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"
    assert timestamp(1607418537005) == "2020-12-08T09:08:57.005Z"

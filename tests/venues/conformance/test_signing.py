"""Signatures are those of the sheet, and secrets stay secret."""

from tests.venues.conformance.sample import NOW_MS, Sample


def test_the_sheets_vectors(sample: Sample) -> None:
    assert sample.signed
    for vector in sample.signed:
        signed = sample.venue.sign(vector.request, vector.credentials, vector.now_ms)
        assert signed.path == vector.path
        assert signed.body == vector.request.body, "what was signed is what is sent"
        assert vector.headers.items() <= signed.headers.items()
        assert vector.request.headers.items() <= signed.headers.items()


def test_the_time_is_signed_too(sample: Sample) -> None:
    request = sample.venue.query_balances()
    first = sample.venue.sign(request, sample.credentials, NOW_MS)
    assert first != sample.venue.sign(request, sample.credentials, NOW_MS + 1)
    assert first == sample.venue.sign(request, sample.credentials, NOW_MS)


def test_secrets_are_not_shown(sample: Sample) -> None:
    secret = sample.credentials.secret
    assert secret
    for shown in (repr(sample.credentials), repr(sample.venue), repr(sample.sockets)):
        assert secret not in shown
    assert all(secret not in frame for frame in sample.login(sample.credentials, NOW_MS) if frame)

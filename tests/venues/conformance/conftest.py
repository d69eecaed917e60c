"""Every test here is run for each venue's sample."""

import pytest

from tests.venues.conformance.sample import Sample, samples


@pytest.fixture(scope="session", params=list(samples()), ids=repr)
def sample(request: pytest.FixtureRequest) -> Sample:
    found = request.param
    assert isinstance(found, Sample)
    return found

"""Finding venues, and the samples by which each is tested."""

from pathlib import Path

import pytest

from router.errors import ConfigError
from tests.scenarios.venues import VENUES
from tests.venues.conformance.sample import samples
from workers import venues
from workers.venues import load, names


def test_folders_are_venues() -> None:
    folders = {path.parent.name for path in Path(venues.__path__[0]).glob("*/__init__.py")}
    assert set(names()) == folders
    assert "okx" in names()


def test_an_unknown_venue_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'ftx' is unknown; known: .*okx"):
        load("ftx")
    with pytest.raises(ConfigError):
        load("../okx")


def test_every_venue_has_samples_and_transcripts() -> None:
    """A folder without them would be tested by nothing: see ``docs/adding-a-venue.md``."""
    sampled = {sample.venue_name for sample in samples()}
    assert sampled == set(names())
    assert all(sample.transcripts for sample in samples())


def test_every_venue_is_met_by_the_scenarios() -> None:
    assert {one.exchange for one in VENUES.values()} == set(names())

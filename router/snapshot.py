"""What an owner publishes of its metrics for ``status``: one small JSON value, often renewed."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from router.contracts import SCHEMA_VERSION

_SHAPE = ConfigDict(frozen=True, extra="ignore")


class StageSummary(BaseModel):
    """How long one stage took since the worker started; times are 0 while ``count`` is."""

    model_config = _SHAPE

    count: int
    p50_ms: float
    p99_ms: float
    most_ms: float


class RequestCount(BaseModel):
    """How many requests ended in one way. ``reason`` is "" unless they were not sent."""

    model_config = _SHAPE

    request: str
    transport: str
    outcome: str
    reason: str
    count: int


class Snapshot(BaseModel):
    """The metrics of one account's owner. Times are ms of the worker's clock.

    ``counts``: counters by name, their labels after it. ``now``: gauges by name.
    """

    model_config = _SHAPE

    v: Literal["1"] = SCHEMA_VERSION
    epoch: int
    since_ms: int
    at_ms: int
    stages: dict[str, StageSummary]
    requests: tuple[RequestCount, ...] = ()
    counts: dict[str, int] = {}
    now: dict[str, int] = {}

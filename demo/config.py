"""The settings that the demo's processes read, as the TOML files that a user would write."""

import json
from collections.abc import Mapping, Sequence

from demo.venues import OKX, DemoVenue

#: The simulator's keys of its demo accounts, by the variables that hold them: they open nothing
#: else.
KEYS = {
    "DEMO_KEY": "demo-key",
    "DEMO_SECRET": "demo-secret",
    "DEMO_PASSPHRASE": "demo-pass",
}
_ACCOUNT = """\
[accounts.{account}]
exchange = "{exchange}"
environment = "{environment}"
api_key = "env:DEMO_KEY"
api_secret = "env:DEMO_SECRET"
passphrase = "env:DEMO_PASSPHRASE"
rest_url = "http://127.0.0.1:{port}"
ws_url = "ws://127.0.0.1:{port}"
options = {{ {options} }}
"""
_ROUTER = """\
redis_url = "{redis_url}"
prefix = "{prefix}"
{rules}
[jobs]
queue = "{queue}"
sweep_every_s = 2
"""
#: A storm of half-open sockets and silent REST calls would be mostly waiting at the real pace.
STORM_RULES = """
[orders]
ack_timeout_ms = 2000
[worker]
rest_read_timeout_s = 1.5
reconnect_most_s = 2.0
"""
STORM_OPTIONS = {"ping_after_s": 1.0, "dead_after_s": 2.0}
_SIMULATOR = """\
venues = {venues}
[ports]
{ports}
[market]
seed = {seed}
[limits]
enabled = true
"""


def accounts_toml(
    venues: Sequence[DemoVenue], ports: Mapping[str, int], options: Mapping[str, object]
) -> str:
    """Return ``accounts.toml``: an account at each venue, reached at its port of this machine."""
    return "\n".join(
        _ACCOUNT.format(
            account=venue.account,
            exchange=venue.exchange,
            environment=venue.environment,
            port=ports[venue.name],
            options=_toml({**venue.options, **options}, ", "),
        )
        for venue in venues
    )


def router_toml(redis_url: str, prefix: str, queue: str, rules: str) -> str:
    """Return ``router.toml``; ``rules`` are tables of it, such as ``[orders]``."""
    return _ROUTER.format(redis_url=redis_url, prefix=prefix, queue=queue, rules=rules)


def simulator_toml(ports: Mapping[str, int], seed: int) -> str:
    """Return the simulator's settings; ``ports`` by venue, OKX's is given on its command line."""
    return _SIMULATOR.format(
        seed=seed,
        venues=json.dumps(list(ports)),
        ports=_toml({name: at for name, at in ports.items() if name != OKX.name}),
    )


def _toml(values: Mapping[str, object], between: str = "\n") -> str:
    return between.join(f"{name} = {json.dumps(value)}" for name, value in values.items())

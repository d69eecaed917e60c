"""Where rq keeps its queue: what a worker has to know of the jobs before it serves."""

from router.errors import ConfigError
from router.servers import Servers
from router.settings import Settings


def queue_servers(settings: Settings) -> Servers:
    """Return where rq keeps its queue.

    Raises:
        ConfigError: If that would be a Cluster.
    """
    servers = Servers(settings.jobs.redis_url or settings.redis_url)
    if not servers.one_for_all:
        raise ConfigError(
            "jobs.redis_url",
            "rq keeps its queue in many slots, so it does not run on a Cluster; name one server or "
            'Sentinels for it, for example jobs.redis_url = "redis://127.0.0.1:6380/0"',
        )
    return servers

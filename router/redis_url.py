"""Which way a Redis address names: one server, the master that Sentinels name, or a Cluster.

    redis://[user:password@]host:port/db           one server; also rediss:// (TLS) and unix://
    redis+sentinel://[user:password@]host:port,host:port/master-name[/db]     the Sentinels
    redis+cluster://[user:password@]host:port,host:port                       some of the nodes

With ``rediss+…`` the servers speak TLS. Options follow a ``?`` as redis-py has them; for Sentinels
with a login of their own there are ``sentinel_username`` and ``sentinel_password``.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from router.errors import ConfigError

DEFAULT_PORTS = {"sentinel": 26379, "cluster": 6379}
_PLAIN = ("redis://", "rediss://", "unix://")
_FORM = re.compile(
    r"(?P<tls>rediss?)\+(?P<way>sentinel|cluster)://(?:(?P<login>[^@/]*)@)?"
    r"(?P<nodes>[^/?]+)(?P<path>/[^?]*)?(?P<query>\?.*)?"
)
_NODE = re.compile(r"(?P<host>\[[0-9a-fA-F:]+\]|[^:\[\]]+)(?::(?P<port>\d{1,5}))?")
Node = tuple[str, int]


class Way(StrEnum):
    """How the server that has a key is found."""

    SERVER = "server"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """A Redis address taken apart.

    ``login`` is a plain address that holds login, database and options for redis-py; unless ``way``
    is SERVER, its host stands for whichever server is found. ``nodes``: Sentinels, or nodes of the
    Cluster.
    """

    way: Way
    login: str
    nodes: tuple[Node, ...] = ()
    master: str = ""

    def __repr__(self) -> str:
        return f"RedisUrl({self.way}, {len(self.nodes)} nodes)"


def read(url: str) -> RedisUrl:
    """Return the address taken apart.

    Raises:
        ConfigError: If it is malformed.
    """
    if url.startswith(_PLAIN):
        return RedisUrl(Way.SERVER, url)
    found = _FORM.fullmatch(url)
    if found is None:
        raise _wrong(url, "it begins with none of redis:// redis+sentinel:// redis+cluster://")
    way = Way(found["way"])
    parts = [part for part in (found["path"] or "").split("/") if part]
    master, db = "", "0"
    if way is Way.SENTINEL:
        if not 1 <= len(parts) <= 2:
            raise _wrong(url, "after the Sentinels comes /master-name or /master-name/db")
        master, db = parts[0], parts[1] if len(parts) == 2 else "0"
    elif parts not in ([], ["0"]):
        raise _wrong(url, "a Cluster has database 0 only")
    if not db.isdigit():
        raise _wrong(url, "the database is a number")
    nodes = tuple(_node(url, text, way) for text in found["nodes"].split(","))
    login = f"{found['login']}@" if found["login"] else ""
    query = found["query"] or ""
    return RedisUrl(way, f"{found['tls']}://{login}found/{db}{query}", nodes, master)


def _node(url: str, text: str, way: Way) -> Node:
    found = _NODE.fullmatch(text.strip())
    if found is None or int(found["port"] or 1) > 65_535:
        raise _wrong(url, "servers are written host:port,host:port")
    return found["host"].strip("[]"), int(found["port"] or DEFAULT_PORTS[way])


def _wrong(url: str, problem: str) -> ConfigError:
    return ConfigError("redis url", f"{shown(url)!r} cannot be used: {problem}")


def shown(url: str) -> str:
    """Return a Redis address without its passwords, fit for a message."""
    hidden = re.sub(r"(password=)[^&]*", r"\1***", url)
    # To the last "@": a password may have one that should have been written %40.
    return re.sub(r"//([^:@/]*):.*@", r"//\1:***@", hidden)

"""Order ids: unique across processes, legal on every venue, and tagged with their strategy.

Invariants:
1. A generated oid is 32 lower-case hex digits. That is legal as a client order id on OKX
   (``[A-Za-z0-9]{1,32}``), Binance (36 of ``[.A-Z:/a-z0-9_-]``), Bybit and Bitget (36), and is
   exactly a Hyperliquid cloid once ``0x`` stands before it (protocol sheets, 2026-11).
2. Its first 10 digits are the strategy's tag, so an open order found at the venue alone can be
   given back to its owner.
3. 44 bits of milliseconds and 44 random bits follow; nothing is shared between processes.
"""

import hashlib
import re
import secrets
import time
from functools import cache

from router.errors import InvalidArgument

TAG_LENGTH = 10
OID = re.compile(r"[0-9a-f]{32}")
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
#: Legal on every venue that this project knows; a stricter or wider venue names its own pattern.
PLAIN_CLIENT_ID = r"[A-Za-z0-9]{1,32}"
MAX_KEY_LENGTH = 128
MAX_CLIENT_OID_LENGTH = 64
_KEY = re.compile(rf"[\x21-\x7e]{{1,{MAX_KEY_LENGTH}}}")


def check_name(value: str, what: str) -> str:
    """Return ``value`` if it may name a strategy or an account.

    Raises:
        InvalidArgument: If it is not ``[a-z0-9][a-z0-9-]{0,31}``.
    """
    if not NAME.fullmatch(value):
        raise InvalidArgument(
            what,
            f"{value!r} is not a legal name: 1 to 32 of a-z, 0-9 and '-', not starting with '-'",
        )
    return value


def check_idempotency_key(value: str) -> str:
    """Return ``value`` if it may be an idempotency key: 1 to 128 printable ASCII, no blanks.

    Raises:
        InvalidArgument: If it is not.
    """
    if not _KEY.fullmatch(value) or "{" in value or "}" in value:
        raise InvalidArgument(
            "idempotency_key",
            f"{value[:140]!r} is not 1 to {MAX_KEY_LENGTH} printable ASCII characters without "
            "blanks and braces",
        )
    return value


@cache
def strategy_tag(strategy: str) -> str:
    """Return the 10 hex digits that mark ids of ``strategy``."""
    return hashlib.sha256(f"order-router:{strategy}".encode()).hexdigest()[:TAG_LENGTH]


def tag_of(client_id: str) -> str | None:
    """Return the tag inside a generated or derived client id; None for any other id."""
    bare = client_id.removeprefix("0x").lower()
    return bare[:TAG_LENGTH] if OID.fullmatch(bare) else None


def new_oid(tag: str) -> str:
    """Return a fresh oid for the strategy with this tag."""
    ms = time.time_ns() // 1_000_000 & 0xFFF_FFFF_FFFF
    return f"{tag}{ms:011x}{secrets.randbits(44):011x}"


def made_ms(oid: str) -> int:
    """Return when a generated oid was made, by the clock of its maker; 0 for any other id."""
    return int(oid[TAG_LENGTH : TAG_LENGTH + 11], 16) if OID.fullmatch(oid) else 0


def new_request_id() -> str:
    """Return a fresh id for a cancel, a modify or a query: 24 hex digits."""
    return secrets.token_hex(12)


def wire_client_id(client_oid: str, tag: str, pattern: str = PLAIN_CLIENT_ID) -> str:
    """Return the id the venue sees for a strategy's own ``client_oid``.

    A legal one is sent as it is; any other becomes the tag and a digest: 32 hex digits, the same
    for the same strategy and ``client_oid`` in every process.

    Raises:
        InvalidArgument: If it is empty or longer than 64 characters.
    """
    if not 1 <= len(client_oid) <= MAX_CLIENT_OID_LENGTH or not client_oid.isprintable():
        raise InvalidArgument(
            "client_oid", f"must be 1 to {MAX_CLIENT_OID_LENGTH} printable characters"
        )
    if re.fullmatch(pattern, client_oid):
        return client_oid
    digest = hashlib.sha256(f"{tag}:{client_oid}".encode()).hexdigest()
    return tag + digest[: 32 - TAG_LENGTH]

"""Sign with the keys that venues issue: a shared secret (HMAC), or a private key as PEM."""

import base64
import hmac
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from router.errors import ConfigError


def is_pem(secret: str) -> bool:
    """Whether the secret is a private key as PEM text, not a shared secret."""
    return secret.startswith("-----BEGIN")


def hmac_sha256_hex(secret: str, payload: str) -> str:
    """Return HMAC-SHA256 of ``payload`` in hex digits."""
    signing = _keyed(secret).copy()  # a third less than with the key anew each time
    signing.update(payload.encode())
    return signing.hexdigest()


def ed25519_base64(pem: str, payload: str) -> str:
    """Return the Ed25519 signature of ``payload`` in Base64.

    Raises:
        ConfigError: If the PEM text is no private Ed25519 key; it is never quoted.
    """
    key = _private_key(pem)
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError("api_secret", "the PEM text is no Ed25519 key; make one, or use HMAC")
    return base64.b64encode(key.sign(payload.encode())).decode()


def rsa_base64(pem: str, payload: str) -> str:
    """Return the RSA signature of ``payload`` (PKCS #1 v1.5, SHA-256) in Base64.

    Raises:
        ConfigError: If the PEM text is no private RSA key; it is never quoted.
    """
    key = _private_key(pem)
    if not isinstance(key, RSAPrivateKey):
        raise ConfigError("api_secret", "the PEM text is no RSA key; make one, or use HMAC")
    return base64.b64encode(key.sign(payload.encode(), PKCS1v15(), SHA256())).decode()


@lru_cache(maxsize=8)
def _keyed(secret: str) -> hmac.HMAC:
    return hmac.new(secret.encode(), digestmod="sha256")


@lru_cache(maxsize=8)
def _private_key(pem: str) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError("api_secret", "the PEM text is no private key that can be read") from None

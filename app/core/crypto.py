"""Keyed hashes and encryption at rest. Keys come from the settings, are named by a version, and can be rotated."""

import base64
import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.core.settings import DataKeys, Peppers

NONCE_BYTES = 12
"""The nonce of AES-GCM (NIST SP 800-38D). Random: safe for 2^32 messages a key, far above our secrets."""


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104)."""
    return hmac.digest(key, message, "sha256")


def same(left: bytes, right: bytes) -> bool:
    """Comparison in constant time."""
    return hmac.compare_digest(left, right)


def sha256(data: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()


def derive_key(secret: bytes, purpose: str) -> bytes:
    """A 256-bit key for one purpose (HKDF-SHA256, RFC 5869); it reveals neither `secret` nor other keys."""
    return HKDF(SHA256(), length=32, salt=None, info=f"swap-pay {purpose}".encode()).derive(secret)


def pepper_hash(peppers: Peppers, secret: str, version: int | None = None) -> tuple[int, bytes]:
    """The keyed hash under which a high-entropy secret is stored, and the version of the pepper used.

    Without `version` the newest pepper is taken. Raises KeyError for a version that is not configured.
    """
    chosen = peppers.current if version is None else version
    return chosen, hmac_sha256(peppers.keys[chosen], secret.encode())


class Undecryptable(Exception):
    """A ciphertext that no configured data key decrypts, or that was altered."""


def encrypt(keys: DataKeys, plaintext: str, *, purpose: str) -> str:
    """`<key id>.<base64 of nonce and ciphertext>` under the current data key, AES-256-GCM.

    `purpose` (such as `webhook-secret:WH-…`) is authenticated along, so that a ciphertext moved to another
    row or column does not open there.
    """
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(keys.keys[keys.current]).encrypt(nonce, plaintext.encode(), purpose.encode())
    return f"{keys.current}.{base64.b64encode(nonce + sealed).decode()}"


def decrypt(keys: DataKeys, ciphertext: str, *, purpose: str) -> str:
    """The plaintext of `encrypt`. Raises Undecryptable."""
    key_id, _, body = ciphertext.partition(".")
    key = keys.keys.get(key_id)
    if key is None:
        raise Undecryptable(f"no data key {key_id!r} is configured")
    try:
        raw = base64.b64decode(body, validate=True)
        return AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], purpose.encode()).decode()
    except (InvalidTag, ValueError) as error:
        raise Undecryptable("the ciphertext was altered or belongs elsewhere") from error


def needs_reencryption(keys: DataKeys, ciphertext: str) -> bool:
    """Whether an older data key than the current one sealed this."""
    return ciphertext.partition(".")[0] != keys.current

"""Encryption of endpoint secrets: each ciphertext is bound to its endpoint, and decrypted only to sign or reveal."""

from datetime import datetime

from app.core import crypto
from app.core.key_rotation import Progress, SealedColumn, quietly, reseal
from app.core.settings import DataKeys


def seal(keys: DataKeys, endpoint_id: str, secret: str) -> str:
    """The ciphertext that goes into the endpoint's row."""
    return crypto.encrypt(keys, secret, purpose=_purpose(endpoint_id))


def open_sealed(keys: DataKeys, endpoint_id: str, sealed: str) -> str:
    """The secret. Raises crypto.Undecryptable."""
    return crypto.decrypt(keys, sealed, purpose=_purpose(endpoint_id))


def signing_secrets(
    keys: DataKeys,
    endpoint_id: str,
    *,
    sealed: str,
    previous_sealed: str | None,
    previous_until: datetime | None,
    now: datetime,
) -> list[str]:
    """The secrets that sign at `now`: the current one, then the previous one while its overlap lasts.

    Raises crypto.Undecryptable.
    """
    signing = [open_sealed(keys, endpoint_id, sealed)]
    if previous_sealed is not None and previous_until is not None and now < previous_until:
        signing.append(open_sealed(keys, endpoint_id, previous_sealed))
    return signing


async def reseal_all(keys: DataKeys, tell: Progress = quietly) -> int:
    """Encrypt every endpoint's secrets with the current data key; how many. Raises crypto.Undecryptable."""
    columns = ("secret_sealed", "previous_secret_sealed")
    return sum([await reseal(keys, SealedColumn("webhook_endpoints", column, _purpose), tell) for column in columns])


def _purpose(endpoint_id: str) -> str:
    return f"webhook-secret:{endpoint_id}"
